"""Wishes become reality: rows, leases, queues and workers, with everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest
from tests.integration.control.stage import Stage, push

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.message import Message
from headrace.bus.trace import LogLine
from headrace.control import desire, queues
from headrace.control.view import Strategy
from headrace.ids import new_id


@pytest.fixture(autouse=True)
async def shop(stage: Stage) -> None:
    await push(stage.db)


async def test_a_published_flow_runs(stage: Stage) -> None:
    flow = await stage.publish()
    row = (await stage.reaches(flow, "live"))[1]
    assert await stage.workers(flow) == [1]
    assert stage.runtime.phase(flow, 1) == "live"
    assert await stage.lease(flow) == 1
    assert row.worker is not None
    assert (row.worker["runtime"], row.restarts, row.ready_ms) == ("process", 0, 20)
    assert row.steps["work"]["host"] == "ready"
    assert row.live_at


async def test_a_flow_that_cannot_begin_has_failed_with_the_reason(stage: Stage) -> None:
    stage.runtime.fates[1] = "refuses"
    flow = await stage.publish()
    row = (await stage.reaches(flow, "failed"))[1]
    assert row.reason == "activate: `startup` failed: nobody is there"
    assert row.live_at is None
    await stage.has_workers(flow)
    assert stage.runtime.started == [(flow, 1)]


async def test_a_webhook_is_handed_back_at_once_when_the_new_deployment_cannot_begin(stage: Stage) -> None:
    stage.runtime.fates[2] = "refuses"
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.publish(note="y")
    row = (await stage.reaches(flow, "live", "failed"))[2]
    assert row.reason == "activate: `startup` failed: nobody is there"
    assert row.live_at is None
    assert row.handover == {"handed_back": row.reason}
    assert stage.runtime.started == [(flow, 1), (flow, 2)]
    await stage.eventually(lambda: stage.runtime.phase(flow, 1) == "live", "the old one goes on")


async def test_a_stopped_flow_keeps_its_queue_and_goes_on_where_it_was(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.stop_flow()
    row = (await stage.reaches(flow, "stopped"))[1]
    assert row.worker is None
    assert await stage.workers(flow) == []
    await stage.has_queues(flow, 1)
    assert (await stage.start()).epoch == 1
    await stage.reaches(flow, "live")


async def test_a_start_after_a_push_is_a_new_deployment_that_takes_over_the_queue(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.stop_flow()
    await stage.reaches(flow, "stopped")
    await put(stage, subjects.inbox(flow, 1, "order"), 3)
    await push(stage.db)
    deployment = await stage.start()
    assert (deployment.epoch, deployment.version) == (2, 1)
    assert deployment.resolved["work"]["revision"] == 2
    await stage.reaches(flow, "stopped", "live")
    await stage.has_queues(flow, 2)
    assert await bodies(stage, flow, subjects.inbox(flow, 2, "order")) == [0, 1, 2]


async def put(stage: Stage, subject: str, count: int) -> None:
    for number in range(count):
        body = msgspec.Raw(str(number).encode())
        message = Message(id=new_id(), execution=new_id(), step="order", body=body, at=1)
        await stage.bus.store(subject, envelope.encode(message), msg_id=message.id)


async def bodies(stage: Stage, flow: str, subject: str) -> list[int]:
    entries = stage.bus.read(subjects.stream(flow), subject)
    return [msgspec.json.decode(envelope.decode(entry.data).body) async for entry in entries]


@pytest.mark.parametrize("strategy", ["restart", "handover"])
async def test_a_publish_moves_the_flow_and_leaves_no_ghosts(stage: Stage, strategy: Strategy) -> None:
    await stage.stop()
    stage.strategy = strategy
    await stage.begin()
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    for number in range(2, 6):
        await stage.publish(note=f"version {number}")
        await stage.reaches(flow, *["stopped"] * (number - 1), "live")
        await stage.has_workers(flow, number)
        await stage.has_queues(flow, number)
        assert await stage.lease(flow) == number


@pytest.mark.parametrize(
    ("fate", "reason"), [("fails", "no module named `nowhere`"), ("never", "not ready within"), ("dies", "died")]
)
async def test_the_old_deployment_keeps_running_when_the_new_one_never_gets_ready(
    stage: Stage, fate: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.control.reconcile.HOST_MARGIN", 0.2)
    await stage.stop()
    await stage.begin()
    stage.runtime.fates[2] = fate  # type: ignore[assignment]
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    first = await stage.runtime.list()
    for epoch in (1, 2):
        line = LogLine(at=1, step="work", level="info", text=f"I am {epoch}", epoch=epoch)
        await stage.bus.store(subjects.logs(flow, "work"), msgspec.json.encode(line))
    await stage.publish(note="new")
    row = (await stage.reaches(flow, "live", "failed"))[2]
    assert reason in row.reason

    async def kept() -> bool:
        return (await stage.rows(flow))[2].log == ["I am 2" if fate == "fails" else "work: I am 2"]

    await stage.eventually(kept, "its last words, and no other's, are kept")
    await stage.has_workers(flow, 1)
    await stage.has_queues(flow, 1)
    assert await stage.runtime.list() == first, "the same worker, all the time"
    assert stage.runtime.phase(flow, 1) == "live"
    await stage.publish(note="better")
    await stage.reaches(flow, "stopped", "failed", "live")


async def test_what_cannot_be_compiled_fails_alone(stage: Stage) -> None:
    good = await stage.publish()
    await stage.reaches(good, "live")
    await push(stage.db, descriptor={"title": "Shop without offers"})
    async with stage.db.begin() as conn:
        from headrace.store import deployments, flows

        epoch = await flows.next_epoch(conn, good)
        resolved = {step: {"component": "shop", "revision": 2, "commit": "2"} for step in ("order", "work")}
        await deployments.create(conn, good, epoch, 1, resolved)
    stage.hint(good)
    row = (await stage.reaches(good, "live", "failed"))[2]
    assert row.reason.startswith("offer-not-found: ")
    assert stage.runtime.started == [(good, 1)]


async def test_a_worker_that_died_is_started_again(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    for deaths in (1, 2):
        (worker,) = await stage.runtime.list()
        await stage.runtime.kill(worker.ref)

        async def again(deaths: int = deaths) -> bool:
            row = (await stage.rows(flow))[1]
            return row.restarts == deaths and row.state == "live" and stage.runtime.phase(flow, 1) == "live"

        await stage.eventually(again, "live again")
    assert stage.runtime.started == [(flow, 1)] * 3


async def test_a_worker_that_cannot_be_started_is_tried_again(stage: Stage) -> None:
    stage.runtime.fates[1] = "unstartable"
    flow = await stage.publish()
    await stage.has_queues(flow, 1)
    stage.runtime.fates[1] = "good"
    await stage.reaches(flow, "live")


async def test_a_stubborn_worker_is_killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.control.deploy.KILL_MARGIN", 0.2)
    monkeypatch.setattr("headrace.control.deploy.HOOK_WITHIN", 0.0)
    stage.runtime.fates[1] = "stubborn"
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.stop_flow()
    await stage.reaches(flow, "stopped")
    assert await stage.workers(flow) == []
    assert len(stage.runtime.killed) == 1


async def test_a_stop_leaves_the_shutdown_hook_its_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.control.deploy.KILL_MARGIN", 0.2)
    stage.runtime.fates[1] = "lingers"
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.stop_flow()
    await stage.reaches(flow, "stopped")
    assert await stage.workers(flow) == []
    assert not stage.runtime.killed


async def test_two_publishes_at_once_leave_the_second(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.publish(note="two")
    await stage.publish(note="three")
    await stage.reaches(flow, "stopped", "stopped", "live")
    await stage.has_workers(flow, 3)
    await stage.has_queues(flow, 3)


async def test_a_new_server_adopts_the_workers_of_the_old_one(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    before = await stage.runtime.list()
    await stage.stop()
    assert await stage.runtime.list() == before
    reconciler = await stage.begin()
    await stage.stop_flow()
    await asyncio.wait_for(reconciler.idle(flow), 5)
    await stage.reaches(flow, "stopped")
    assert stage.runtime.started == [(flow, 1)]


async def test_a_worker_that_died_while_no_server_ran_is_started_by_the_next(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.crash()
    await stage.runtime.end()
    await stage.begin()
    await stage.has_workers(flow, 1)
    await stage.reaches(flow, "live")
    await stage.eventually(lambda: stage.runtime.phase(flow, 1) == "live")


async def test_down_ends_workers_and_up_resumes_the_same_deployments(stage: Stage) -> None:
    running, stopped = await stage.publish("running"), await stage.publish("stopped")
    await stage.reaches(running, "live")
    await stage.reaches(stopped, "live")
    await stage.stop_flow("stopped")
    await stage.reaches(stopped, "stopped")
    assert stage.reconciler is not None
    await asyncio.wait_for(stage.reconciler.rest(), 5)
    assert await stage.runtime.list() == ()
    assert await stage.states(running) == {1: "live"}
    await stage.stop()
    await push(stage.db)
    await stage.begin()
    await stage.eventually(lambda: stage.runtime.phase(running, 1) == "live", "resumed")
    assert await stage.states(running) == {1: "live"}
    assert await stage.states(stopped) == {1: "stopped"}
    row = (await stage.rows(running))[1]
    assert row.resolved["work"]["revision"] == 1, "`up` is no start: it resolves nothing anew"


async def test_few_workers_warm_up_at_once(stage: Stage) -> None:
    stage.runtime.warm_up = 0.1
    names = [f"flow-{number}" for number in range(20)]
    ids = [await stage.publish(name) for name in names]
    for flow in ids:
        await stage.reaches(flow, "live")
    assert stage.runtime.most_warming <= 8


async def test_the_worker_of_a_removed_flow_is_ended(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    async with stage.db.begin() as conn:
        from headrace.store import flows

        await flows.remove(conn, flow)
    await stage.has_workers(flow)


async def test_purge_drops_what_waits_and_remove_leaves_nothing(stage: Stage) -> None:
    flow = await stage.publish()
    await stage.reaches(flow, "live")
    await stage.stop_flow()
    assert stage.reconciler is not None
    await asyncio.wait_for(stage.reconciler.idle(flow), 5)
    await stage.reaches(flow, "stopped")
    await put(stage, subjects.inbox(flow, 1, "order"), 5)
    assert await queues.purge(stage.bus, flow) == 5
    assert await queues.purge(stage.bus, flow) == 0
    await desire.remove(stage.db, "orders")
    await queues.remove(stage.bus, flow)
    await queues.remove(stage.bus, flow)
    assert await stage.queues(flow) == []
    assert await stage.lease(flow) == 0


@pytest.mark.parametrize("seed", range(8))
async def test_a_server_that_crashes_again_and_again_still_gets_there(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    stage.strategy = chance.choice(["handover", "handover", "restart"])
    flow = await stage.publish()
    published = 1
    for _ in range(12):
        await stage.crash()
        if chance.random() < 0.3:
            for worker in await stage.runtime.list():
                await stage.runtime.kill(worker.ref)
        await stage.begin()
        if chance.random() < 0.4:
            await stage.publish(note=f"number {published + 1}")
            published += 1
        await asyncio.sleep(chance.random() * 0.1)  # wherever it is then, it dies
    await stage.reaches(flow, *["stopped"] * (published - 1), "live")
    await stage.has_workers(flow, published)
    await stage.has_queues(flow, published)
    await stage.eventually(lambda: stage.runtime.phase(flow, published) == "live")
    assert await stage.lease(flow) == published
