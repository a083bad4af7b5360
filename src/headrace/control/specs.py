"""Compiled deployments in the broker. One is there as long as its deployment may have queues, and tells that it may."""

from __future__ import annotations

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec

__all__ = ["Specs"]


class Specs:
    """The bucket ``deployments``."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = Bucket(bus, subjects.DEPLOYMENTS)

    async def get(self, flow_id: str, epoch: int) -> DeploymentSpec | None:
        """The spec, or `None`."""
        value = await self._bucket.get(f"{flow_id}.{epoch}")
        if value is None or value.data is None:
            return None
        return msgspec.json.decode(value.data, type=DeploymentSpec)

    async def put(self, spec: DeploymentSpec) -> None:
        """Store it, whatever was there."""
        await self._bucket.put(f"{spec.flow_id}.{spec.epoch}", msgspec.json.encode(spec))

    async def delete(self, flow_id: str, epoch: int) -> None:
        """Remove it; nothing happens when there is none."""
        await self._bucket.delete(f"{flow_id}.{epoch}")

    async def keys(self) -> set[tuple[str, int]]:
        """Flow id and epoch of every spec there is."""
        found = set()
        for key in await self._bucket.keys():
            flow_id, _, epoch = key.rpartition(".")
            found.add((flow_id, int(epoch)))
        return found
