"""Suspending, resuming, purging, and rollouts, by way of the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.deployed import component, deploy
from tests.integration.api.conftest import Served, serving

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.control import outcome
from headrace.control.rollout import Progress, rollout
from headrace.ids import new_id
from headrace.store import deployments, flows
from headrace.testing.plane import until


@pytest.fixture
async def ready(served: Served) -> Served:
    await component(served.parts.db)
    return served


async def hook(served: Served, body: Any) -> httpx.Response:
    return await served.client.post("/hooks/orders", json=body)


async def test_a_suspended_flow_accepts_events_and_keeps_them(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "orders")
    suspended = await ready.post("/flows/orders/suspend")
    assert (suspended["flow"]["wish"], suspended["flow"]["state"], suspended["waiting"]) == ("suspended", "live", 0)
    assert (await hook(ready, {"n": 1})).status_code == 202
    assert (await ready.post("/flows/orders/suspend"))["waiting"] == 1
    resumed = await ready.post("/flows/orders/resume")
    assert (resumed["flow"]["wish"], resumed["deployment"]["epoch"]) == ("running", 1)


async def test_nobody_waits_for_the_answer_of_a_suspended_flow(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "orders", trigger={"reply": "wait", "timeout": 0.2})
    assert (await hook(ready, {})).status_code == 504
    await ready.post("/flows/orders/suspend")
    assert (await hook(ready, {})).status_code == 202


async def test_a_stopped_flow_is_neither_suspended_nor_resumed(ready: Served) -> None:
    spec = await deploy(ready.parts.db, ready.parts.bus, "orders")
    async with ready.parts.db.begin() as conn:
        await flows.set_wish(conn, spec.flow_id, "stopped")
    assert await ready.refused("POST", "/flows/orders/suspend") == (409, "flow-stopped")
    assert await ready.refused("POST", "/flows/orders/resume") == (409, "flow-stopped")
    assert (await hook(ready, {})).status_code == 409


async def test_purging_says_how_many_it_threw_away(ready: Served) -> None:
    spec = await deploy(ready.parts.db, ready.parts.bus, "orders")
    for _ in range(3):
        message = envelope.Message(id=new_id(), execution=new_id(), step="hook", body=msgspec.Raw(b"{}"), at=1)
        await ready.parts.bus.store(subjects.inbox(spec.flow_id, spec.epoch, "hook"), envelope.encode(message))
    async with ready.parts.db.begin() as conn:
        await deployments.update(conn, spec.flow_id, spec.epoch, state="stopped")
    kept = await ready.post("/flows/orders/stop")
    assert (kept["waiting"], kept["purged"]) == (3, 0)
    gone = await ready.post("/flows/orders/stop", {"purge": True})
    assert (gone["waiting"], gone["purged"]) == (0, 3)


async def test_a_component_version_in_use_is_not_removed_and_the_answer_names_the_flows(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "orders")
    await component(ready.parts.db, commit="d" * 40)
    response = await ready.client.delete("/api/v1/components/hook/versions/1")
    assert (response.status_code, response.json()["reason"]) == (409, "in-use")
    assert "orders" in response.json()["detail"]
    await ready.delete("/components/hook/versions/2")


async def rolled_out(served: Served) -> list[tuple[str | None, str, int]]:
    response = await served.client.post("/api/v1/components/hook/rollout", json={"note": "fixed"})
    assert response.headers["content-type"] == "application/x-ndjson", response.text
    lines = [json.loads(line) for line in response.text.splitlines()]
    return [(line["flow"], line["state"], line["published"]) for line in lines]


async def test_a_rollout_of_what_all_run_is_done_at_once(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "orders")
    assert await rolled_out(ready) == [(None, "done", 0)]
    assert await ready.refused("POST", "/components/nothing/rollout", {}) == (404, "component-not-found")


async def test_a_rollout_is_planned_before_it_is_begun(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "a")
    await deploy(ready.parts.db, ready.parts.bus, "b", state="warming")
    assert [each["moves"] for each in (await ready.get("/components/hook/rollout"))["flows"]] == [False, False]
    await component(ready.parts.db, commit="d" * 40)
    plan = await ready.get("/components/hook/rollout")
    assert plan["latest"] == 2
    assert [(each["flow"], each["running"], each["names"], each["moves"]) for each in plan["flows"]] == [
        ("a", [1], ["latest"], True),
        ("b", [1], ["latest"], False),
    ]
    assert len((await ready.get("/flows/a/deployments"))["items"]) == 1


async def test_a_rollout_tells_how_it_goes_and_stops_at_a_failure(
    ready: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "a")
    await deploy(ready.parts.db, ready.parts.bus, "b")
    await component(ready.parts.db, commit="d" * 40)
    assert [each["name"] for each in (await ready.get("/flows", outdated=True))["items"]] == ["a", "b"]
    monkeypatch.setattr(outcome, "WITHIN", 0.1)  # nobody brings it to life here
    assert await rolled_out(ready) == [("a", "publishing", 0), ("a", "failed", 0), (None, "stopped", 0)]
    assert [each["cause"] for each in (await ready.get("/flows/a/deployments"))["items"]] == ["rollout", ""]
    assert len((await ready.get("/flows/b/deployments"))["items"]) == 1


async def test_hanging_up_ends_a_rollout_after_the_flow_in_progress(
    ready: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()

    async def told(*arguments: Any, **more: Any) -> AsyncIterator[Progress]:
        try:
            async for each in rollout(*arguments, **more):
                yield each
        finally:
            closed.set()

    monkeypatch.setattr("headrace.api.rollouts.rollout", told)
    spec = await deploy(ready.parts.db, ready.parts.bus, "a")
    await deploy(ready.parts.db, ready.parts.bus, "b")
    await component(ready.parts.db, commit="d" * 40)
    async with serving(ready.app) as url:
        headers = {"Authorization": f"Bearer {ready.token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            async with client.stream("POST", "/api/v1/components/hook/rollout", json={}) as response:
                lines = response.aiter_lines()  # dropped, it would hang up
                assert json.loads(await anext(lines))["state"] == "publishing"
                await until(lambda: _has(ready, "a", 2))
            await asyncio.wait_for(closed.wait(), 10)
    async with ready.parts.db.begin() as conn:
        await deployments.update(conn, spec.flow_id, 2, state="live")
    assert await _has(ready, "b", 1)


async def _has(served: Served, name: str, count: int) -> bool:
    return len((await served.get(f"/flows/{name}/deployments"))["items"]) == count
