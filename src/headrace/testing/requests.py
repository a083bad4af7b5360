"""A source of requests: numbered events to a webhook, at a steady rate, over connections that stay open.

Cheap on purpose (no HTTP library): it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

from headrace.testing.ledger import Ledger
from headrace.testing.platform import Platform

__all__ = ["Requests"]


class Requests:
    """Sends the events of ``ledger`` to the webhook of a flow. Use `at_rate`, then look at the counts."""

    def __init__(self, platform: Platform, flow: str, ledger: Ledger) -> None:
        address = platform.url.removeprefix("http://")
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._head = f"POST /hooks/{flow} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        self._ledger = ledger
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.statuses: Counter[int] = Counter()
        """Answers by status; 0 where the connection broke."""
        self.latencies: list[float] = []
        """Milliseconds from request to answer, in the order of the answers."""
        self.answered_at: list[float] = []

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send ``rate`` requests a second for ``seconds``; returns when all are answered. Cancelled, too."""
        began, sent = time.perf_counter(), 0
        under_way: set[asyncio.Task[None]] = set()
        try:
            while (passed := time.perf_counter() - began) < seconds:
                while sent < passed * rate:
                    sent += 1
                    task = asyncio.create_task(self._send(self._ledger.next_event()))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(max(0.0, (sent + 1) / rate - (time.perf_counter() - began)))
        finally:
            if under_way:
                await asyncio.wait(under_way)
            for _, writer in self._free:
                writer.close()
            self._free.clear()

    async def _send(self, event: dict[str, int]) -> None:
        body = json.dumps(event).encode()
        began = time.perf_counter()
        try:
            status = await self._exchange(self._head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            status = 0
        self.latencies.append((time.perf_counter() - began) * 1000)
        self.answered_at.append(time.time())
        self.statuses[status] += 1
        if status == 202:
            self._ledger.accepted(event["n"])

    async def _exchange(self, request: bytes) -> int:
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        except BaseException:
            writer.close()
            raise
        self._free.append((reader, writer))
        return int(head.split(b" ", 2)[1])
