"""A ledger: numbered events out at one end, numbers in at the other, and what became of each.

The source side hands events to whoever connects and keeps each until its number comes back as acknowledged; a
connection that breaks loses nothing, since what is unacknowledged is sent again with the same number. The sink side
hears which number arrived at the last step, at what age, in which code and in which message.
"""

from __future__ import annotations

import asyncio
import json
import select
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Account", "Change", "Ledger", "percentile"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the sorted ``values`` lie; 0.0 for none."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody else took over the source: the last acknowledgement before that, and the new connection (seconds)."""

    last: float
    served: float

    @property
    def gap(self) -> float:
        """Milliseconds from the last event accepted by the old one to the connection of the new one."""
        return max(self.served - self.last, 0.0) * 1000


@dataclass(slots=True)
class Account:
    """What the ledger knows. Times are seconds since the epoch; ages milliseconds."""

    sent: int = 0
    resent: int = 0
    acknowledged: set[int] = field(default_factory=set)
    arrivals: dict[int, list[float]] = field(default_factory=dict)
    """Ages at arrival, one for each time the number arrived."""
    marks: dict[int, int] = field(default_factory=dict)
    """Which code saw the number first."""
    messages: dict[int, set[str]] = field(default_factory=dict)
    """In which messages it came. One message may arrive more than once; two messages of one number must not be."""
    overtaken: int = 0
    """First arrivals that came behind a higher number."""
    accepted_at: list[float] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0
    """Connections to the source at the same time, at most."""
    changes: list[Change] = field(default_factory=list)

    @property
    def lost(self) -> list[int]:
        """Numbers acknowledged and never arrived."""
        return sorted(self.acknowledged - self.arrivals.keys())

    @property
    def repeats(self) -> int:
        """Arrivals beyond the first of each number."""
        return sum(len(ages) - 1 for ages in self.arrivals.values())

    @property
    def doubled(self) -> list[int]:
        """Numbers that arrived as several messages: repeats that should have been removed between the steps."""
        return sorted(number for number, ids in self.messages.items() if len(ids) > 1)

    def ages(self, since: int = 0) -> list[float]:
        """Ages at first arrival of the numbers from ``since`` on, sorted."""
        return sorted(ages[0] for number, ages in self.arrivals.items() if number >= since)

    def gaps(self) -> list[float]:
        """The gap of each change of the source's reader, in milliseconds, sorted."""
        return sorted(change.gap for change in self.changes)

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, acknowledged {len(self.acknowledged)}, arrived {len(self.arrivals)}, "
            f"lost {self.lost[:5]}, repeats {self.repeats}, doubled {self.doubled[:5]}, overtaken {self.overtaken}, "
            f"sent again {self.resent}, connections {self.connections} (at once {self.most_connections})"
        )


