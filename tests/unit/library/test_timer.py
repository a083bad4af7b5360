from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.library.parts import Platform, load


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [("500ms", 500), ("5s", 5000), ("1.5 s", 1500), (2, 2000), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)],
)
def test_intervals(written: object, milliseconds: int) -> None:
    assert load("timer", "tick").interval(written) == milliseconds


@pytest.mark.parametrize("written", [None, "", "soon", "5 weeks", "-1s", "0", "50ms"])
def test_wrong_intervals_are_refused_before_the_flow_goes_live(written: object) -> None:
    with pytest.raises(ValueError, match="write 500ms, 5s"):
        load("timer", "tick").init(Platform(), {"every": written})


async def ticks(platform: Platform, count: int, *, now: int, snapshot: dict[str, Any] | None = None) -> None:
    """Let the timer run on a clock that moves only while it sleeps, until so many ticks."""
    module = load("timer", "tick")
    clock = [now]
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        clock[0] += round(seconds * 1000)
        await real_sleep(0)

    class Asyncio:
        pass

    Asyncio.sleep = staticmethod(sleep)  # type: ignore[attr-defined]
    module.asyncio = Asyncio
    module._now = lambda: clock[0]
    task = asyncio.create_task(module.listen(platform, {"every": "5s"}, snapshot or {}))
    async with asyncio.timeout(5):
        while len(platform.snapshots) < count:
            await real_sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_ticks_are_at_multiples_of_the_interval() -> None:
    platform = Platform()
    await ticks(platform, 2, now=12_345)
    assert [message.id for message in platform.emitted[:2]] == ["tick-15000", "tick-20000"]
    assert platform.emitted[0].body == {"fireTime": "1970-01-01T00:00:15.000Z", "lastTick": None}
    assert platform.emitted[1].body["lastTick"] == "1970-01-01T00:00:15.000Z"


async def test_a_restart_in_the_same_moment_does_not_tick_twice() -> None:
    platform = Platform()
    await ticks(platform, 1, now=15_000, snapshot={"last": 15_000})
    assert platform.emitted[0].id == "tick-20000"


async def test_ticks_missed_while_stopped_are_left_out() -> None:
    platform = Platform()
    await ticks(platform, 1, now=100_001, snapshot={"last": 15_000})
    assert platform.emitted[0].id == "tick-105000"
    assert platform.emitted[0].body["lastTick"] == "1970-01-01T00:00:15.000Z"
