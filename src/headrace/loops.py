"""Keeping the server's loops running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

__all__ = ["Loops"]

AGAIN = (0.5, 30.0)
"""Shortest and longest pause before a loop that crashed is run again."""

log = structlog.get_logger("server")


class Loops:
    """Runs the loops of the parts; one that crashes is run again, and the trouble is told for as long as it lasts."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._troubles: dict[str, str] = {}

    def troubles(self) -> tuple[str, ...]:
        """What does not work at the moment, a sentence each."""
        return tuple(self._troubles.values())

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run until it returns, which it does when it was asked to stop; a crash is no end."""
        pause = AGAIN[0]
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            begun = loop.time()
            try:
                await run()
                return
            except Exception as error:
                log.exception("a loop crashed", loop=name, again_in=pause)
                self._troubles[name] = f"the {name} crashed and is run again: {type(error).__name__}: {error}"
            if loop.time() - begun > AGAIN[1]:
                pause = AGAIN[0]
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, AGAIN[1])
            self._troubles.pop(name, None)
