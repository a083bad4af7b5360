from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.store import deployments, flows
from headrace.store.database import Database


@pytest.fixture
async def flow(conn: AsyncConnection) -> flows.Flow:
    return await flows.create(conn, "orders")


async def test_a_new_flow_is_stopped_and_empty(conn: AsyncConnection, flow: flows.Flow) -> None:
    assert (flow.wish, flow.draft, flow.version, flow.epoch) == ("stopped", None, None, 0)
    assert flow.id.isalnum()
    assert flow.id == flow.id.lower()
    assert await flows.get(conn, "orders") == await flows.get_by_id(conn, flow.id) == flow
    assert await flows.list_(conn) == [flow]


async def test_a_name_is_given_once(conn: AsyncConnection, flow: flows.Flow) -> None:
    with pytest.raises(Refused) as caught:
        await flows.create(conn, "orders")
    assert caught.value.reason == "flow-exists"


async def test_unknown_flows_are_not_found(conn: AsyncConnection) -> None:
    with pytest.raises(NotFound, match="no flow `nothing`"):
        await flows.get(conn, "nothing")
    with pytest.raises(NotFound):
        await flows.get_by_id(conn, "nothing")
    with pytest.raises(NotFound):
        await flows.set_wish(conn, "nothing", "running")
    with pytest.raises(NotFound):
        await flows.next_epoch(conn, "nothing")
    with pytest.raises(NotFound):
        await flows.add_version(conn, "nothing", "flow: nothing")


async def test_who_edits_an_old_draft_is_refused(conn: AsyncConnection, flow: flows.Flow) -> None:
    first = await flows.save_draft(conn, "orders", "one", None, "ada")
    second = await flows.save_draft(conn, "orders", "two", first.draft_tag, "bob")
    with pytest.raises(Refused, match="changed by bob") as caught:
        await flows.save_draft(conn, "orders", "three", first.draft_tag, "ada")
    assert caught.value.reason == "stale-draft"
    assert await flows.get(conn, "orders") == second
    assert second.draft == "two"


async def test_a_discarded_draft_makes_its_tag_stale(conn: AsyncConnection, flow: flows.Flow) -> None:
    saved = await flows.save_draft(conn, "orders", "one", None, "ada")
    discarded = await flows.discard_draft(conn, "orders")
    assert (discarded.draft, discarded.draft_at, discarded.draft_author) == (None, None, None)
    with pytest.raises(flows.StaleDraft) as caught:
        await flows.save_draft(conn, "orders", "two", saved.draft_tag, "ada")
    assert (caught.value.yours, caught.value.now) == ("two", discarded)


async def test_versions_are_numbered_and_kept(conn: AsyncConnection, flow: flows.Flow) -> None:
    await flows.save_draft(conn, "orders", "draft", None, "ada")
    first = await flows.add_version(conn, flow.id, "one", author="ada", note="First")
    second = await flows.add_version(conn, flow.id, "two")
    assert (first.number, second.number) == (1, 2)
    assert await flows.get_version(conn, flow.id, 1) == first
    assert await flows.list_versions(conn, flow.id) == [second, first]
    after = await flows.get(conn, "orders")
    assert (after.version, after.draft) == (2, "draft")
    with pytest.raises(NotFound):
        await flows.get_version(conn, flow.id, 3)


async def test_wishes_are_kept(conn: AsyncConnection, flow: flows.Flow) -> None:
    await flows.set_wish(conn, flow.id, "running")
    assert (await flows.get(conn, "orders")).wish == "running"


async def test_epochs_count_up_whoever_asks(db: Database) -> None:
    async with db.begin() as conn:
        flow = await flows.create(conn, "orders")

    async def ask() -> int:
        async with db.begin() as conn:
            return await flows.next_epoch(conn, flow.id)

    assert sorted(await asyncio.gather(*(ask() for _ in range(5)))) == [1, 2, 3, 4, 5]


async def test_a_removed_flow_takes_its_versions_and_deployments_along(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "orders")
    await flows.add_version(conn, flow.id, "one")
    await deployments.create(conn, flow.id, 1, 1, {})
    await flows.remove(conn, flow.id)
    await flows.remove(conn, flow.id)
    assert await flows.list_(conn) == []
    assert await flows.list_versions(conn, flow.id) == []
    assert await deployments.active(conn) == []
