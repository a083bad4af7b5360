"""Back-pressure of a webhook."""

from __future__ import annotations

import asyncio

import pytest

from headrace.api.webhook_room import FRESH, FULL_FOR, Measured, Room
from headrace.errors import Busy


class Inbox:
    """An inbox with a clock, which counts how often it is measured."""

    def __init__(self, messages: int, size: int = 1_000_000) -> None:
        self.now = 100.0
        self.left = Measured(messages, size)
        self.measured = 0
        self.room = Room(self.measure, lambda: self.now)

    async def measure(self) -> Measured:
        self.measured += 1
        await asyncio.sleep(0)
        return self.left


async def test_an_inbox_with_room_is_measured_once() -> None:
    inbox = Inbox(100)
    for _ in range(50):
        await inbox.room.admit(10)
    assert inbox.measured == 1


async def test_a_used_up_allowance_is_measured_again_before_refusing() -> None:
    inbox = Inbox(2)
    for _ in range(10):
        await inbox.room.admit(10)
        inbox.now += FULL_FOR
    assert inbox.measured == 5


async def test_a_full_queue_refuses_without_asking_the_broker_each_time() -> None:
    inbox = Inbox(0)
    for _ in range(20):
        with pytest.raises(Busy) as refused:
            await inbox.room.admit(10)
        assert refused.value.reason == "queue-full"
    assert inbox.measured == 1


async def test_a_full_queue_accepts_again_when_it_has_drained() -> None:
    inbox = Inbox(0)
    with pytest.raises(Busy):
        await inbox.room.admit(10)
    inbox.left = Measured(5, 1000)
    inbox.now += FULL_FOR
    await inbox.room.admit(10)


async def test_a_full_journal_refuses_what_does_not_fit() -> None:
    inbox = Inbox(100, size=1000)
    with pytest.raises(Busy) as refused:
        await inbox.room.admit(1001)
    assert refused.value.reason == "journal-full"
    await inbox.room.admit(1000)


async def test_an_old_measurement_is_renewed_though_it_has_room_left() -> None:
    inbox = Inbox(100)
    await inbox.room.admit(10)
    inbox.left = Measured(0, 1000)
    inbox.now += FRESH
    with pytest.raises(Busy):
        await inbox.room.admit(10)


async def test_many_at_once_share_one_measurement() -> None:
    inbox = Inbox(3)
    results = await asyncio.gather(*(inbox.room.admit(1) for _ in range(10)), return_exceptions=True)
    assert inbox.measured == 1
    assert sum(result is None for result in results) == 3
