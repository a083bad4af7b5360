"""What the server itself has to tell the recorder: events it accepted into a flow (webhooks, reruns)."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from headrace.bus import subjects
from headrace.bus.client import Bus, Stored
from headrace.bus.trace import Batch, Fact, encode_batch
from headrace.errors import HeadraceError
from headrace.ids import new_id

__all__ = ["Facts"]

FLUSH_AFTER = 0.02
"""Seconds in which facts gather to one batch."""
FLUSH_AT = 500

Deployment = tuple[str, int, int]
"""Flow id, epoch, version."""


class Facts:
    """Gathers facts and stores them in batches, soon, in the background. `close` it to store the rest."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._gathered: dict[Deployment, list[Fact]] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._log: Any = structlog.get_logger("facts")

    def tell(self, flow_id: str, epoch: int, version: int, fact: Fact) -> None:
        """Store ``fact`` in a moment."""
        self._gathered.setdefault((flow_id, epoch, version), []).append(fact)
        self._count += 1
        if self._count >= FLUSH_AT:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Store what was gathered now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered, self._count = self._gathered, {}, 0
        for (flow_id, epoch, version), facts in gathered.items():
            self._under_way += 1
            self._idle.clear()
            batch = Batch(flow_id, epoch, version, facts)
            self._bus.store_nowait(subjects.trace(flow_id), encode_batch(batch), self._done, msg_id=new_id())

    def _done(self, result: Stored | HeadraceError) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        if isinstance(result, HeadraceError):
            self._log.warning("facts were not stored", reason=result.reason, detail=result.message)

    async def close(self, timeout: float = 5.0) -> None:
        """Store the rest and return when the broker has it, or after ``timeout`` seconds."""
        self.flush()
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            self._log.warning("facts were not stored in time", batches=self._under_way)
