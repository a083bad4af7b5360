"""Throwing away what a flow has in the broker: only when a person asks for it by name, and nobody works on it."""

from __future__ import annotations

from contextlib import suppress

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.control.specs import Specs
from headrace.errors import NotFound

__all__ = ["purge", "remove"]


async def purge(bus: Bus, flow_id: str) -> int:
    """Delete all messages the flow has still to process, in all its deployments; how many that were.

    No worker of the flow may run: see `Reconciler.idle`.
    """
    dropped = 0
    specs = Specs(bus)
    for owner, epoch in sorted(await specs.keys()):
        spec = await specs.get(owner, epoch) if owner == flow_id else None
        if spec is not None:
            with suppress(NotFound):  # its queues were never made, or are gone
                dropped += await journal.drop_waiting(bus, spec)
    return dropped


async def remove(bus: Bus, flow_id: str) -> None:
    """Delete everything the broker has of a flow: journal, specs, lease, snapshots. A second call does nothing."""
    await journal.remove(bus, flow_id)
    specs = Specs(bus)
    for owner, epoch in await specs.keys():
        if owner == flow_id:
            await specs.delete(owner, epoch)
    await Bucket(bus, subjects.LEASES).delete(flow_id)
    for name in (subjects.SNAPSHOTS, subjects.POISON):
        bucket = Bucket(bus, name)
        for key in await bucket.keys(f"{flow_id}."):
            await bucket.delete(key)
