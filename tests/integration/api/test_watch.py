"""Messages as they pass, for somebody who looks: filtered, sampled, without secrets, and at no consumer's cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.deployed import deploy
from tests.integration.api.conftest import Served
from tests.integration.api.test_queues import SECRET, consumers, emitted, with_secret

from headrace.api import watch
from headrace.bus.control import StepState, WorkerState
from headrace.store import flows

LONG = 10


class Watching:
    """An open connection to a watch."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.hung_up = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def event(self, kind: str) -> Any:
        """The next event of that kind."""
        async with asyncio.timeout(LONG):
            while True:
                text = (await self.sent.get()).get("body", b"").decode()
                if text.startswith(f"event: {kind}\r\n"):
                    return json.loads(text.split("data: ", 1)[1].split("\r\n")[0])

    async def passing(self, count: int) -> list[dict[str, Any]]:
        """What came until so many messages have passed."""
        told: list[dict[str, Any]] = []
        while sum(each["passed"] for each in told) < count:
            told.append(await self.event("passing"))
        return told


@asynccontextmanager
async def watching(served: Served, flow: str, **query: str) -> AsyncIterator[Watching]:
    connection = Watching()
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/v1/flows/{flow}/watch",
        "raw_path": f"/api/v1/flows/{flow}/watch".encode(),
        "query_string": urlencode(query).encode(),
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {served.token}".encode())],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    serving = asyncio.ensure_future(served.app(scope, connection.receive, connection.sent.put))  # type: ignore[arg-type]
    await connection.event("hello")
    yield connection
    connection.hung_up.set()
    async with asyncio.timeout(LONG):
        await serving


async def test_messages_are_shown_as_they_pass_without_secrets_and_without_a_consumer(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await with_secret(served, spec)
    before = await consumers(served, spec)
    await emitted(served, spec, {"n": 0})
    async with watching(served, "orders") as watcher:
        seq = await emitted(served, spec, {"n": 1, "note": f"it is {SECRET}"}, to="work")
        [told] = await watcher.passing(1)
        assert await consumers(served, spec) == before
    assert (told["passed"], told["left_out"], told["unmatched"], told["trouble"]) == (1, 0, 0, "")
    [item] = told["items"]
    assert (item["seq"], item["step"], item["to"], item["masked"], item["whole"]) == (seq, "hook", "work", True, True)
    assert json.loads(item["body"]) == {"n": 1, "note": "it is [password]"}
    assert await consumers(served, spec) == before


async def test_many_messages_are_sampled_fairly_and_the_rest_is_counted(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY", 2.0)
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    steps = (StepState(id="hook", host="ready", emitted=300), StepState(id="work", host="ready", emitted=1))
    says = WorkerState(flow_id=spec.flow_id, epoch=1, pid=1, created=1.0, phase="live", at=0, steps=steps)
    served.parts.heartbeats.note(says)
    async with watching(served, "orders") as watcher:
        await asyncio.gather(*(emitted(served, spec, {"n": number}) for number in range(300)))
        await emitted(served, spec, {"late": True}, step="work")
        told = await watcher.passing(301)
    assert all(len(each["items"]) <= watch.SHOWN for each in told)
    shown = [item for each in told for item in each["items"]]
    assert {item["step"] for item in shown} == {"hook", "work"}
    assert len(shown) + sum(each["left_out"] for each in told) == sum(each["passed"] for each in told) == 301


async def test_a_condition_finds_the_few_among_many(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    async with watching(served, "orders", where="body.n = 77") as watcher:
        for number in range(100):
            await emitted(served, spec, {"n": number})
        told = await watcher.passing(100)
    assert [json.loads(item["body"]) for each in told for item in each["items"]] == [{"n": 77}]
    assert sum(each["unmatched"] for each in told) == 99


async def test_text_step_and_edge_filter_too_and_secrets_cannot_be_guessed(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await with_secret(served, spec)

    async def seen(**query: str) -> list[Any]:
        async with watching(served, "orders", **query) as watcher:
            await emitted(served, spec, {"city": "Ghent"}, to="work")
            await emitted(served, spec, {"city": SECRET}, to="other")
            await emitted(served, spec, {"city": "Gent"}, step="work")
            told = await watcher.passing(2 if "step" in query else 3)
        return sorted(json.loads(item["body"])["city"] for each in told for item in each["items"])

    assert await seen(text="gHent") == ["Ghent"]
    assert await seen(step="hook") == ["Ghent", "[password]"]
    assert await seen(step="hook", to="work") == ["Ghent"]
    assert await seen(text=SECRET) == []
    assert await seen(where=f"$contains(body.city, '{SECRET}')") == []


async def test_a_condition_that_fails_on_a_message_says_so(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    async with watching(served, "orders", where="body.n > 3") as watcher:
        await emitted(served, spec, {"n": "many"})
        [told] = await watcher.passing(1)
    assert (told["items"], told["unmatched"]) == ([], 1)
    assert told["trouble"]


async def test_what_cannot_be_watched(served: Served) -> None:
    await deploy(served.parts.db, served.parts.bus, "orders")
    assert await served.refused("GET", "/flows/orders/watch", where="body.(") == (422, "mapping")
    assert await served.refused("GET", "/flows/nowhere/watch") == (404, "flow-not-found")


async def test_a_flow_that_never_ran_is_watched_until_it_does(served: Served) -> None:
    async with served.parts.db.begin() as conn:
        await flows.create(conn, "new")
    async with watching(served, "new"):
        served.parts.stopping.set()
