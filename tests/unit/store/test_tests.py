"""Tests of drafts, and samples."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus.trace import Batch, Fact
from headrace.errors import NotFound
from headrace.ids import key_of_test
from headrace.store import deployments, executions, flows, samples
from headrace.store import tests as store
from headrace.store.tests import Test


async def asked(conn: AsyncConnection, flow_id: str) -> Test:
    known: dict[str, Any] = {"form": "whole", "step": None, "fetches": False, "document": "flow: a", "author": "ada"}
    return await store.create(conn, flow_id, entry={"at": "output"}, **known)


async def test_tests_are_counted_per_flow_and_the_newest_are_kept(conn: AsyncConnection) -> None:
    one, other = [(await flows.create(conn, name)).id for name in ("one", "other")]
    for number in range(1, store.KEPT + 3):
        test = await asked(conn, one)
        assert test.number == number
        await store.update(conn, one, number, state="done")
    assert (await asked(conn, other)).number == 1
    found = await store.list_(conn, one)
    assert [test.number for test in found] == list(range(store.KEPT + 2, 2, -1))
    with pytest.raises(NotFound) as refused:
        await store.get(conn, one, 1)
    assert refused.value.reason == "test-not-found"


async def test_what_has_ended_is_not_changed_any_more(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "one")
    await asked(conn, flow.id)
    assert [test.number for test in await store.open_(conn)] == [1]
    await store.update(conn, flow.id, 1, state="cancelled")
    late = await store.update(conn, flow.id, 1, state="done", result={"steps": []})
    assert (late.state, late.result) == ("cancelled", None)
    assert late.ended_at is not None
    assert await store.open_(conn) == []


async def test_the_flows_of_tests_are_told_apart_and_forgotten_with_all_they_did(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "one")
    key = key_of_test(flow.id, 1)
    await flows.create(conn, key, workspace=flows.TESTS, flow_id=key)
    await flows.set_wish(conn, key, "running")
    await deployments.create(conn, key, await flows.next_epoch(conn, key), 1, {})
    facts = [Fact("accepted", "e1", "hook", "m1", "", 1_000, 1)]
    await executions.apply(conn, "s", [(1, Batch(key, 1, 1, facts))])
    assert await store.names(conn) == {flow.id: "one"}
    assert await store.keys(conn) == {key: "running"}
    assert await executions.list_(conn) == []
    assert len(await executions.list_(conn, flow_id=key)) == 1
    assert await deployments.active(conn) == []
    for _ in range(2):
        await store.forget(conn, key)
    assert await store.keys(conn) == {}
    assert await executions.list_(conn, flow_id=key) == []
    assert await deployments.list_(conn, key) == []


async def test_tests_and_samples_go_with_their_flow(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "one")
    await asked(conn, flow.id)
    for body in (1, None):
        content: dict[str, Any] = {"body": body, "headers": {}}
        await samples.put(conn, flow.id, "hook", content, source="written", made_with=[{"id": "hook"}])
    known = await samples.of_flow(conn, flow.id)
    assert {step: each.content["body"] for step, each in known.items()} == {"hook": None}
    await samples.remove(conn, flow.id, "hook")
    with pytest.raises(NotFound) as refused:
        await samples.get(conn, flow.id, "hook")
    assert refused.value.reason == "sample-not-found"
    await flows.remove(conn, flow.id)
    assert await store.list_(conn, flow.id) == []
