"""A step's snapshot: small JSON state, kept by the platform between calls and across versions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import HeadraceError, Invalid

__all__ = ["Snapshot"]

Change = Callable[[bytes], Awaitable[None]]


class Snapshot:
    """One step's snapshot. Only one worker writes it at a time; compare-and-set makes sure.

    `Refused` (``changed``) from a write means that another deployment has written since `load`.
    """

    def __init__(self, bus: Bus, flow_id: str, step: str) -> None:
        self._bucket = Bucket(bus, subjects.SNAPSHOTS)
        self._key = f"{flow_id}.{step}"
        self._revision = 0
        self._changes: deque[tuple[Change, bytes, Callable[[HeadraceError | None], None]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self.raw = b"{}"
        """The present value, as JSON."""

    def queue(
        self,
        change: Change,
        raw: bytes,
        done: Callable[[HeadraceError | None], None],
    ) -> None:
        """Apply `replace` or `merge` after the changes before it, and call ``done`` with the error, if any."""
        self._changes.append((change, raw, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._changes:
            change, raw, done = self._changes.popleft()
            try:
                await change(raw)
            except HeadraceError as error:
                done(error)
            except msgspec.MsgspecError as error:
                done(Invalid("snapshot", f"a snapshot must be a JSON object: {error}"))
            else:
                done(None)

    async def load(self) -> None:
        """Read the value as it is now."""
        value = await self._bucket.get(self._key)
        if value is not None and value.data is not None:
            self.raw, self._revision = value.data, value.revision

    async def replace(self, raw: bytes) -> None:
        """Set the value; durable on return."""
        if self._revision:
            self._revision = await self._bucket.update(self._key, raw, self._revision)
        else:
            self._revision = await self._bucket.create(self._key, raw)
        self.raw = raw

    async def merge(self, patch: bytes) -> None:
        """Set the top-level keys of ``patch`` (a JSON object); durable on return."""
        value: Any = msgspec.json.decode(self.raw)
        if not isinstance(value, dict):
            value = {}
        await self.replace(msgspec.json.encode(value | msgspec.json.decode(patch, type=dict[str, Any])))
