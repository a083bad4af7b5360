"""A broker of dictionaries, for driving a step through everything that can happen to it, in no time.

It does what the real one does for one flow: streams that drop repeated ids and may be full, one push consumer per step
with acknowledgements, redelivery and reset, buckets, delayed messages. Several connections share it; each can be cut.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from headrace.bus.client import Bus, Done, Entry, RawHandler, Stored
from headrace.bus.trace import Fact, decode_batch
from headrace.errors import Refused, Unavailable

__all__ = ["Broker", "Connection"]


@dataclass
class Kept:
    seq: int
    subject: str
    data: bytes
    headers: dict[str, str]


@dataclass
class Consumer:
    name: str
    filters: set[str]
    deliver: str
    stream: str
    next: int = 0
    """Index into the stream of the next message to look at."""
    handed_out: dict[int, int] = field(default_factory=dict)
    """Sequence number of each unacknowledged message → how often it was delivered."""
    acknowledged: set[int] = field(default_factory=set)
    delivered: int = 0
    count: int = 0
    """Deliveries so far."""
    ack_wait: int = 30_000_000_000


class Broker:
    """What survives everything."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.streams: dict[str, list[Kept]] = {"FLOW_f": [], "DELAYS": []}
        self.ids: dict[str, Stored] = {}
        self.bucket: dict[str, tuple[bytes, int, dict[str, str]]] = {}
        self.revisions = itertools.count(1)
        self.seqs = itertools.count(1)
        self.consumers: dict[str, Consumer] = {}
        self.full = False
        self.facts: list[Fact] = []
        self.acks: Counter[tuple[str, int]] = Counter()
        self.on_ack: Callable[[str, int], None] = lambda name, seq: None
        self.connection: Connection | None = None

    def subject(self, subject: str) -> list[Kept]:
        return [kept for stream in self.streams.values() for kept in stream if kept.subject == subject]

    def keep(self, subject: str, data: bytes, headers: dict[str, str], msg_id: str | None) -> Stored:
        key = f"{subject.partition('.')[0]} {msg_id}"
        if msg_id is not None and key in self.ids:
            return Stored(self.ids[key].seq, True)
        seq = next(self.seqs)
        fields = headers | ({"Nats-Msg-Id": msg_id} if msg_id else {})
        stream = "DELAYS" if subject.startswith(("delay.", "due.")) else "FLOW_f"
        if subject.startswith("trace."):
            self.facts += decode_batch(data).facts
        elif not subject.startswith("logs."):
            target = headers.get("Nats-Schedule-Target")
            self.streams[stream].append(Kept(seq, target or subject, data, fields))  # delays are due at once
        if msg_id is not None:
            self.ids[key] = Stored(seq, False)
        self.flow()
        return Stored(seq, False)

    def add(self, name: str, filters: set[str], deliver: str, stream: str = "FLOW_f") -> None:
        self.consumers[name] = Consumer(name, filters, deliver, stream)

    def matching(self, consumer: Consumer) -> list[Kept]:
        return [kept for kept in self.streams[consumer.stream] if self._reads(consumer, kept)]

    def _reads(self, consumer: Consumer, kept: Kept) -> bool:
        return any(
            kept.subject.startswith(each.removesuffix(">")) if each.endswith(">") else kept.subject == each
            for each in consumer.filters
        )

    def flow(self) -> None:
        """Hand out whatever can be."""
        if self.connection is None:
            return
        for consumer in self.consumers.values():
            stream = self.streams[consumer.stream]
            while consumer.next < len(stream) and len(consumer.handed_out) < 256 and self.connection.listens(consumer):
                kept = stream[consumer.next]
                consumer.next += 1
                if self._reads(consumer, kept):
                    consumer.handed_out.setdefault(kept.seq, 0)
                    consumer.delivered = max(consumer.delivered, kept.seq)
                    self.send(consumer, kept)

    def send(self, consumer: Consumer, kept: Kept) -> None:
        consumer.handed_out[kept.seq] = consumer.handed_out.get(kept.seq, 0) + 1
        consumer.count += 1
        left = sum(self._reads(consumer, each) for each in self.streams[consumer.stream][consumer.next :])
        number = consumer.handed_out[kept.seq]
        reply = f"$JS.ACK.{consumer.stream}.{consumer.name}.{number}.{kept.seq}.{consumer.count}.0.{left}"
        if self.connection is not None:
            self.connection.receive(consumer.deliver, kept.subject, reply, kept.data)

    def redeliver(self) -> None:
        """The time to acknowledge is over for everything handed out."""
        for consumer in self.consumers.values():
            for kept in list(self.streams[consumer.stream]):
                if kept.seq in consumer.handed_out:
                    self.send(consumer, kept)

    def floor(self, consumer: Consumer) -> int:
        floor = 0
        for kept in self.matching(consumer):
            if kept.seq > consumer.delivered or kept.seq in consumer.handed_out:
                break
            floor = kept.seq
        return floor

    def reset(self, consumer: Consumer) -> None:
        floor = self.floor(consumer)
        consumer.handed_out.clear()
        consumer.count = 0
        consumer.acknowledged = {seq for seq in consumer.acknowledged if seq <= floor}
        consumer.delivered = floor
        consumer.next = sum(kept.seq <= floor for kept in self.streams[consumer.stream])
        self.flow()

    def acknowledge(self, reply: str) -> None:
        tokens = reply.split(".")
        consumer, seq = self.consumers[tokens[3]], int(tokens[5])
        if consumer.handed_out.pop(seq, None) is not None:
            consumer.acknowledged.add(seq)
            self.acks[consumer.name, seq] += 1
            self.on_ack(consumer.name, seq)
            self.flow()

    def info(self, consumer: Consumer) -> dict[str, Any]:
        matching = self.matching(consumer)
        return {
            "stream_name": consumer.stream,
            "name": consumer.name,
            "num_pending": sum(kept.seq > consumer.delivered for kept in matching),
            "num_ack_pending": len(consumer.handed_out),
            "num_redelivered": 0,
            "ack_floor": {"stream_seq": self.floor(consumer), "consumer_seq": 0},
            # Numbers differ unless everything between is unacknowledged, as with the real one.
            "delivered": {
                "stream_seq": consumer.delivered,
                "consumer_seq": sum(self.floor(consumer) < kept.seq <= consumer.delivered for kept in matching),
            },
            "config": {"ack_wait": consumer.ack_wait},
        }


