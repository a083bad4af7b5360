"""What this process holds open: what the platform's leak guard counts after every call of a trigger."""

# ruff: noqa: PTH115, PTH123, PTH208  (pathlib would cost every host half a megabyte)

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from time import monotonic
from types import GeneratorType

from headrace_host.connections import connections

__all__ = ["Census"]

_FDS = "/proc/self/fd"
_TASKS = "/proc/self/task"
_STARTS = {
    "socket:": "sockets",
    "pipe:": "pipes",
    "/": "files",
    "anon_inode:inotify": "watchers",
    "anon_inode:[fanotify]": "watchers",
}
"""How what a descriptor means is written, by kind."""
_PAUSE = 0.02
_SUSPICIOUS = 8
"""Times in a row that something has grown after which garbage is collected: what only waits for that does not count."""
_SHARE = 0.01
"""Of its time that the host spends on that at most."""
_MOST_OBJECTS = 20_000
"""Beyond these, looking at each for a generator would take milliseconds: it is left out for some calls."""
_LEFT_OUT = 100


class Census:
    """Counts by kind: ``sockets``, ``servers``, ``clients``, ``pipes``, ``files``, ``watchers``, ``threads``,
    ``tasks``, ``generators``, ``timers``, ``processes``.

    What was open when it was made is the host's own and does not count. A kind this system cannot tell is left out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._own = frozenset(_descriptors())
        self._last = -_PAUSE
        self._leave_out = 0
        self._before: dict[str, int] = {}
        self._grown = 0
        self._collect_from = 0.0

    def due(self) -> bool:
        """Whether to count now: calls that end in quick succession share a census."""
        now = monotonic()
        if now - self._last < _PAUSE:
            return False
        self._last = now
        return True

    def count(self, own_threads: int, own_tasks: int) -> dict[str, int]:
        """What component code holds open now, less the host's own threads and tasks; nothing if garbage may count."""
        if self._grown >= _SUSPICIOUS and not self._collect():
            return {}
        open_now = self._count(own_threads, own_tasks)
        grown = any(number > self._before.get(kind, number) for kind, number in open_now.items())
        self._grown = self._grown + 1 if grown else 0
        self._before = open_now
        return open_now

    def _collect(self) -> bool:
        began = monotonic()
        if began < self._collect_from:
            return False
        gc.collect()
        self._collect_from = began + (monotonic() - began) / _SHARE
        self._grown = 0
        return True

    def _count(self, own_threads: int, own_tasks: int) -> dict[str, int]:
        return {
            **self._files(),
            "threads": threading.active_count() - 1 - own_threads,
            "tasks": len(asyncio.all_tasks(self._loop)) - own_tasks,
            "generators": self._generators(),
            **self._timers(),
            **_processes(),
        }

    def _files(self) -> dict[str, int]:
        found = _descriptors()
        if not found:
            return {}
        kinds = {name: _kind(target) for name, target in found.items() if name not in self._own}
        counted = {kind: list(kinds.values()).count(kind) for kind in _STARTS.values()}
        if socket.getdefaulttimeout() is not None:  # to look at a socket would set it
            return counted
        return counted | connections(int(name) for name, kind in kinds.items() if kind == "sockets")

    def _generators(self) -> int:
        """Asynchronous ones that have begun and not ended, and all others that are kept."""
        asynchronous = len(getattr(self._loop, "_asyncgens", ()))
        if self._leave_out:
            self._leave_out -= 1
            return asynchronous
        objects = gc.get_objects()
        if len(objects) > _MOST_OBJECTS:
            self._leave_out = _LEFT_OUT
            return asynchronous
        return asynchronous + list(map(type, objects)).count(GeneratorType)

    def _timers(self) -> dict[str, int]:
        scheduled = getattr(self._loop, "_scheduled", None)  # private, but there is no other way to know
        if scheduled is None:
            return {}
        due = [handle for handle in getattr(self._loop, "_ready", ()) if isinstance(handle, asyncio.TimerHandle)]
        return {"timers": sum(not timer.cancelled() for timer in [*scheduled, *due])}


def _processes() -> dict[str, int]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case, told in a microsecond
        return {"processes": 0}
    found = 0
    try:
        for thread in _listed(_TASKS):
            with open(f"{_TASKS}/{thread}/children", "rb") as children:
                found += len(children.read().split())
    except OSError:  # a kernel without it
        return {}
    return {"processes": found}


def _descriptors() -> dict[str, str]:
    """What each descriptor means, without the one with which the folder was read: it is closed again."""
    found = {}
    for name in _listed(_FDS):
        try:
            found[name] = os.readlink(f"{_FDS}/{name}")
        except OSError:
            continue
    return found


def _kind(target: str) -> str:
    return next((kind for start, kind in _STARTS.items() if target.startswith(start)), "")


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
