"""What this process holds open: what the platform's leak guard counts after every call of a trigger."""

# ruff: noqa: PTH115, PTH123, PTH208  (pathlib would cost every host half a megabyte)

from __future__ import annotations

import asyncio
import os
import threading
from time import monotonic

__all__ = ["Census"]

_FDS = "/proc/self/fd"
_TASKS = "/proc/self/task"
_PAUSE = 0.02


class Census:
    """Counts by kind: ``sockets``, ``pipes``, ``files``, ``threads``, ``tasks``, ``generators``, ``timers``,
    ``processes``.

    What was open when it was made is the host's own and does not count. A kind this system cannot tell is left out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._own = frozenset(_descriptors())
        self._last = -_PAUSE

    def due(self) -> bool:
        """Whether to count now: calls that end in quick succession share a census."""
        now = monotonic()
        if now - self._last < _PAUSE:
            return False
        self._last = now
        return True

    def count(self, own_threads: int, own_tasks: int) -> dict[str, int]:
        """What component code holds open now, less the host's own threads and tasks."""
        return {
            **self._files(),
            "threads": threading.active_count() - 1 - own_threads,
            "tasks": len(asyncio.all_tasks(self._loop)) - own_tasks,
            "generators": len(getattr(self._loop, "_asyncgens", ())),  # asynchronous ones, begun and not ended
            **self._timers(),
            **_processes(),
        }

    def _files(self) -> dict[str, int]:
        found = _descriptors()
        if not found:
            return {}
        targets = [target for name, target in found.items() if name not in self._own]
        return {
            "sockets": sum(target.startswith("socket:") for target in targets),
            "pipes": sum(target.startswith("pipe:") for target in targets),
            "files": sum(target.startswith("/") for target in targets),
        }

    def _timers(self) -> dict[str, int]:
        scheduled = getattr(self._loop, "_scheduled", None)  # private, but there is no other way to know
        if scheduled is None:
            return {}
        return {"timers": sum(not timer.cancelled() for timer in scheduled)}


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


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
