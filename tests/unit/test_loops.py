"""Loops that crash are run again."""

from __future__ import annotations

import asyncio

import pytest

from headrace.loops import Loops


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.loops.AGAIN", (0.001, 0.01))


class Loop:
    """Crashes so many times, then runs until it is asked to stop."""

    def __init__(self, crashes: int) -> None:
        self.crashes = crashes
        self.runs = 0
        self.running = asyncio.Event()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= self.crashes:
            raise RuntimeError(f"crash {self.runs}")
        self.running.set()
        await self.stop.wait()


async def test_a_loop_that_crashes_is_run_again_until_it_ends_by_itself() -> None:
    loops, loop = Loops(asyncio.Event()), Loop(crashes=3)
    keeping = asyncio.create_task(loops.keep("recorder", loop.run))
    async with asyncio.timeout(5):
        await loop.running.wait()
        assert loops.troubles() == ()
        loop.stop.set()
        await keeping
    assert loop.runs == 4


async def test_the_trouble_is_told_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.loops.AGAIN", (60.0, 60.0))
    stopping = asyncio.Event()
    loops, loop = Loops(stopping), Loop(crashes=1)
    keeping = asyncio.create_task(loops.keep("recorder", loop.run))
    async with asyncio.timeout(5):
        while not loops.troubles():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        [trouble] = loops.troubles()
        assert "recorder" in trouble
        assert "crash 1" in trouble
        stopping.set()
        await keeping
    assert loop.runs == 1


async def test_a_cancelled_loop_is_not_run_again() -> None:
    loops, loop = Loops(asyncio.Event()), Loop(crashes=0)
    keeping = asyncio.create_task(loops.keep("recorder", loop.run))
    await loop.running.wait()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert loop.runs == 1
