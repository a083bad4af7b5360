"""Small keyed values in the broker: JetStream key-value buckets (ADR-8 layout: stream ``KV_<bucket>``)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import NamedTuple, cast

from headrace.bus.client import Bus, Done, Entry
from headrace.errors import Refused

__all__ = ["Bucket", "Value"]

_OPERATION = "KV-Operation"


class Value(NamedTuple):
    """A value and its revision; ``data`` is `None` for a key that was deleted. ``headers`` are the writer's own."""

    key: str
    data: bytes | None
    revision: int
    headers: Mapping[str, str] = MappingProxyType({})


class Bucket:
    """One bucket. Keys are made of letters, digits, ``-``, ``_`` and ``.``."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    def subject(self, key: str) -> str:
        """Where writes of the key can be heard. A hint: the write may be refused, or the hint lost."""
        return self._prefix + key

    async def setup(self) -> None:
        """Make the bucket; a second call changes nothing."""
        await self._bus.api(
            f"STREAM.CREATE.{self._stream}",
            {
                "name": self._stream,
                "subjects": [f"{self._prefix}>"],
                "storage": "file",
                "retention": "limits",
                "discard": "new",
                "max_msgs_per_subject": 1,
                "allow_rollup_hdrs": True,
                "deny_delete": True,
                "allow_direct": True,
                "num_replicas": 1,
            },
        )

    async def get(self, key: str) -> Value | None:
        """The value, or `None` when the key was never put or was deleted."""
        value = await self.newest(key)
        return None if value is None or value.data is None else value

    async def newest(self, key: str) -> Value | None:
        """Like `get`, but a deletion is told with its revision; `None` when the key was never put."""
        entry = await self._bus.last(self._stream, self._prefix + key)
        if entry is None:
            return None
        return Value(key, None if _OPERATION in entry.headers else entry.data, entry.seq, entry.headers)

    async def put(self, key: str, data: bytes) -> int:
        """Set the value whatever it was; its new revision."""
        return (await self._bus.store(self._prefix + key, data)).seq

    def put_nowait(self, key: str, data: bytes, done: Done) -> None:
        """Set the value; ``done`` is called once it is durable, or with the error."""
        self._bus.store_nowait(self._prefix + key, data, done)

    async def update(self, key: str, data: bytes, revision: int, *, headers: Mapping[str, str] | None = None) -> int:
        """Set the value if its revision still is ``revision`` (0: no such key yet); else `Refused` (``changed``).

        After `Unavailable` it may be set or not: read it again.
        """
        fields = {**(headers or {}), "Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            return (await self._bus.store(self._prefix + key, data, headers=fields)).seq
        except Refused as error:
            if error.reason != "wrong-last-sequence":
                raise
            raise Refused("changed", f"{key} was changed by someone else") from error

    async def create(self, key: str, data: bytes) -> int:
        """Set a value that does not exist; `Refused` (``changed``) when it does."""
        newest = await self.newest(key)
        if newest is not None and newest.data is not None:
            raise Refused("changed", f"{key} exists")
        return await self.update(key, data, newest.revision if newest is not None else 0)

    async def delete(self, key: str) -> None:
        """Remove the value; nothing happens when there is none."""
        headers = {_OPERATION: "PURGE", "Nats-Rollup": "sub"}
        await self._bus.store(self._prefix + key, b"", headers=headers)

    def forget_nowait(self, key: str) -> None:
        """Remove the value and every trace of it, without knowing when; a lost request leaves it."""
        request = json.dumps({"filter": self._prefix + key}).encode()
        self._bus.publish(f"$JS.API.STREAM.PURGE.{self._stream}", request)

    async def keys(self, prefix: str = "") -> list[str]:
        """Keys that have a value and start with ``prefix`` (whole tokens, such as ``a1b2.``)."""
        entries = self._bus.read(self._stream, f"{self._prefix}{prefix}>", headers_only=True)
        return [entry.subject.removeprefix(self._prefix) async for entry in entries if _OPERATION not in entry.headers]

    async def watch(self, key: str) -> AsyncIterator[Value]:
        """The present value and later ones until the iterator is closed. Of quick changes only the last is sure."""
        reading = cast("AsyncGenerator[Entry]", self._bus.read(self._stream, self._prefix + key, follow=True))
        async with aclosing(reading) as entries:
            async for entry in entries:
                name = entry.subject.removeprefix(self._prefix)
                yield Value(name, None if _OPERATION in entry.headers else entry.data, entry.seq, entry.headers)
