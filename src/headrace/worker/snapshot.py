"""A step's snapshot: small JSON state, kept by the platform between calls and across versions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import Invalid, Refused, TooLarge, Unavailable
from headrace.flows.deployment import DeploymentSpec
from headrace.worker.writes import Done, Writes

__all__ = ["Snapshot", "merged", "replaced"]

Change = Callable[[bytes, bytes], bytes]
"""Present value and what came → new value. `msgspec.MsgspecError` when that is not possible."""
FENCE = "Headrace-Lease"
"""Header of a stored snapshot: revision of the lease under which it was written. It grows with every switch."""
CODE = subjects.SNAPSHOT_CODE
AGAIN = 0.25


def replaced(present: bytes, value: bytes) -> bytes:
    """The whole value anew."""
    return value


def merged(present: bytes, patch: bytes) -> bytes:
    """The top-level keys of ``patch``, a JSON object, set in the present value."""
    value: Any = msgspec.json.decode(present)
    if not isinstance(value, dict):
        value = {}
    return msgspec.json.encode(value | msgspec.json.decode(patch, type=dict[str, Any]))


class Snapshot:
    """One step's snapshot, written with compare-and-set.

    Whoever meets another's write takes that as the present value and writes on top of it; but not when it was written
    under a later lease: `Refused` (``snapshot-fenced``). What a step of the same id wrote that runs another component
    or function is never taken over: the value stays what this one had, or begins empty, and the next write replaces it.
    """

    def __init__(self, bus: Bus, spec: DeploymentSpec, step: str) -> None:
        self._bucket = Bucket(bus, subjects.SNAPSHOTS)
        self._key = f"{spec.flow_id}.{step}"
        self._fence = 0
        self._runs = next(each.runs for each in spec.steps if each.id == step)
        self._limit = spec.inline_limit
        self._revision = 0
        self._writes = Writes(f"snapshot {self._key}")
        self.raw = b"{}"
        """The present value, as JSON."""

    async def load(self, fence: int) -> None:
        """Read the value as it is now; write it under lease revision ``fence`` from now on."""
        self._fence = fence
        await self._read()

    async def _read(self) -> int:
        value = await self._bucket.newest(self._key)
        if value is None:
            self.raw, self._revision = b"{}", 0
            return 0
        self._revision = value.revision
        if value.headers.get(CODE, self._runs) == self._runs:
            self.raw = value.data or b"{}"
        return int(value.headers.get(FENCE, 0))

    def queue(self, change: Change, raw: bytes, done: Done) -> None:
        """Apply a change after those before it, and call ``done`` when it is durable, or with the error."""
        self._writes.add(partial(self._apply, change, raw), done)

    async def settled(self) -> None:
        """Return when every change that was queued is durable or refused."""
        await self._writes.settled()

    async def _apply(self, change: Change, raw: bytes) -> None:
        headers = {FENCE: str(self._fence), CODE: self._runs}
        while True:
            try:
                wanted = change(self.raw, raw)
            except msgspec.MsgspecError as error:
                raise Invalid("snapshot", f"a snapshot must be a JSON object: {error}") from error
            if len(wanted) > self._limit:
                text = f"the snapshot has {len(wanted)} bytes; the limit (inline_limit) is {self._limit}"
                raise TooLarge("too-large", text)
            try:
                self._revision = await self._bucket.update(self._key, wanted, self._revision, headers=headers)
            except Refused as error:
                if error.reason != "changed":
                    raise
                await self._look_again()
            except Unavailable as error:  # it may be stored or not
                if error.reason == "bus-closed":
                    raise
                await self._look_again()
            else:
                self.raw = wanted
                return

    async def _look_again(self) -> None:
        while True:
            try:
                written_under = await self._read()
            except Unavailable as error:
                if error.reason == "bus-closed":
                    raise
                await asyncio.sleep(AGAIN)
            else:
                break
        if written_under > self._fence:
            raise Refused("snapshot-fenced", f"a later deployment has written the snapshot {self._key}")
