"""Writes of one kind, one after another: nobody waits for them, and each is told of when it has ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from headrace.errors import HeadraceError

__all__ = ["Done", "Writes"]

Done = Callable[[HeadraceError | None], None]
Write = Callable[[], Awaitable[None]]


class Writes:
    """Carried out in the order they came, by a task that runs while there are any. ``name`` is the task's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[tuple[Write, Done]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, write: Write, done: Done) -> None:
        """Call ``write`` when those before it have ended, and ``done`` with its `HeadraceError`, or `None`."""
        self._waiting.append((write, done))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def settled(self) -> None:
        """Return when there are none."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                write, done = self._waiting.popleft()
                try:
                    await write()
                except HeadraceError as error:
                    done(error)
                else:
                    done(None)
        finally:
            self._task = None
