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
