"""Flows that follow their components: by policy, and by a rollout; over a real broker, run by actors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.control.stage import DESCRIPTOR, Stage, push

from headrace.control import desire
from headrace.control.behind import behind
from headrace.control.redeploys import Redeploys
from headrace.control.rollout import Progress, rollout
from headrace.errors import NotFound
from headrace.store import components, deployments, flows, variables
from headrace.store.deployments import Deployment
from headrace.testing.plane import until

ON_PUSH = """
flow: {name}
redeploy: {policy}
steps:
  - {{id: order, trigger: shop/order}}
  - {{id: work, after: order, action: {work}}}
"""


@pytest.fixture(autouse=True)
async def shop(stage: Stage) -> None:
    await push(stage.db)


async def live(stage: Stage, name: str, policy: str = "manual", work: str = "shop/work") -> str:
    """A flow of that name, live; its id."""
    async with stage.db.begin() as conn:
        flow = await flows.create(conn, name)
        await flows.save_draft(conn, name, ON_PUSH.format(name=name, policy=policy, work=work), None, "ada")
    await desire.publish(stage.db, name, start=True)
    stage.hint(flow.id)
    await is_live(stage, flow.id, 1)
    return flow.id


async def is_live(stage: Stage, flow_id: str, epoch: int) -> Deployment:
    async def there() -> Deployment | None:
        row = (await stage.rows(flow_id)).get(epoch)
        assert row is None or row.state != "failed" or epoch not in stage.runtime.fates, row
        return row if row is not None and row.state == "live" else None

    found: Deployment = await until(there, what=f"deployment {epoch} is live")
    return found


@asynccontextmanager
async def following(stage: Stage) -> AsyncIterator[Redeploys]:
    """The loop, told of builds as the server tells it."""

    def changed(flow_id: str, name: str) -> None:
        stage.hint(flow_id)

    loop = Redeploys(stage.db, stage.bus, changed)
    running = asyncio.create_task(loop.run())
    yield loop
    loop.stop()
    await asyncio.wait_for(running, 5)


async def built(stage: Stage, **what: object) -> None:
    await push(stage.db, **what)  # type: ignore[arg-type]
    stage.bus.publish("live.component", b"{}")


async def looks(loop: Redeploys) -> None:
    """Wait until it has looked three more times."""
    for wanted in range(loop.looks + 1, loop.looks + 4):
        loop.hint()
        await until(lambda wanted=wanted: loop.looks >= wanted)  # type: ignore[misc]


async def test_a_flow_that_asks_for_it_follows_each_build(stage: Stage) -> None:
    manual, follower = await live(stage, "manual"), await live(stage, "follower", "on-push")
    async with following(stage):
        for revision in (2, 3):
            await built(stage)
            row = await is_live(stage, follower, revision)
            assert row.resolved["work"]["revision"] == revision
            assert (row.cause, row.note) == ("on-push", f"shop {revision - 1} → {revision}")
    assert list(await stage.rows(manual)) == [1]


async def test_builds_that_ended_while_the_server_was_down_are_followed(stage: Stage) -> None:
    follower = await live(stage, "follower", "on-push")
    await push(stage.db)
    async with following(stage):
        await is_live(stage, follower, 2)


async def test_a_pinned_step_stays_and_is_not_behind(stage: Stage) -> None:
    await live(stage, "pinned", "on-push", "shop/work, version: 1")
    await push(stage.db)
    async with stage.db.read() as conn:
        [found] = await behind(conn)
    assert [str(move) for move in found.moves] == ["shop 1 → 2"], "the trigger names the latest"
    async with following(stage):
        row = await is_live(stage, found.flow_id, 2)
    assert (row.resolved["order"]["revision"], row.resolved["work"]["revision"]) == (2, 1)


async def test_a_version_that_fails_is_tried_once_and_the_old_one_runs_on(stage: Stage) -> None:
    follower = await live(stage, "follower", "on-push")
    stage.runtime.fates[2] = "fails"
    async with following(stage) as loop:
        await built(stage)
        await until(lambda: _state(stage, follower, 2, "failed"))
        await looks(loop)
        assert await stage.states(follower) == {1: "live", 2: "failed"}
        await built(stage)
        await is_live(stage, follower, 3)


async def test_a_build_that_the_flow_cannot_use_leaves_it_alone(stage: Stage) -> None:
    follower = await live(stage, "follower", "on-push")
    async with following(stage) as loop:
        await built(stage, descriptor={"title": "Shop", "triggers": DESCRIPTOR["triggers"]})
        await looks(loop)
        assert await stage.states(follower) == {1: "live"}
        await built(stage)
        assert (await is_live(stage, follower, 2)).resolved["work"]["revision"] == 3


async def varied(stage: Stage, edition: int) -> None:
    """Somebody has changed the environment variables of the component."""
    async with stage.db.begin() as conn:
        held = await variables.ensure(conn, (await components.get(conn, "shop")).id, "variables-1")
        await variables.note(conn, held.id, edition, ["SHOP_KEY"], "ada")
    stage.bus.publish("live.component", b"{}")


async def test_changed_variables_are_not_followed_but_come_along_with_the_next_build(stage: Stage) -> None:
    follower = await live(stage, "follower", "on-push")
    async with following(stage) as loop:
        await varied(stage, 1)
        await looks(loop)
        assert await stage.states(follower) == {1: "live"}
        await built(stage)
        row = await is_live(stage, follower, 2)
    assert {each["variables"] for each in row.resolved.values()} == {1}


# -- a rollout


async def roll(stage: Stage, name: str = "shop") -> list[tuple[str, str, int | None]]:
    def changed(flow_id: str, name: str) -> None:
        stage.hint(flow_id)

    told: list[Progress] = [each async for each in rollout(stage.db, name, changed, author="ada")]
    return [(each.flow, each.state, each.epoch) for each in told]


async def test_a_rollout_publishes_one_flow_after_another(stage: Stage) -> None:
    ids = [await live(stage, name) for name in ("a", "b")]
    await live(stage, "c")
    await desire.stop(stage.db, "c")
    assert await roll(stage) == []
    await push(stage.db)
    told = await roll(stage)
    assert told == [("a", "publishing", None), ("a", "live", 2), ("b", "publishing", None), ("b", "live", 2)]
    for flow_id in ids:
        row = (await stage.rows(flow_id))[2]
        assert (row.cause, row.author, row.resolved["work"]["revision"]) == ("rollout", "ada", 2)


async def test_a_rollout_brings_changed_variables_to_all_who_run_the_component(stage: Stage) -> None:
    ids = [await live(stage, "a"), await live(stage, "b", "manual", "shop/work, version: 1")]
    await varied(stage, 1)
    told = await roll(stage)
    assert told == [("a", "publishing", None), ("a", "live", 2), ("b", "publishing", None), ("b", "live", 2)]
    assert await roll(stage) == []
    for flow_id in ids:
        row = (await stage.rows(flow_id))[2]
        assert {(each["revision"], each["variables"]) for each in row.resolved.values()} == {(1, 1)}


async def test_a_rollout_stops_at_the_first_failure(stage: Stage) -> None:
    ids = [await live(stage, name) for name in ("a", "b", "c")]
    await push(stage.db)
    await desire.publish(stage.db, "a")  # so that the failing epoch is the second flow's
    stage.hint(ids[0])
    await is_live(stage, ids[0], 2)
    stage.runtime.fates[2] = "fails"
    assert await roll(stage) == [("b", "publishing", None), ("b", "failed", 2)]
    assert await stage.states(ids[1]) == {1: "live", 2: "failed"}
    assert await stage.states(ids[2]) == {1: "live"}
    stage.runtime.fates[2] = "good"
    told = await roll(stage)
    assert told == [("b", "publishing", None), ("b", "live", 3), ("c", "publishing", None), ("c", "live", 2)], told


async def test_a_rollout_stops_when_a_flow_that_was_done_is_handed_back(stage: Stage) -> None:
    first, second = [await live(stage, name) for name in ("a", "b")]
    await push(stage.db)
    told = rollout(stage.db, "shop", lambda flow_id, name: stage.hint(flow_id))
    assert [(await anext(told)).state for _ in range(2)] == ["publishing", "live"]
    async with stage.db.begin() as conn:  # as control does when the new deployment does worse
        await deployments.update(conn, first, 2, state="failed", reason="handed back: 5 of 9 messages failed")
    back = await anext(told)
    assert (back.flow, back.state, back.epoch, back.left) == ("a", "failed", 2, 1)
    assert "5 of 9" in back.reason
    assert [each async for each in told] == []
    assert await stage.states(second) == {1: "live"}


async def test_a_rollout_of_nothing_is_told(stage: Stage) -> None:
    with pytest.raises(NotFound):
        await roll(stage, "nothing")


async def _state(stage: Stage, flow_id: str, epoch: int, state: str) -> bool:
    return (await stage.states(flow_id)).get(epoch) == state
