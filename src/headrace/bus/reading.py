"""Reading a stream in order, by a consumer that lasts only as long as the reading."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from headrace.bus.client import Bus, Entry
from headrace.errors import HeadraceError, NotFound, Unavailable

__all__ = ["headers_of", "read"]

HEARTBEAT = 2.0
SILENCE = 5.0
"""Seconds without message or heartbeat after which the consumer is looked after."""
AGAIN = 0.25


class _Position:
    """How far a reading has come."""

    def __init__(self, seq: int) -> None:
        self.next = seq
        self.left = 1
        """Messages still to come; at least one before the broker has said so."""


async def read(
    bus: Bus,
    stream: str,
    filters: list[str],
    start_seq: int,
    tail: int | None,
    *,
    follow: bool,
    headers_only: bool,
) -> AsyncGenerator[Entry]:
    """See `headrace.bus.client.Bus.read`."""
    if tail is not None:
        start_seq = await _tail_start(bus, stream, filters, tail)
    position = _Position(start_seq)
    config: dict[str, Any] = {"filter_subjects": filters, "headers_only": headers_only}
    while follow or position.left > 0:
        try:
            async with aclosing(_read_once(bus, stream, config, position, follow=follow)) as entries:
                async for entry in entries:
                    yield entry
        except Unavailable:
            if not follow:
                raise
            await asyncio.sleep(AGAIN)


async def _read_once(
    bus: Bus, stream: str, config: dict[str, Any], position: _Position, *, follow: bool
) -> AsyncGenerator[Entry]:
    """Read until the end, or until something is missing: then the caller starts again behind the last entry."""
    queue: asyncio.Queue[tuple[bytes, bytes, bytes, bytes | None] | None] = asyncio.Queue()
    inbox = f"_INBOX.{secrets.token_hex(8)}"
    undo = await bus.on_message(inbox, lambda *message: queue.put_nowait(message))
    wanted = _config(position.next, inbox) | config
    forget = bus.on_reconnect(lambda: queue.put_nowait(None))
    try:
        info = await bus.api(f"CONSUMER.CREATE.{stream}.{wanted['name']}", {"stream_name": stream, "config": wanted})
        position.left = int(info["num_pending"])
        expected = 1
        while follow or position.left > 0:
            try:
                async with asyncio.timeout(SILENCE):
                    message = await queue.get()
            except TimeoutError:
                if await _lives(bus, stream, wanted["name"]):
                    continue
                return
            if message is None:
                return
            subject, reply, data, headers = message
            if not reply.startswith(b"$JS.ACK."):
                if reply:  # flow control
                    bus.publish(reply.decode(), b"", keep=False)
                elif not follow and queue.empty():  # a heartbeat: nothing comes at the moment
                    position.left = await _left(bus, stream, wanted["name"], expected)
                continue
            entry, number, left = _entry(subject, reply, data, headers)
            if number != expected:
                return
            expected += 1
            position.next, position.left = entry.seq + 1, left
            yield entry
    finally:
        forget()
        await undo()
        # Should this fail, the broker removes the consumer by itself when nobody reads.
        with contextlib.suppress(HeadraceError):
            await bus.api(f"CONSUMER.DELETE.{stream}.{wanted['name']}", timeout=1.0)


def _config(start_seq: int, inbox: str) -> dict[str, Any]:
    return {
        "name": f"read_{secrets.token_hex(6)}",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(start_seq, 1),
        "ack_policy": "none",
        "deliver_subject": inbox,
        "flow_control": True,
        "idle_heartbeat": int(HEARTBEAT * 1e9),
        "inactive_threshold": 10_000_000_000,
        "mem_storage": True,
        "num_replicas": 1,
    }


async def _left(bus: Bus, stream: str, name: str, expected: int) -> int:
    """How many messages are still to come: what was counted at first may have been deleted since."""
    try:
        info = await bus.api(f"CONSUMER.INFO.{stream}.{name}")
    except NotFound:
        return 1  # `_lives` will say so
    return int(info["num_pending"]) + max(int(info["delivered"]["consumer_seq"]) - expected + 1, 0)


async def _lives(bus: Bus, stream: str, name: str) -> bool:
    try:
        await bus.api(f"CONSUMER.INFO.{stream}.{name}")
    except NotFound:
        return False
    return True


async def _tail_start(bus: Bus, stream: str, filters: list[str], tail: int) -> int:
    """Sequence number from which ``filters`` have the last ``tail`` messages: a search over the broker's counts."""
    state = (await bus.api(f"STREAM.INFO.{stream}"))["state"]
    low, high = int(state["first_seq"]) or 1, int(state["last_seq"]) + 1
    if tail <= 0:
        return high
    while low < high:
        middle = (low + high) // 2
        if await _count_from(bus, stream, filters, middle) > tail:
            low = middle + 1
        else:
            high = middle
    return low


async def _count_from(bus: Bus, stream: str, filters: list[str], seq: int) -> int:
    wanted = _config(seq, f"_INBOX.{secrets.token_hex(8)}") | {"filter_subjects": filters, "headers_only": True}
    info = await bus.api(f"CONSUMER.CREATE.{stream}.{wanted['name']}", {"stream_name": stream, "config": wanted})
    await bus.api(f"CONSUMER.DELETE.{stream}.{wanted['name']}")
    return int(info["num_pending"])


def _entry(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> tuple[Entry, int, int]:
    """The entry, its number in this reading, and how many are left, from ``$JS.ACK.<stream>.<consumer>.….``."""
    tokens = reply.split(b".")
    seq, number, nanoseconds, left = int(tokens[5]), int(tokens[6]), int(tokens[7]), int(tokens[8])
    return (
        Entry(subject.decode(), seq, nanoseconds // 1_000_000, headers_of(headers), data),
        number,
        left,
    )


def headers_of(block: bytes | None) -> dict[str, str]:
    """A message's headers as the broker writes them, without the first line."""
    if not block:
        return {}
    fields = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.decode()] = value.strip().decode()
    return fields