class Ledger:
    """Source and sink on loopback. Use as an async context manager."""

    def __init__(self, event: Mapping[str, Any] | None = None) -> None:
        self.account = Account()
        self._event = dict(event or {})
        self._stack = AsyncExitStack()
        self._source: asyncio.StreamWriter | None = None
        self._sources: set[asyncio.StreamWriter] = set()
        self._unacknowledged: dict[int, bytes] = {}
        self._highest = -1
        self.source_port = self.sink_port = 0
        self.connected = asyncio.Event()
        """Set while someone takes events."""
        self.hearing = asyncio.Event()
        """Set once someone has come to tell of arrivals."""

    async def __aenter__(self) -> Self:
        self.source_port = await self._serve(self._serve_source)
        self.sink_port = await self._serve(self._serve_sink)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, handler: Handler) -> int:
        open_: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # whoever was there has been killed, which is what ledgers are for
            finally:
                writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(handle(reader, writer))
            open_[task] = writer
            task.add_done_callback(open_.pop)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 20)

        async def end() -> None:
            server.close()
            for writer in open_.values():
                writer.transport.abort()
            if open_:
                await asyncio.wait(open_)

        self._stack.push_async_callback(end)
        return int(server.sockets[0].getsockname()[1])

    # -- source ---------------------------------------------------------------------------------------------

    @property
    def sources(self) -> int:
        """Connections to the source that are open now.

        The other end of one may be gone, killed, while what it sent last is still to be read: that is not open.
        """
        descriptors = [writer.get_extra_info("socket").fileno() for writer in self._sources]
        present = [each for each in descriptors if each >= 0]  # below: closed, and to be counted out in a moment
        watched = select.poll()
        for each in present:
            watched.register(each, select.POLLRDHUP)
        return len(present) - len(watched.poll(0))

    async def _serve_source(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        account = self.account
        if account.accepted_at:
            account.changes.append(Change(account.accepted_at[-1], time.time()))
        account.connections += 1
        self._sources.add(writer)
        account.most_connections = max(account.most_connections, self.sources)
        account.resent += len(self._unacknowledged)
        writer.write(b"".join(self._unacknowledged.values()))
        self._source = writer
        self.connected.set()
        try:
            while line := await reader.readline():
                self._acknowledge(int(line))
        finally:
            self._sources.discard(writer)
            if self._source is writer:
                self._source = None
                self.connected.clear()

    def _acknowledge(self, number: int) -> None:
        if self._unacknowledged.pop(number, None) is not None:
            self.account.acknowledged.add(number)
            self.account.accepted_at.append(time.time())

    def next_event(self) -> dict[str, Any]:
        """Note a new number as sent, for whoever brings it in by another way; the event that has it."""
        number = self.account.sent
        self.account.sent += 1
        return self._event | {"n": number, "sent": time.time_ns()}

    def accepted(self, number: int) -> None:
        """Note that an event brought in by another way was accepted."""
        self.account.acknowledged.add(number)
        self.account.accepted_at.append(time.time())

    def send(self) -> None:
        """Send the next event: ``{"n": number, "sent": nanoseconds since the epoch}`` and the rest of the event."""
        event = self.next_event()
        line = json.dumps(event).encode() + b"\n"
        self._unacknowledged[event["n"]] = line
        if self._source is not None:
            self._source.write(line)

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send ``rate`` events a second for ``seconds``, evenly spaced."""
        began, first = time.perf_counter(), self.account.sent
        while (passed := time.perf_counter() - began) < seconds:
            while self.account.sent - first < passed * rate:
                self.send()
            await asyncio.sleep(max(0.0, (self.account.sent - first + 1) / rate - (time.perf_counter() - began)))

    async def flat_out(self, seconds: float, under_way: int = 2_000) -> None:
        """Send as fast as events arrive, with at most ``under_way`` of them not arrived, for ``seconds``."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            room = under_way - (self.account.sent - len(self.account.arrivals))
            for _ in range(min(room, 200)):
                self.send()
            await asyncio.sleep(0 if room > 0 else 0.001)

    # -- sink -----------------------------------------------------------------------------------------------

    async def _serve_sink(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hearing.set()
        while line := await reader.readline():
            number, age, mark, *message = line.split()
            self._arrive(int(number), int(age) / 1e6, int(mark), message[0].decode() if message else "")

    def _arrive(self, number: int, age: float, mark: int, message: str) -> None:
        account = self.account
        ages = account.arrivals.setdefault(number, [])
        if not ages:
            account.overtaken += number < self._highest
            self._highest = max(self._highest, number)
            account.marks[number] = mark
        ages.append(age)
        account.messages.setdefault(number, set()).add(message)

    async def all_arrived(self, within: float = 30.0) -> bool:
        """Wait until everything sent has arrived; `False` when that takes longer than ``within`` seconds."""
        deadline = time.perf_counter() + within
        while len(self.account.arrivals) < self.account.sent:
            if time.perf_counter() > deadline:
                return False
            await asyncio.sleep(0.005)
        return True
