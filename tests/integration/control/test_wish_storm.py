"""Publishes and rollbacks that come at any moment, over a real broker: one deployment after another, never two."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from tests.integration.control.stage import DOCUMENT, Stage, push

from headrace.control import desire
from headrace.errors import Refused
from headrace.store import flows

WARM_UP = 1.0
SWITCH_WITHIN = 0.8
"""Less than a warm-up: a wish that ends a switch half-way would cost a whole one."""


class Watch:
    """Looks at the actors all the time: how many triggers are live at once, and for how long none is."""

    def __init__(self, stage: Stage, flow_id: str) -> None:
        self._stage = stage
        self._flow_id = flow_id
        self.most = 0
        self.longest = 0.0

    async def run(self) -> None:
        silent_since: float | None = None
        while True:
            workers = await self._stage.runtime.list()
            live = sum(self._stage.runtime.phase(self._flow_id, each.epoch) == "live" for each in workers)
            self.most = max(self.most, live)
            if live:
                silent_since = None
            else:
                silent_since = silent_since or time.monotonic()
                self.longest = max(self.longest, time.monotonic() - silent_since)
            await asyncio.sleep(0.005)


async def publish(stage: Stage, flow_id: str, number: int) -> None:
    async with stage.db.begin() as conn:
        text = DOCUMENT.format(name="orders", step="work", note=f"change {number}")
        await flows.save_draft(conn, "orders", text, None, "ada")
    try:
        await desire.publish(stage.db, "orders")
    except Refused as error:
        assert error.reason in ("nothing-moved", "no-draft"), error  # another one took the draft along


async def roll_back(stage: Stage) -> None:
    try:
        await desire.rollback(stage.db, "orders", 1)
    except Refused as error:
        assert error.reason == "nothing-moved", error


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_wishes_at_any_moment_never_silence_the_flow_nor_run_it_twice(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    await push(stage.db)
    flow_id = await stage.publish()
    await stage.reaches(flow_id, "live")
    stage.runtime.warm_up = WARM_UP
    watch = Watch(stage, flow_id)
    watching = asyncio.create_task(watch.run())
    wishes = []
    for number in range(7):
        wish = roll_back(stage) if chance.random() < 0.3 else publish(stage, flow_id, number)
        wishes.append(asyncio.create_task(wish))
        # Often in the moments around the switch, which comes a warm-up after a wish.
        await asyncio.sleep(chance.choice([0.0, 0.3, WARM_UP, WARM_UP + 0.03, WARM_UP + 0.06]))
        stage.hint(flow_id)
    await asyncio.gather(*wishes)
    stage.hint(flow_id)

    async def settled() -> bool:
        rows = await stage.rows(flow_id)
        return rows[max(rows)].state == "live"

    await stage.eventually(settled, "the last wish is live")
    watching.cancel()
    await asyncio.wait([watching])
    assert [row.state for row in (await stage.rows(flow_id)).values()].count("live") == 1
    assert watch.most == 1
    assert watch.longest < SWITCH_WITHIN


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_publishes_cancelled_at_any_moment_end_or_are_live_and_the_flow_is_never_silent(
    stage: Stage, seed: int
) -> None:
    chance = random.Random(seed)
    await push(stage.db)
    flow_id = await stage.publish()
    await stage.reaches(flow_id, "live")
    stage.runtime.warm_up = warm_up = 0.2
    watch = Watch(stage, flow_id)
    watching = asyncio.create_task(watch.run())
    cancelled = set()
    for number in range(6):
        await publish(stage, flow_id, number)
        stage.hint(flow_id)
        # Around the moment of the switch, which comes a warm-up after the publish.
        await asyncio.sleep(warm_up * chance.choice([0.2, 0.9, 1.0, 1.1, 1.2]) + chance.random() * 0.04)
        try:
            cancelled.add((await desire.cancel(stage.db, "orders", author="ada")).deployment.epoch)
        except Refused as error:
            assert error.reason in ("switched", "nothing-to-cancel"), error
        stage.hint(flow_id)

    async def settled() -> bool:
        rows = await stage.rows(flow_id)
        newest = max(epoch for epoch in rows if epoch not in cancelled)
        return rows[newest].state == "live" and all(rows[epoch].state == "stopped" for epoch in cancelled)

    await stage.eventually(settled, "the last that was not cancelled is live")
    watching.cancel()
    await asyncio.wait([watching])
    rows = await stage.rows(flow_id)
    assert all(rows[epoch].live_at is None and rows[epoch].reason == "cancelled by ada" for epoch in cancelled)
    assert watch.most == 1
    assert watch.longest < SWITCH_WITHIN
