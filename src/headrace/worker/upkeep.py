"""What a worker does by the clock: heartbeat, signs of progress, memory, the journal's size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from headrace.bus.control import Phase
from headrace.errors import HeadraceError
from headrace.worker.bodies import Bodies
from headrace.worker.purge import Purge
from headrace.worker.room import Room
from headrace.worker.step import Step
from headrace.worker.trigger import Trigger

__all__ = ["Upkeep"]

HEARTBEAT = 1.0
TICK = 0.5
MEASURE = 2.0
IN_PROGRESS = 10.0
LOOK_EVERY = 4.0
LOOK_SOON = 0.25
"""Seconds before the next look at a journal that is crowded."""


class Upkeep:
    """The clocks of one worker. Each of `clocks` runs until it is cancelled."""

    def __init__(
        self,
        parts: Sequence[Step | Trigger],
        room: Room,
        purge: Purge,
        bodies: Bodies,
        *,
        beat: Callable[[], None],
        phase: Callable[[], Phase],
    ) -> None:
        self._parts = parts
        self._room = room
        self._purge = purge
        self._bodies = bodies
        self._beat = beat
        self._phase = phase

    def clocks(self) -> list[Coroutine[Any, Any, None]]:
        """One coroutine per clock."""
        return [
            _every(HEARTBEAT, self._beat),
            _every(TICK, self._tick),
            _every(MEASURE, self._measure),
            _every(IN_PROGRESS, self._in_progress),
            self._watch_journal(),
        ]

    def _tick(self) -> None:
        for each in self._parts:
            each.tick()

    def _measure(self) -> None:
        for each in self._parts:
            each.host.measure()

    def _in_progress(self) -> None:
        for each in self._parts:
            if isinstance(each, Step):
                each.in_progress()

    async def _watch_journal(self) -> None:
        pause = LOOK_SOON
        while True:
            if self._room.short.is_set():
                await asyncio.sleep(pause)
            else:
                pause = LOOK_SOON
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._room.short.wait()
            before = self._room.used
            with suppress(HeadraceError):  # the broker is away; next time
                await self.look()
            pause = LOOK_SOON if self._room.used < before else min(pause * 2, LOOK_EVERY)

    async def look(self) -> None:
        """Measure the journal; the live worker also purges it. Raises what the broker's answers may."""
        phase = self._phase()
        if phase not in ("live", "draining"):
            return
        self._room.measured(await (self._purge.run() if phase == "live" else self._purge.measure()))
        await self._bodies.measure()
        for each in self._parts:
            each.pump()


async def _every(seconds: float, work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        work()
