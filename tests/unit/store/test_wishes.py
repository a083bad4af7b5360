from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.store import deployments, flows, wishes


async def test_each_flow_comes_with_its_unfinished_deployments_oldest_first(conn: AsyncConnection) -> None:
    orders, idle = await flows.create(conn, "orders"), await flows.create(conn, "idle")
    await flows.set_wish(conn, orders.id, "running")
    for epoch in (1, 2, 3):
        await deployments.create(conn, orders.id, epoch, 1, {})
    await deployments.update(conn, orders.id, 1, state="stopped")
    await deployments.update(conn, orders.id, 2, state="live")
    found = await wishes.read(conn)
    assert set(found) == {orders.id, idle.id}
    assert (found[idle.id].wish, found[idle.id].deployments) == ("stopped", ())
    wished = found[orders.id]
    assert (wished.name, wished.wish) == ("orders", "running")
    assert [(each.epoch, each.state) for each in wished.deployments] == [(2, "live"), (3, "warming")]
