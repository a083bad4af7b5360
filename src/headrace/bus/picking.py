"""Looking into a stream without a consumer: some messages of a subject from a place on, and how many follow them.

Nothing is taken from anybody and nothing is left behind in the broker. Each look is one request, which the broker
answers with the messages and a count of those that match and come after.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from headrace.bus.client import Bus, Entry, milliseconds, stamp
from headrace.bus.reading import headers_of
from headrace.errors import NotFound, Unavailable

__all__ = ["Picked", "Picker"]

WITHIN = 5.0
MOST_BYTES = 4 * 1024 * 1024
"""Of the messages of one look; the first comes in any case."""
GROWTH = 8
"""How much further back each look for the newest messages begins."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Messages, oldest first, and how many of the subject come after the last of them."""

    entries: list[Entry]
    left: int

    @property
    def total(self) -> int:
        """Messages from where the look began to the end."""
        return len(self.entries) + self.left


@dataclass(slots=True)
class _Look:
    entries: list[Entry] = field(default_factory=list)
    left: int = 0
    status: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Picker:
    """Looks, as long as its block lasts. Several may be under way at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        self._looks: dict[bytes, _Look] = {}
        self._number = 0
        self._undo: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        self._undo = await self._bus.on_message(f"{self._inbox}.*", self._heard)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._undo is not None:
            await self._undo()

    async def pick(self, stream: str, subject: str, seq: int, most: int, max_bytes: int = MOST_BYTES) -> Picked:
        """Up to ``most`` messages of ``subject`` (wildcards are possible) from sequence number ``seq`` on.

        `NotFound` (``not-in-broker``) without such a stream, `Unavailable` (``no-answer``).
        """
        return await self._ask(stream, {"seq": max(seq, 1), "next_by_subj": subject}, most, max_bytes)

    async def _ask(self, stream: str, which: dict[str, Any], most: int, max_bytes: int) -> Picked:
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        look = self._looks[reply.encode()] = _Look()
        query = {**which, "batch": most, "max_bytes": max_bytes}
        try:
            self._bus.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), reply=reply, keep=False)
            async with asyncio.timeout(WITHIN):
                await look.done.wait()
        except TimeoutError:
            raise Unavailable("no-answer", "the broker does not answer") from None
        finally:
            del self._looks[reply.encode()]
        if look.status.startswith("503"):
            raise NotFound("not-in-broker", f"there is no stream {stream}")
        return Picked(look.entries, look.left)

    async def since(self, stream: str, subject: str, at: int, most: int, max_bytes: int = MOST_BYTES) -> Picked:
        """The same, of messages stored at or after ``at`` (milliseconds since the epoch)."""
        return await self._ask(stream, {"start_time": stamp(at), "next_by_subj": subject}, most, max_bytes)

    async def newest(
        self, stream: str, subject: str, most: int, *, before: int | None = None, max_bytes: int = MOST_BYTES
    ) -> list[Entry]:
        """The last ``most`` messages of ``subject``, newest first; those before sequence number ``before``."""
        after = (await self.pick(stream, subject, before, 1)).total if before is not None else 0
        end = before if before is not None else await self._end(stream, subject)
        low, high = await self._stretch(stream, subject, end, most + after)
        while low + 1 < high:  # the highest place from which on there still are enough
            middle = (low + high) // 2
            if (await self.pick(stream, subject, middle, 1)).total >= most + after:
                low = middle
            else:
                high = middle
        found = await self.pick(stream, subject, low, most, max_bytes)
        if len(found.entries) < most and found.left > after:  # too large together: rather fewer than not the newest
            return await self.newest(stream, subject, max(1, len(found.entries)), before=before, max_bytes=max_bytes)
        return [each for each in reversed(found.entries) if before is None or each.seq < before]

    async def _end(self, stream: str, subject: str) -> int:
        last = await self._bus.last(stream, subject)
        return 1 if last is None else last.seq + 1

    async def _stretch(self, stream: str, subject: str, end: int, wanted: int) -> tuple[int, int]:
        """Two places: from the first on there are ``wanted`` messages (or it is the beginning), from the second not."""
        high, width = end, wanted
        while True:
            low = max(1, end - width)
            if low == 1 or (await self.pick(stream, subject, low, 1)).total >= wanted:
                return low, high
            high, width = low, width * GROWTH

    def _heard(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        look = self._looks.get(subject)
        if look is None:
            return  # nobody waits any more
        fields: dict[str, Any] = headers_of(headers)
        look.left = int(fields.pop("Nats-Num-Pending", look.left))
        fields.pop("Nats-Last-Sequence", None)
        if "Nats-Sequence" not in fields:
            look.status = (headers or b"").split(b"\r\n", 1)[0].partition(b" ")[2].decode()
            look.done.set()
            return
        at = milliseconds(fields.pop("Nats-Time-Stamp", ""))
        seq, stored = int(fields.pop("Nats-Sequence")), fields.pop("Nats-Subject", "")
        fields.pop("Nats-Stream", None)
        look.entries.append(Entry(stored, seq, at, fields, data))
