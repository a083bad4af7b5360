"""The lease of a flow: the epoch whose trigger may emit. Control changes it; whoever has lost it falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import HeadraceError, Refused
from headrace.flows.deployment import DeploymentSpec

__all__ = ["Lease"]

LOOK_EVERY = 5.0
"""Seconds between looks, beside those at every change: a hint may be lost."""

AFTER_HINT = (0.0, 0.02, 0.1, 0.4)
"""Pauses before the looks that follow a hint, s: a write is heard before it is stored, so one look may be too early."""


class Lease:
    """One deployment's view of its flow's lease."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._bucket = Bucket(bus, subjects.LEASES)
        self._flow_id = spec.flow_id
        self._epoch = spec.epoch

    async def revision(self) -> int:
        """The lease's revision, which grows whenever it changes hands; `Refused` (``no-lease``) for all but its holder.

        `Unavailable` says nothing about who holds it.
        """
        lease = await self._bucket.get(self._flow_id)
        if lease is None or lease.data != str(self._epoch).encode():
            raise Refused("no-lease", f"epoch {self._epoch} does not hold the lease of the flow")
        return lease.revision

    async def watch(self, lost: Callable[[], None]) -> None:
        """Call ``lost`` soon after another has the lease, and again while that is so. Runs until cancelled."""
        hint = asyncio.Event()
        hint.set()
        with suppress(HeadraceError):  # without hints it takes `LOOK_EVERY`
            await self._bus.on_message(self._bucket.subject(self._flow_id), lambda *_: hint.set())
        while True:
            pauses: tuple[float, ...] = (0.0,)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await hint.wait()
                pauses = AFTER_HINT
            hint.clear()
            for pause in pauses:
                await asyncio.sleep(pause)
                await self._look(lost)

    async def _look(self, lost: Callable[[], None]) -> None:
        try:
            await self.revision()
        except Refused:
            lost()
        except HeadraceError:
            return  # the broker, or a part of it, is away; next time