@dataclass(eq=False)
class _Store:
    subject: str
    data: bytes
    headers: dict[str, str]
    msg_id: str | None
    done: Done
    sent: bool = False


class Connection(Bus):
    """A connection to a `Broker`: in the place of a real `Bus` for what a step uses of it."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._handlers: dict[str, RawHandler] = {}
        self._storing: list[_Store] = []
        self._later_on: list[tuple[str, bytes]] = []
        self.cut = False
        """The process that had it is gone."""
        self.lost = False
        """It cannot reach the broker now."""
        broker.connection = self

    @property
    def connected(self) -> bool:
        return not self.lost

    def listens(self, consumer: Consumer) -> bool:
        return consumer.deliver in self._handlers and not self.cut and not self.lost

    def receive(self, deliver: str, subject: str, reply: str, data: bytes) -> None:
        self._soon(
            lambda: (
                self._handlers[deliver](subject.encode(), reply.encode(), data, None)
                if deliver in self._handlers
                else None
            )
        )

    def _soon(self, what: Callable[[], None]) -> None:
        """In a moment, in order, unless the process ends or the connection breaks before that."""
        session = self.session

        def run() -> None:
            if not self.cut and session == self.session:
                what()

        self._loop.call_soon(run)

    # -- breaking -------------------------------------------------------------------------------------------

    def lose(self) -> None:
        """The connection breaks: what is on its way, in either direction, is lost."""
        self.lost = True
        self.session += 1
        for store in self._storing:
            store.sent = False

    def drain(self) -> None:
        """There is room again."""
        self._broker.full = False
        self._push()

    def find(self) -> None:
        """It is there again: what was not answered is sent again."""
        self.lost = False
        later, self._later_on = self._later_on, []
        for subject, data in later:
            self.publish(subject, data)
        self._push()
        self._broker.flow()
        for callback in list(self._reconnected):
            callback()

    # -- what a step uses -----------------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, *, reply: str = "", keep: bool = True) -> None:
        if self.cut:
            return
        if self.lost:
            if keep:
                self._later_on.append((subject, data))
        elif data == b"+ACK":
            self._soon(lambda: self._broker.acknowledge(subject))
        elif subject.startswith("$JS.API.STREAM.PURGE.KV_"):
            key = json.loads(data)["filter"].split(".", 2)[2]
            self._broker.bucket.pop(key, None)

    def store_nowait(
        self,
        subject: str,
        data: bytes,
        done: Done,
        *,
        msg_id: str | None = None,
        headers: dict[str, str] | None = None,
        patient: bool = True,
        wait: bool = False,
    ) -> None:
        self._storing.append(_Store(subject, data, headers or {}, msg_id, done))
        self._push()

    def _push(self) -> None:
        """Send, in order, what is not under way; behind one that finds no room nothing else goes into the journal."""
        shut = False
        for store in self._storing:
            if self.cut or self.lost:
                return
            shut = shut or (self._broker.full and store.subject.startswith("flow.") and not store.sent)
            if not store.sent and not (shut and store.subject.startswith("flow.")):
                store.sent = True
                self._soon(partial(self._handle, store))

    def _handle(self, store: _Store) -> None:
        if store.subject.startswith("$KV."):
            result = self._put(store.subject, store.data, store.headers)
        else:
            result = self._broker.keep(store.subject, store.data, store.headers, store.msg_id)
        self._soon(partial(self._answer, store, result))

    def _answer(self, store: _Store, result: Any) -> None:
        self._storing.remove(store)
        store.done(result)

    def _put(self, subject: str, data: bytes, headers: dict[str, str]) -> Any:
        key = subject.split(".", 2)[2]
        present = self._broker.bucket.get(key)
        expected = headers.get("Nats-Expected-Last-Subject-Sequence")
        if expected is not None and int(expected) != (present[1] if present else 0):
            return Refused("wrong-last-sequence", "")
        revision = next(self._broker.revisions)
        self._broker.bucket[key] = (data, revision, headers)
        return Stored(revision, False)

    async def last(self, stream: str, subject: str) -> Entry | None:
        await self._reach()
        found = self._broker.bucket.get(subject.split(".", 2)[2])
        return None if found is None else Entry(subject, found[1], 0, found[2], found[0])

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.lost or self.cut:
            raise Unavailable("no-answer")

    async def read(self, stream: str, subjects: Any, **options: Any) -> AsyncIterator[Entry]:
        await self._reach()
        if stream.startswith("KV_"):
            prefix = subjects.split(".", 2)[2].removesuffix(">")
            for key, (data, revision, headers) in list(self._broker.bucket.items()):
                if key.startswith(prefix):
                    yield Entry(f"$KV.poison.{key}", revision, 0, headers, data)
        else:
            for kept in list(self._broker.streams[stream]):
                if kept.subject == subjects and kept.seq >= options["start_seq"]:
                    yield Entry(kept.subject, kept.seq, 0, kept.headers, kept.data)

    async def on_message(self, subject: str, handler: RawHandler) -> Callable[[], Awaitable[None]]:
        await self._reach()
        self._handlers[subject] = handler
        self._broker.flow()

        async def undo() -> None:
            self._handlers.pop(subject, None)

        return undo

    async def api(self, verb: str, payload: dict[str, Any] | None = None, *, timeout: float = 5.0) -> dict[str, Any]:
        await self._reach()
        consumer = self._broker.consumers[verb.rpartition(".")[2]]
        if verb.startswith("CONSUMER.RESET"):
            self._broker.reset(consumer)
        elif verb.startswith("CONSUMER.CREATE"):
            consumer.ack_wait = (payload or {})["config"]["ack_wait"]
            if consumer.ack_wait < 1_000_000_000:
                self._broker.redeliver()
        return self._broker.info(consumer)
