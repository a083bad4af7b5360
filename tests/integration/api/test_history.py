"""Executions, errors, reruns and logs by way of the API."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import msgspec
import pytest
from sqlalchemy import update
from starlette.types import Message, Receive, Scope, Send
from tests.deployed import deploy
from tests.integration.api.conftest import URL, Served

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.objects import Objects, pieces
from headrace.bus.trace import Batch, Fact, LogLine, decode_batch
from headrace.flows.clip import CLIPPED
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import new_id
from headrace.store import deployments, executions, failures, tables
from headrace.store.failures import ErrorRecord
from headrace.testing.plane import until

AT = 1_700_000_000_000


async def event(
    served: Served, spec: DeploymentSpec, *, number: int = 1, failed: bool = False, body: bytes = b""
) -> tuple[str, str]:
    """An event that was recorded: its execution and, when it failed, its error."""
    raw = msgspec.Raw(body or b'{"n": %d}' % number)
    message = envelope.Message(id=new_id(), execution=new_id(), step="hook", body=raw, at=AT, headers={"x": "y"})
    inbox = subjects.inbox(spec.flow_id, spec.epoch, "hook")
    seq = (await served.parts.bus.store(inbox, envelope.encode(message))).seq
    error = new_id() if failed else ""
    facts = [
        Fact("accepted", message.execution, "hook", message.id, "", (AT + number) * 1000, 1, seq),
        Fact("failed" if failed else "done", message.execution, "hook", message.id, "", (AT + number) * 1000 + 9, -1,
             seq, map_us=-1, call_us=5, error=error),
    ]  # fmt: skip
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(seq, Batch(spec.flow_id, spec.epoch, spec.version, facts))])
        if failed:
            await failures.add(conn, [_record(error, spec, message)])
    return message.execution, error


def _record(id_: str, spec: DeploymentSpec, message: envelope.Message | None) -> ErrorRecord:
    return ErrorRecord(
        id=id_,
        execution_id=message.execution if message else "gone",
        flow_id=spec.flow_id,
        epoch=spec.epoch,
        step="hook",
        message_id=message.id if message else "gone",
        name="ValueError",
        message="no such order",
        stack="Traceback …",
        reason="exception",
        at=AT,
        state="open",
        envelope=envelope.encode(message) if message else None,
        retried_as=None,
    )


async def inbox(served: Served, spec: DeploymentSpec) -> list[envelope.Message]:
    subject = subjects.inbox(spec.flow_id, spec.epoch, "hook")
    entries = served.parts.bus.read(subjects.stream(spec.flow_id), subject)
    return [envelope.decode(entry.data) async for entry in entries]


async def test_an_execution_shows_its_messages_with_their_input(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, _ = await event(served, spec)
    found = await served.get(f"/executions/{execution}")
    assert (found["flow"], found["state"], found["messages"], found["errors"]) == ("orders", "done", 1, 0)
    accepted, done = found["processed"]
    assert (accepted["kind"], done["kind"], done["map_us"], done["call_us"]) == ("accepted", "done", None, 5)
    assert done["input"] == {
        "id": done["message"],
        "body": {"n": 1},
        "large": None,
        "headers": {"x": "y"},
        "stage": "raw",
        "masked": False,
    }
    assert await served.refused("GET", "/executions/none") == (404, "execution-not-found")


async def test_a_message_nested_without_end_is_shown_clipped(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, _ = await event(served, spec, body=b'{"n":' * 600 + b"1" + b"}" * 600)
    _, done = (await served.get(f"/executions/{execution}"))["processed"]
    assert CLIPPED in json.dumps(done["input"]["body"])


async def test_an_execution_counts_mappers_as_steps(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, _ = await event(served, spec)
    facts = [
        Fact("done", execution, "work", id_, "", (AT + 2) * 1000 + us, 0, 0, map_us=us, call_us=10 * us)
        for id_, us in (("a", 2), ("b", 3))
    ]
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(1000, Batch(spec.flow_id, spec.epoch, spec.version, facts))])
    found = await served.get(f"/executions/{execution}")
    assert [tuple(each.values()) for each in found["timings"]] == [
        ("hook", "step", 1, 5, 5),
        ("work", "mapper", 2, 5, 3),
        ("work", "step", 2, 50, 30),
    ]


async def test_a_failed_message_shows_its_input_as_long_as_its_error_is_kept(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, _ = await event(served, spec, failed=True)
    await served.parts.bus.api(f"STREAM.PURGE.{subjects.stream(spec.flow_id)}", {})
    accepted, failed = (await served.get(f"/executions/{execution}"))["processed"]
    assert (accepted["input"], failed["input"]["body"]) == (None, {"n": 1})


async def test_executions_are_listed_newest_first_and_filtered(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    ids = [(await event(served, spec, number=number, failed=number == 2))[0] for number in (1, 2, 3)]
    first = await served.get("/executions", limit=2)
    assert [each["id"] for each in first["items"]] == [ids[2], ids[1]]
    rest = await served.get("/executions", limit=2, cursor=first["next"])
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([ids[0]], None)
    assert [each["id"] for each in (await served.get("/executions", state="failed"))["items"]] == [ids[1]]
    assert [each["id"] for each in (await served.get("/executions", since=AT + 3))["items"]] == [ids[2]]
    assert [each["id"] for each in (await served.get("/executions", before=AT + 2))["items"]] == [ids[0]]
    assert (await served.get("/executions", flow="orders", limit=1))["next"]
    assert await served.refused("GET", "/executions", flow="none") == (404, "flow-not-found")
    assert await served.refused("GET", "/executions", colour="red") == (422, "invalid-request")


async def test_an_error_shows_its_input_and_traceback(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, error = await event(served, spec, failed=True)
    found = await served.get(f"/errors/{error}")
    assert (found["flow"], found["step"], found["name"], found["stack"]) == (
        "orders",
        "hook",
        "ValueError",
        "Traceback …",
    )
    assert found["input"]["body"] == {"n": 1}
    listed = await served.get("/errors", execution=execution)
    assert [each["id"] for each in listed["items"]] == [error]
    assert (await served.get("/errors", state="retried"))["items"] == []


async def test_a_retry_runs_the_message_again_in_a_new_execution(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    execution, error = await event(served, spec, failed=True)
    answer = await served.post(f"/errors/{error}/retry")
    original, again = await inbox(served, spec)
    assert answer == {"error": error, "message": again.id, "execution": again.execution}
    assert again.execution != execution
    assert (again.body, again.headers, again.stage, again.rerun_of) == (original.body, {"x": "y"}, "raw", original.id)
    assert (await served.get(f"/errors/{error}"))["retried_as"] == again.id
    await served.parts.facts.close()
    batches = [decode_batch(e.data) async for e in served.parts.bus.read("TRACE", subjects.trace(spec.flow_id))]
    [fact] = [fact for batch in batches for fact in batch.facts]
    assert (fact.kind, fact.opened, fact.rerun_of, fact.message) == ("accepted", 1, execution, again.id)


@pytest.mark.parametrize("body", [{"n": 2}, None, [1], "text"])
async def test_an_edited_retry_is_the_steps_input_as_it_is(served: Served, body: object) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    _, error = await event(served, spec, failed=True)
    await served.post(f"/errors/{error}/retry", {"body": body})
    again = (await inbox(served, spec))[-1]
    assert (json.loads(bytes(again.body)), again.stage) == (body, "mapped")


async def test_what_cannot_be_run_again_says_why(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders", message_limit=1024**2)
    _, error = await event(served, spec, failed=True)
    async with served.parts.db.begin() as conn:
        await failures.add(conn, [_record("lost", spec, None)])
    assert await served.refused("POST", "/errors/lost/retry", {}) == (409, "error-without-input")
    assert await served.refused("POST", "/errors/none/retry", {}) == (404, "error-not-found")
    big = {"body": "x" * (spec.message_limit + 1)}
    assert await served.refused("POST", f"/errors/{error}/retry", big) == (413, "message-too-large")
    async with served.parts.db.begin() as conn:
        await deployments.update(conn, spec.flow_id, spec.epoch, state="stopped")
    assert await served.refused("POST", f"/errors/{error}/retry", {}) == (409, "flow-stopped")
    assert len(await inbox(served, spec)) == 1


async def test_all_errors_of_a_flow_are_run_again_oldest_first(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    made = [(await event(served, spec, number=number, failed=True))[1] for number in (1, 2)]
    async with served.parts.db.begin() as conn:
        await failures.add(conn, [_record("lost", spec, None)])
    answer = await served.post("/errors/retry", {"flow": "orders"})
    assert {each["error"] for each in answer["retried"]} == set(made)
    assert [(each["error"], each["reason"]) for each in answer["skipped"]] == [("lost", "error-without-input")]
    assert not answer["more"]
    assert [each["id"] for each in (await served.get("/errors", state="open"))["items"]] == ["lost"]
    assert (await served.post("/errors/retry", {"flow": "orders", "step": "hook"}))["retried"] == []


async def test_errors_of_a_kind_are_counted_and_run_again(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    _, alike = await event(served, spec, number=1, failed=True)
    _, other = await event(served, spec, number=2, failed=True)
    async with served.parts.db.begin() as conn:
        await conn.execute(update(tables.failures).where(tables.failures.c.id == other).values(name="KeyError"))
    kind = {"flow": "orders", "step": "hook", "reason": "exception", "name": "ValueError"}
    assert await served.get("/errors/count", flow="orders") == {"open": 2}
    assert await served.get("/errors/count", **kind) == {"open": 1}
    assert [each["id"] for each in (await served.get("/errors", **kind))["items"]] == [alike]
    assert [each["error"] for each in (await served.post("/errors/retry", kind))["retried"]] == [alike]
    assert await served.get("/errors/count", **kind) == {"open": 0}
    assert await served.get("/errors/count", flow="orders", reason="timeout") == {"open": 0}


async def line(
    served: Served, spec: DeploymentSpec, text: str, *, step: str = "hook", level: str = "info", execution: str = ""
) -> None:
    entry = LogLine(at=AT, step=step, level=level, text=text, execution=execution)  # type: ignore[arg-type]
    await served.parts.bus.store(subjects.logs(spec.flow_id, step), msgspec.json.encode(entry))


async def test_logs_are_read_by_step_level_and_number(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    for number in range(5):
        await line(served, spec, f"line {number}", level="error" if number == 3 else "debug")
    await line(served, spec, "other", step="work")

    async def texts(**query: object) -> list[str]:
        response = await served.client.get("/api/v1/flows/orders/logs", params=query)  # type: ignore[arg-type]
        assert response.headers["content-type"] == "application/x-ndjson"
        return [json.loads(each)["text"] for each in response.text.splitlines()]

    assert await texts() == ["line 0", "line 1", "line 2", "line 3", "line 4", "other"]
    assert await texts(tail=2) == ["line 4", "other"]
    assert await texts(step="hook", tail=2) == ["line 3", "line 4"]
    assert await texts(level="warn") == ["line 3"]
    assert await texts(tail=0) == []
    assert await texts(level="warn", tail=1, step="hook") == ["line 3"], "the last line of the level, not of all"
    assert await texts(level="debug", tail=2, step="hook") == ["line 3", "line 4"]
    assert await served.refused("GET", "/flows/orders/logs", step="nobody") == (404, "no-such-step")


async def test_logs_are_searched_and_told_by_execution(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await line(served, spec, "long before")
    now = time.time_ns() // 1000
    facts = [
        Fact("accepted", "e1", "hook", "m1", "", now, 1),
        Fact("done", "e1", "hook", "m1", "", now + 1000, -1),
    ]
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(1, Batch(spec.flow_id, spec.epoch, spec.version, facts))])
    await line(served, spec, "Order 7 came", execution="e1")
    await line(served, spec, "another order", execution="e2")
    await line(served, spec, "Order 7 left", execution="e1", step="work", level="debug")

    async def texts(**query: object) -> list[str]:
        response = await served.client.get("/api/v1/flows/orders/logs", params=query)  # type: ignore[arg-type]
        return [json.loads(each)["text"] for each in response.text.splitlines()]

    assert await texts(text="order 7") == ["Order 7 came", "Order 7 left"]
    assert await texts(text="ORDER", step="hook", tail=1) == ["another order"]
    assert await texts(execution="e1") == ["Order 7 came", "Order 7 left"]
    assert await texts(execution="e1", step="work") == ["Order 7 left"]
    assert await texts(execution="e1", level="info") == ["Order 7 came"]
    assert await texts(execution="e1", tail=1) == ["Order 7 came"]
    assert await served.refused("GET", "/flows/orders/logs", execution="none") == (404, "execution-not-found")


@pytest.mark.parametrize("level", ["trace", "info"])
async def test_followed_logs_go_on_until_the_server_stops(served: Served, level: str) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await line(served, spec, "before")
    path = f"/api/v1/flows/orders/logs?follow=true&level={level}"
    sent = bytearray()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            sent.extend(message.get("body", b""))
            await send(message)

        await served.app(scope, receive, sending)

    client = httpx.AsyncClient(transport=httpx.ASGITransport(watched), base_url=URL, headers=served.client.headers)
    following = asyncio.create_task(client.get(path))
    await until(lambda: b"before" in sent)
    await line(served, spec, "after")
    await until(lambda: b"after" in sent)
    assert not following.done()
    served.parts.stopping.set()
    async with asyncio.timeout(10):
        lines = (await following).text.splitlines()
    assert [json.loads(each)["text"] for each in lines] == ["before", "after"]


async def test_a_large_body_is_shown_by_reference_and_run_again(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders", inline_limit=64 * 1024)
    large = {"text": "x" * 200_000}
    objects = Objects(served.parts.bus, spec.flow_id, spec.object_bytes)
    info = await objects.put(pieces(msgspec.json.encode(large)))
    message = envelope.Message(
        id=new_id(), execution=new_id(), step="hook", body=msgspec.Raw(b"null"), at=AT,
        large=envelope.Large(info.name, info.size),
    )  # fmt: skip
    async with served.parts.db.begin() as conn:
        await failures.add(conn, [_record("e1", spec, message), _record("e2", spec, message)])
    shown = (await served.get("/errors/e1"))["input"]
    assert (shown["body"], shown["large"]) == (None, {"object": info.name, "size": info.size})
    content = await served.client.get(f"/api/v1/flows/orders/objects/{info.name}")
    assert content.json() == large
    await served.post("/errors/e1/retry")
    await served.post("/errors/e2/retry", {"body": {"text": "y" * 100_000}})
    again, edited = await inbox(served, spec)
    assert (again.large, again.stage) == (envelope.Large(info.name, info.size), "raw")
    assert edited.stage == "mapped" and edited.large is not None and edited.large.object != info.name
    assert msgspec.json.decode(await objects.get(edited.large.object)) == {"text": "y" * 100_000}
