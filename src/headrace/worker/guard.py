"""The leak guard: whether a trigger that is called again and again opens something new at every call.

Pure: told of each census and of each late emission of one host's life, it answers with a `Leak`, once for each kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Literal

from headrace.bus.control import Leak

__all__ = ["CALLS", "MOMENT", "Guard"]

CALLS = 10
"""Censuses in a row, each with more than the one before, that make a leak."""
MOMENT = 0.25
"""Seconds within which the same event from several sources counts as one event, repeated."""
SOURCES = 5
"""Calls that are over and emit the same event: once there are this many, more each time, listeners pile up."""
REMEMBERED = 1_000

Language = Literal["python", "node"]

_THINGS = {
    "sockets": "connection",
    "servers": "server",
    "pipes": "pipe",
    "files": "file",
    "threads": "thread",
    "tasks": "task",
    "generators": "generator",
    "timers": "timer",
    "processes": "child process",
    "watchers": "file watcher",
    "listeners": "event listener",
    "events": "listener",
}
_KEEP = {
    "python": "keep one {thing} in a module variable and make it only while that is None",
    "node": "keep one {thing} in a variable of the module (`let kept;`) and make it only `if (!kept)`",
}
_LISTEN = {
    "python": "move it to `async def listen(ctx, cfg, snapshot)`",
    "node": "move it to `exports.listen = function (cfg, snapshot) {…}`",
}


class Guard:
    """One life of a trigger's host."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._calls: deque[int] = deque(maxlen=CALLS)
        self._open: dict[str, deque[int]] = {}
        self._warned: set[str] = set()
        self._sources: set[int] = set()
        self._events: dict[bytes, tuple[float, set[int]]] = {}
        self._most = 1

    def census(self, call: int, counted: Mapping[str, int]) -> Leak | None:
        """What was open after ``call``. A kind that is left out for once begins anew."""
        self._calls.append(call)
        self._open = {kind: self._open.get(kind) or deque(maxlen=CALLS) for kind in counted}
        for kind, number in counted.items():
            self._open[kind].append(number)
        growing = {kind: self._growth(kind) for kind in counted if kind not in self._warned and self._grows(kind)}
        if not growing:
            return None
        kind = max(growing, key=lambda each: (growing[each], -list(_THINGS).index(each) if each in _THINGS else -99))
        self._warned.update(growing)  # a server comes with its descriptor: one thing, told once
        return self._leak(kind, growing[kind])

    def late(self, call: int, event: bytes, now: float) -> Leak | None:
        """``call``, which has ended, emitted ``event`` at ``now`` (seconds)."""
        self._sources.add(call)
        if len(self._sources) == 1 or "events" in self._warned:  # the careful listener
            return None
        began, by = self._events.pop(event, (now, set()))
        if now - began > MOMENT:
            began, by = now, set()
        by.add(call)
        self._events[event] = (began, by)
        if len(self._events) > REMEMBERED:
            del self._events[next(iter(self._events))]
        if len(by) <= self._most:
            return None
        self._most = len(by)
        if self._most < SOURCES:
            return None
        self._warned.add("events")
        return self._leak("events", 1.0)

    def _grows(self, kind: str) -> bool:
        numbers, calls = list(self._open[kind]), list(self._calls)
        if len(numbers) < CALLS:
            return False
        steps = zip(numbers, numbers[1:], calls, calls[1:], strict=False)
        return all(after - before >= called - earlier for before, after, earlier, called in steps)

    def _growth(self, kind: str) -> float:
        numbers = self._open[kind]
        return round((numbers[-1] - numbers[0]) / (self._calls[-1] - self._calls[0]), 1)

    def _leak(self, kind: str, growth: float) -> Leak:
        thing = _THINGS.get(kind, kind)
        page = f"docs/how-to/write-a-{'node' if self._language == 'node' else 'python'}-component.md"
        cure = (
            f"`process` is called again and again: {_KEEP[self._language].format(thing=thing)}, or, better, "
            f"{_LISTEN[self._language]}; see {page}#a-listener-made-in-process"
        )
        return Leak(kind=kind, growth=growth, cure=cure)
