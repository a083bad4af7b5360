"""A stream that comes and goes, fills and drains, behind a connection that breaks: order and completeness hold."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.stores import JournalFull, Stored, Stores
from headrace.errors import HeadraceError, Refused, Unavailable
from headrace.testing.loop import run_in_no_time

INBOX = b"_INBOX.x."


class Wire:
    """The broker and the way to it: commands wait in ``sent``, answers in ``answers``."""

    def __init__(self) -> None:
        self.sent: deque[tuple[str, bytes, str, bytes]] = deque()
        self.answers: deque[tuple[bytes, bytes]] = deque()
        self.stream = True
        self.room = 10**9
        self.kept: list[tuple[str, bytes]] = []
        self.ids: dict[str, int] = {}
        self.stores = Stores(self.take, INBOX)

    def take(self, command: bytes) -> None:
        line, _, rest = command.partition(b"\r\n")
        _, subject, reply, head, whole = line.split(b" ")
        block, data = rest[: int(head)], rest[int(head) : int(whole)]
        msg_id = block.partition(b"Nats-Msg-Id: ")[2].partition(b"\r\n")[0].decode()
        self.sent.append((subject.decode(), reply.removeprefix(INBOX), msg_id, data))

    def put(self, subject: str, data: bytes, done: Any, *, msg_id: str = "", **options: Any) -> None:
        block = f"NATS/1.0\r\nNats-Msg-Id: {msg_id}\r\n\r\n".encode() if msg_id else b"NATS/1.0\r\n\r\n"
        options = {"patient": True, "wait": True} | options
        self.stores.put(subject, block, data, done, safe=bool(msg_id), **options)

    def process(self) -> None:
        """The broker handles the oldest command."""
        subject, token, msg_id, data = self.sent.popleft()
        if not self.stream:
            answer = b""
        elif msg_id in self.ids:
            answer = json.dumps({"seq": self.ids[msg_id], "duplicate": True}).encode()
        elif len(data) > self.room:
            answer = b'{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}'
        else:
            self.kept.append((subject, data))
            self.room -= len(data)
            self.ids[msg_id or f"no id {len(self.kept)}"] = len(self.kept)
            answer = b'{"seq":%d}' % len(self.kept)
        self.answers.append((token, answer))

    def answer(self) -> None:
        self.stores.answer(*self.answers.popleft())

    def settle(self) -> None:
        """Everything sent is handled and answered."""
        while self.sent or self.answers:
            if self.sent:
                self.process()
            else:
                self.answer()

    def lose(self) -> None:
        """The connection breaks: what is under way is lost, in either direction."""
        self.stores.away()
        self.sent.clear()
        self.answers.clear()

    async def calm(self) -> None:
        """Time passes until nothing is left to do."""
        for _ in range(60):
            self.settle()
            await asyncio.sleep(0.5)
            self.stores.sweep()


class Ledger:
    """Numbered messages on their way through a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.count = 0
        self.ended: dict[int, Stored | HeadraceError] = {}

    def put(self, subject: str, size: int) -> None:
        number, self.count = self.count, self.count + 1

        def done(result: Stored | HeadraceError) -> None:
            assert number not in self.ended, "told twice"
            self.ended[number] = result

        self.wire.put(subject, b"%06d" % number + b"x" * size, done, msg_id=f"id-{number}")

    def check(self) -> None:
        assert {number for number, result in self.ended.items() if isinstance(result, Stored)} == set(range(self.count))
        for subject in ("s.a", "s.b"):
            numbers = [int(data[:6]) for kept, data in self.wire.kept if kept == subject]
            assert numbers == sorted(set(numbers)), "out of order, or twice"
        assert len(self.wire.kept) == self.count


async def storm(random: Random) -> None:
    wire = Wire()
    ledger = Ledger(wire)
    away = False
    for _ in range(random.randrange(20, 300)):
        match random.randrange(8):
            case 0 | 1 | 2:
                ledger.put(random.choice(("s.a", "s.b")), random.choice((0, 10, 100)))
            case 3 if wire.sent:
                wire.process()
            case 4 if wire.answers:
                wire.answer()
            case 5 if not away:
                wire.lose()
                away = True
                wire.stream = random.random() < 0.5  # the broker itself may have been started anew
            case 6 if away:
                away = False
                wire.stores.back()
            case 7:
                await asyncio.sleep(random.choice((0.0, 0.05, 1.0)))
                wire.stores.sweep()
                wire.stream = wire.stream or len(wire.sent) <= 1  # a stream that comes up finds one message at most
    wire.stream = True
    if away:
        wire.stores.back()
    await wire.calm()
    ledger.check()


@given(st.randoms(use_true_random=False))
def test_nothing_is_lost_doubled_or_overtaken_while_the_broker_comes_and_goes(random: Random) -> None:
    run_in_no_time(storm(random))


@given(st.lists(st.sampled_from((1, 30, 200)), min_size=1, max_size=30), st.integers(0, 200))
def test_a_smaller_message_does_not_pass_one_that_found_no_room(sizes: list[int], room: int) -> None:
    async def play() -> None:
        wire = Wire()
        ledger = Ledger(wire)
        wire.room = 0
        ledger.put("s.a", 0)
        wire.settle()
        for size in sizes:
            ledger.put("s.a", size)
        while len(ledger.ended) < ledger.count:
            wire.room = max(wire.room, room) + 20
            wire.settle()
            await asyncio.sleep(0.5)
        ledger.check()

    run_in_no_time(play())


def test_without_wait_a_full_stream_is_told_at_once() -> None:
    async def play() -> None:
        wire = Wire()
        wire.room = 0
        told: list[Any] = []
        wire.put("s.a", b"1", told.append, msg_id="1", wait=False)
        wire.settle()
        assert isinstance(told.pop(), JournalFull)

    run_in_no_time(play())


def test_a_subject_without_stream_is_given_up_after_ten_seconds_and_at_once_when_impatient() -> None:
    async def play() -> None:
        wire = Wire()
        wire.stream = False
        told: list[Any] = []
        wire.put("s.a", b"1", told.append, msg_id="1", patient=False)
        wire.settle()
        assert isinstance(told.pop(), Refused)
        began = asyncio.get_running_loop().time()
        for number in range(5):
            wire.put("s.a", b"1", told.append, msg_id=f"p{number}")
        while not told:
            wire.settle()
            await asyncio.sleep(0.05)
        assert 9 < asyncio.get_running_loop().time() - began < 12
        assert len(told) == 5 and {each.reason for each in told} == {"subject-refused"}

    run_in_no_time(play())


def test_what_has_no_id_is_not_sent_twice() -> None:
    async def play() -> None:
        wire = Wire()
        told: list[Any] = []
        wire.put("s.a", b"sent", told.append)
        wire.process()
        wire.lose()
        wire.put("s.a", b"kept", told.append)
        wire.stores.back()
        await wire.calm()
        assert [data for _, data in wire.kept] == [b"sent", b"kept"]
        assert {type(each) for each in told} == {Stored, Unavailable} and len(told) == 2

    run_in_no_time(play())


def test_closing_ends_what_waits_and_what_comes_later() -> None:
    async def play() -> None:
        wire = Wire()
        told: list[Any] = []
        wire.put("s.a", b"1", told.append, msg_id="1")
        wire.stores.close()
        wire.put("s.a", b"2", told.append, msg_id="2")
        await asyncio.sleep(0)
        assert [each.reason for each in told] == ["bus-closed", "bus-closed"]

    run_in_no_time(play())
