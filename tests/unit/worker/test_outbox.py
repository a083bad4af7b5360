from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headrace.bus.client import Done, Stored
from headrace.bus.large import Body
from headrace.errors import HeadraceError, NotFound, Unavailable
from headrace.testing.loop import run_in_no_time
from headrace.worker.outbox import MOST_MESSAGES, STALLED_AFTER, Outbox
from headrace.worker.room import Room


class Store:
    """An object store that is done when told to be."""

    def __init__(self) -> None:
        self.under_way: deque[tuple[Sequence[Body], Callable[[HeadraceError | None], None]]] = deque()

    def store(self, bodies: Sequence[Body], done: Callable[[HeadraceError | None], None]) -> None:
        self.under_way.append((bodies, done))

    def answer(self, error: HeadraceError | None = None) -> None:
        self.under_way.popleft()[1](error)


class Journal:
    """Keeps what is stored; answers when told to."""

    def __init__(self) -> None:
        self.flying: deque[tuple[bytes, Done]] = deque()

    def store_nowait(self, subject: str, data: bytes, done: Done, *, msg_id: str, wait: bool, **_: Any) -> None:
        assert wait
        self.flying.append((data, done))

    def answer(self, result: Stored | HeadraceError | None = None) -> bytes:
        data, done = self.flying.popleft()
        done(result or Stored(1, False))
        return data


class Sender:
    def __init__(self, budget: int = 1 << 30) -> None:
        self.journal = Journal()
        self.room = Room(budget, 1 << 30)
        self.large = Store()
        self.held: list[bool] = []
        self.told: list[Any] = []
        bus: Any = self.journal
        large: Any = self.large
        self.outbox = Outbox(bus, self.room, large, "s", self.held.append)

    def store(self, data: bytes, *bodies: bytes) -> None:
        large = [Body(f"obj~{number:022x}", msgspec.Raw(body)) for number, body in enumerate(bodies)]
        self.outbox.store(data, data.decode(), self.told.append, large)


def play(work: Any) -> None:
    async def run() -> None:
        await work()

    run_in_no_time(run())


def test_with_room_everything_leaves_at_once() -> None:
    async def work() -> None:
        sender = Sender()
        for number in range(10):
            sender.store(b"%d" % number)
        assert len(sender.journal.flying) == 10 == sender.outbox.pending

    play(work)


def test_when_room_is_tight_they_leave_one_by_one() -> None:
    """So that a small one does not get in where a large one before it did not."""

    async def work() -> None:
        sender = Sender(budget=1_000)
        sender.room.measured(950)
        for number in range(5):
            sender.store(b"%d" % number)
        order = []
        while sender.journal.flying:
            assert len(sender.journal.flying) == 1
            order.append(sender.journal.answer())
        assert order == [b"0", b"1", b"2", b"3", b"4"] and len(sender.told) == 5

    play(work)


def test_what_is_stored_takes_room_and_a_repeat_does_not() -> None:
    async def work() -> None:
        sender = Sender()
        sender.store(b"x" * 1_000)
        sender.journal.answer(Stored(1, True))
        assert sender.room.used == 0
        sender.store(b"x" * 1_000)
        sender.journal.answer()
        assert 1_000 < sender.room.used < 1_500

    play(work)


def test_the_host_is_held_while_there_is_too_much_and_let_go_at_half() -> None:
    async def work() -> None:
        sender = Sender()
        for _ in range(MOST_MESSAGES):
            sender.store(b"x")
        assert sender.held == [True] and sender.outbox.crowded
        for _ in range(MOST_MESSAGES // 2):
            assert sender.held == [True]
            sender.journal.answer()
        assert sender.held == [True, False]
        for _ in range(10):
            sender.store(b"x" * 1_000_000)
        assert sender.outbox.crowded and sender.held[-1]

    play(work)


def test_it_stalls_when_nothing_is_confirmed_for_a_while() -> None:
    async def work() -> None:
        sender = Sender()
        await asyncio.sleep(10)
        assert not sender.outbox.stalled
        sender.store(b"1")
        sender.store(b"2")
        assert not sender.outbox.stalled
        await asyncio.sleep(STALLED_AFTER * 2)
        assert sender.outbox.stalled
        sender.journal.answer(Unavailable("no-answer"))
        assert not sender.outbox.stalled
        assert [type(each) for each in sender.told] == [Unavailable]

    play(work)


def test_room_for_events_ends_before_room_for_what_becomes_of_them() -> None:
    async def work() -> None:
        room = Room(1_000, 1 << 30)
        states = []
        for used in (0, 650, 750, 950):
            room.measured(used)
            states.append((room.short.is_set(), room.for_events, room.tight))
        assert states == [(False, True, False), (True, True, False), (True, False, False), (True, False, True)]

    play(work)


def test_a_large_body_is_stored_first_and_nothing_overtakes_it() -> None:
    async def work() -> None:
        sender = Sender()
        sender.store(b"before")
        sender.store(b"large", b"x" * 100)
        sender.store(b"behind")
        sender.store(b"large again", b"y" * 100)
        sender.store(b"last")
        assert [data for data, _ in sender.journal.flying] == [b"before"]
        assert len(sender.large.under_way) == 1, "one at a time"
        sender.journal.answer()
        sender.large.answer()
        assert [data for data, _ in sender.journal.flying] == [b"large", b"behind"]
        sender.large.answer()
        assert [data for data, _ in sender.journal.flying] == [b"large", b"behind", b"large again", b"last"]
        for _ in range(4):
            sender.journal.answer()
        assert sender.outbox.pending == 0 and not sender.outbox.crowded
        assert sender.told == [Stored(1, False)] * 5

    play(work)


def test_a_body_that_cannot_be_stored_fails_its_message_only() -> None:
    async def work() -> None:
        sender = Sender()
        sender.store(b"large", b"x")
        sender.store(b"behind")
        sender.large.answer(NotFound("no"))
        assert [type(each) for each in sender.told] == [NotFound]
        assert sender.journal.answer() == b"behind"
        assert sender.outbox.pending == 0 and sender.told[1] == Stored(1, False)

    play(work)


def test_large_bodies_count_as_what_is_in_memory() -> None:
    async def work() -> None:
        sender = Sender()
        sender.store(b"large", bytes(9 * 1024 * 1024))
        assert sender.held == [True]
        sender.large.answer()
        sender.journal.answer()
        assert sender.held == [True, False]
        assert sender.room.used < 1_000, "the journal has the reference only"

    play(work)
