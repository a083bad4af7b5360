"""The leak guard: whether a trigger that is called again and again opens something new at every call.

Pure: told of each census and of each late emission of one host's life, it answers with a `Leak`, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal, TypeVar

import msgspec

from headrace.bus.control import Leak

__all__ = ["CALLS", "MOMENT", "Guard"]

CALLS = 10
"""Censuses in a row, each with more than the one before, that make a leak."""
EMITTERS = "emitters"
"""The one kind that is no number of things, but of the last calls in a row that each left one behind."""
CLIENTS = "clients"
"""Who connects to a server of the component. While one comes with every other call, what else grows is their doing."""
OWN = ("servers", "processes", "watchers")
"""But these are not."""
WORK = ("tasks", "threads", "generators", "timers")
"""What waits for the answer to an emission: it grows while the platform lets emissions wait."""
MOMENT = 0.25
"""Seconds within which the same event from several calls counts as one event, repeated."""
STEADY = 5
"""Calls long over that still emit, and all of them the same event within a moment: each has left a listener."""
REMEMBERED = 1_000

Value = TypeVar("Value")
Language = Literal["python", "node"]

_THINGS = {
    "processes": "child process",
    "servers": "server",
    "watchers": "file watcher",
    "sockets": "connection",
    "threads": "thread",
    "generators": "generator",
    "tasks": "task",
    "listeners": "event listener",
    "timers": "timer",
    "pipes": "local connection",
    "files": "file",
    EMITTERS: "emitter",
    "events": "listener",
}
"""What one of a kind is called. Several grow together: a child process has pipes, a server clients, a client a timer.
The first of these names the leak."""
_KEEP = {
    "python": "keep one {thing} in a module variable and make it only while that is None",
    "node": "keep one {thing} in a variable of the module (`let kept;`) and make it only `if (!kept)`",
}
_LISTEN = {
    "python": "move it to `async def listen(ctx, cfg, snapshot)`",
    "node": "move it to `exports.listen = function (cfg, snapshot) {…}`",
}
_CLOSE = {
    "python": "close the {thing} it has opened when it ends: use `async with`, or `finally`",
    "node": "return a function that closes the {thing} it has opened, or close it in `finally`",
}


class Guard:
    """One life of a trigger's host; its ``shape`` is ``process`` or ``listen``, as the host protocol has it."""

    def __init__(self, language: Language, shape: str = "process") -> None:
        self._language = language
        self._shape = shape
        self._calls: deque[int] = deque(maxlen=CALLS)
        self._open: dict[str, deque[int]] = {}
        self._told = False
        self._since: dict[int, float] = {}
        """Calls that emitted when they were over, with the time they first did."""
        self._moments: dict[int, tuple[float, set[int]]] = {}
        """By digest of an event: when its moment began, and the calls that have emitted it since."""

    def census(self, call: int, counted: Mapping[str, int], *, waiting: bool = False) -> Leak | None:
        """What was open after ``call``. A kind that is left out for once begins anew.

        ``waiting``: emissions wait for room.
        """
        if self._told:
            return None
        if waiting:
            counted = {kind: number for kind, number in counted.items() if kind not in WORK}
        self._calls.append(call)
        self._open = {kind: self._open.get(kind) or deque(maxlen=CALLS) for kind in counted}
        for kind, number in counted.items():
            self._open[kind].append(number)
        growing = {kind for kind in counted if self._grows(kind)} - {CLIENTS}
        if not growing:
            return None
        kind = next((each for each in _THINGS if each in growing), min(growing))
        return self._leak(kind, 1.0 if kind == EMITTERS else self._growth(kind))

    def late(self, call: int, event: bytes | msgspec.Raw, now: float) -> Leak | None:
        """``call``, which has ended, emitted ``event`` (its body) at ``now`` (seconds)."""
        if self._told:
            return None
        _remember(self._since, call, self._since.get(call, now))
        if len(self._since) == 1:  # the careful listener
            return None
        digest = hash(bytes(event))
        began, by = self._moments.pop(digest, (now, set()))
        if now - began > MOMENT:
            began, by = now, set()
        by.add(call)
        _remember(self._moments, digest, (began, by))
        if len(by) < CALLS and sum(now - self._since.get(each, now) > MOMENT for each in by) < STEADY:
            return None
        return self._leak("events", 1.0)

    def _grows(self, kind: str) -> bool:
        numbers = self._open[kind]
        if len(numbers) < CALLS or (kind not in OWN and self._crowd_comes()):
            return False
        if kind == EMITTERS:
            return numbers[-1] >= CALLS
        return all(grown >= called for grown, called in zip(_steps(numbers), _steps(self._calls), strict=True))

    def _crowd_comes(self) -> bool:
        clients = self._open.get(CLIENTS) or (0,)
        return clients[-1] - clients[0] >= CALLS // 2

    def _growth(self, kind: str) -> float:
        numbers = self._open[kind]
        return round((numbers[-1] - numbers[0]) / (self._calls[-1] - self._calls[0]), 1)

    def _leak(self, kind: str, growth: float) -> Leak:
        self._told = True
        return Leak(kind=kind, growth=growth, cure=self._cure(_THINGS.get(kind, kind)))

    def _cure(self, thing: str) -> str:
        language = self._language
        if self._shape == "listen":
            return f"`listen` is called again when it has ended: {_CLOSE[language].format(thing=thing)}"
        return (
            f"`process` is called again and again: {_KEEP[language].format(thing=thing)}, or, better, "
            f"{_LISTEN[language]}; see docs/how-to/write-a-{language}-component.md#a-listener-made-in-process"
        )


def _steps(numbers: Iterable[int]) -> list[int]:
    return [after - before for before, after in pairwise(numbers)]


def _remember(known: dict[int, Value], key: int, value: Value) -> None:
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
