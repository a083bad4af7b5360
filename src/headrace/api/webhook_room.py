"""Back-pressure for one webhook: an allowance that is measured now and then and used up by what is accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from headrace.errors import Busy

__all__ = ["JOURNAL_SHARE", "WAIT", "Measured", "Room"]

JOURNAL_SHARE = 0.7
"""Part of a journal's bytes that triggers may fill; the rest is kept for what their messages become."""
WAIT = "Send the event again after the seconds in Retry-After."
FRESH = 1.0
"""Seconds after which the allowance is measured again, whatever is left of it."""
FULL_FOR = 0.1
"""Seconds for which a journal that was found full is not asked again."""


class Measured(NamedTuple):
    """What a trigger's inbox can take: messages until its queue limit, bytes until the journal's share is full."""

    messages: int
    bytes: int


class Room:
    """Admission to one inbox. Overshoots by no more than what is admitted while one measurement is under way."""

    def __init__(self, measure: Callable[[], Awaitable[Measured]], clock: Callable[[], float] = time.monotonic) -> None:
        self._measure = measure
        self._clock = clock
        self._lock = asyncio.Lock()
        self._messages = 0
        self._bytes = 0
        self._fresh_until = 0.0

    async def admit(self, size: int) -> None:
        """Return when a message of ``size`` bytes may be stored; raises `Busy` (``queue-full``, ``journal-full``)."""
        if not self._enough(size):
            await self._look(size)
        elif self._clock() >= self._fresh_until:
            self._fresh_until = self._clock() + FRESH  # the others go on meanwhile
            await self._refresh()
        if self._messages <= 0:
            raise Busy("queue-full", "too many events are waiting in this flow", next_step=WAIT)
        if self._bytes < size:
            raise Busy("journal-full", "the journal of this flow is full", next_step=WAIT)
        self._messages -= 1
        self._bytes -= size

    def _enough(self, size: int) -> bool:
        return self._messages > 0 and self._bytes >= size

    async def _look(self, size: int) -> None:
        async with self._lock:
            if not self._enough(size) and self._clock() >= self._fresh_until - FRESH + FULL_FOR:
                await self._refresh()

    async def _refresh(self) -> None:
        self._messages, self._bytes = await self._measure()
        self._fresh_until = self._clock() + FRESH
