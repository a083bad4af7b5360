from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store import deployments, flows

RESOLVED = {"orders": {"component": "shop", "revision": 3, "commit": "aaa"}}


@pytest.fixture
async def flow_id(conn: AsyncConnection) -> str:
    return (await flows.create(conn, "orders")).id


async def make(conn: AsyncConnection, flow_id: str, state: deployments.State) -> deployments.Deployment:
    epoch = await flows.next_epoch(conn, flow_id)
    await deployments.create(conn, flow_id, epoch, 1, RESOLVED)
    return await deployments.update(conn, flow_id, epoch, state=state)


async def test_a_new_deployment_is_warming(conn: AsyncConnection, flow_id: str) -> None:
    made = await deployments.create(conn, flow_id, 1, 7, RESOLVED)
    assert (made.state, made.version, made.resolved, made.worker) == ("warming", 7, RESOLVED, None)
    assert await deployments.get(conn, flow_id, 1) == made


async def test_unknown_deployments_are_not_found(conn: AsyncConnection, flow_id: str) -> None:
    with pytest.raises(NotFound):
        await deployments.get(conn, flow_id, 1)
    with pytest.raises(NotFound):
        await deployments.update(conn, flow_id, 1, state="live")


async def test_changes_of_state_note_their_time_once(conn: AsyncConnection, flow_id: str) -> None:
    await make(conn, flow_id, "ready")
    live = await deployments.update(conn, flow_id, 1, state="live", live_at=5)
    assert (live.ready_at is None, live.live_at, live.ended_at) == (False, 5, None)
    assert (await deployments.update(conn, flow_id, 1, state="live")).live_at == 5
    assert (await deployments.update(conn, flow_id, 1, state="failed", reason="died")).ended_at is not None


async def test_a_worker_is_noted_and_forgotten(conn: AsyncConnection, flow_id: str) -> None:
    await make(conn, flow_id, "warming")
    worker = {"pid": 7, "created": 1.5, "runtime": "process"}
    assert (await deployments.update(conn, flow_id, 1, worker=worker, restarts=2)).worker == worker
    assert (await deployments.update(conn, flow_id, 1, worker=None)).worker is None


async def test_ended_deployments_are_neither_active_nor_current(conn: AsyncConnection, flow_id: str) -> None:
    await make(conn, flow_id, "stopped")
    await make(conn, flow_id, "failed")
    assert await deployments.active(conn) == []
    assert await deployments.current(conn, flow_id) is None
    assert [deployment.epoch for deployment in await deployments.list_(conn, flow_id)] == [2, 1]


async def test_the_live_deployment_is_current_while_a_newer_one_warms(conn: AsyncConnection, flow_id: str) -> None:
    live = await make(conn, flow_id, "live")
    warming = await make(conn, flow_id, "warming")
    assert await deployments.current(conn, flow_id) == live
    await deployments.update(conn, flow_id, live.epoch, state="stopped")
    assert await deployments.current(conn, flow_id) == warming


async def test_a_deployment_tells_who_wanted_it_and_how_it_is_to_take_its_place(
    conn: AsyncConnection, flow_id: str
) -> None:
    plain = await deployments.create(conn, flow_id, 1, 7, RESOLVED)
    assert (plain.strategy, plain.cause, plain.author, plain.note) == ("handover", "", "", "")
    made = await deployments.create(
        conn, flow_id, 2, 6, RESOLVED, strategy="restart", cause="rollback", author="ada", note="7 loses orders"
    )
    assert (made.strategy, made.cause, made.author, made.note) == ("restart", "rollback", "ada", "7 loses orders")
    assert (made.log, made.handover) == (None, None)


async def test_what_a_handover_was_like_is_learnt_bit_by_bit(conn: AsyncConnection, flow_id: str) -> None:
    await make(conn, flow_id, "live")
    await deployments.record(conn, flow_id, 1, {"from_epoch": 3, "gap_ms": 4.5, "order": "kept"})
    found = await deployments.record(conn, flow_id, 1, {"drained": 12, "order": "given up"})
    assert found.handover == {"from_epoch": 3, "gap_ms": 4.5, "order": "given up", "drained": 12}


async def test_the_live_one_falls_silent_only_for_the_newest(conn: AsyncConnection, flow_id: str) -> None:
    live = await make(conn, flow_id, "live")
    second = await make(conn, flow_id, "ready")
    third = await make(conn, flow_id, "warming")
    assert [each.epoch for each in await deployments.active_of(conn, flow_id)] == [1, 2, 3]
    assert await deployments.silence(conn, flow_id, live.epoch, successor=second.epoch) is None
    assert await deployments.get(conn, flow_id, live.epoch) == live
    await deployments.update(conn, flow_id, third.epoch, state="failed")
    await deployments.update(conn, flow_id, second.epoch, cancelled_by="ada")
    assert await deployments.silence(conn, flow_id, live.epoch, successor=second.epoch) is None
    await deployments.update(conn, flow_id, second.epoch, cancelled_by=None)
    silenced = await deployments.silence(conn, flow_id, live.epoch, successor=second.epoch)
    assert silenced is not None
    assert silenced.state == "draining"
