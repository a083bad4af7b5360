"""Webhooks against the real broker."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from tests.deployed import deploy

from headrace.api.facts import Facts
from headrace.api.metrics import Metrics
from headrace.api.replies import Replies
from headrace.api.webhook_request import MASK
from headrace.api.webhook_target import Targets
from headrace.api.webhooks import Webhooks
from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.objects import Objects
from headrace.bus.trace import Fact, decode_batch
from headrace.flows.deployment import DeploymentSpec
from headrace.store import deployments, flows
from headrace.store.database import Database


class Hooks:
    """The webhooks of a server, and what came of their requests."""

    def __init__(self, bus: Bus, db: Database) -> None:
        self.bus = bus
        self.db = db
        self.targets = Targets(db, bus)
        self.facts = Facts(bus)
        self.replies = Replies(bus)
        self.app = Webhooks(bus, self.targets, self.facts, self.replies, Metrics())
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost")

    async def messages(self, spec: DeploymentSpec) -> list[envelope.Message]:
        inbox = subjects.inbox(spec.flow_id, spec.epoch, "hook")
        return [envelope.decode(e.data) async for e in self.bus.read(subjects.stream(spec.flow_id), inbox)]

    async def told(self, spec: DeploymentSpec) -> list[Fact]:
        await self.facts.close()
        batches = [decode_batch(e.data) async for e in self.bus.read(subjects.TRACE, subjects.trace(spec.flow_id))]
        return [fact for batch in batches for fact in batch.facts]


@pytest.fixture
async def hooks(bus: Bus, db: Database) -> AsyncIterator[Hooks]:
    made = Hooks(bus, db)
    undo = await made.replies.start()
    async with made.client:
        yield made
    await made.facts.close()
    await undo()


def reason(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["next_step"]
    return str(problem["reason"])


async def test_an_event_is_in_the_journal_when_the_answer_comes(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    response = await hooks.client.post(
        f"/hooks/{spec.flow}?page=2", json={"total": 12.5}, headers={"X-Shop": "eu", "Authorization": "Bearer x"}
    )
    assert response.status_code == 202
    [message] = await hooks.messages(spec)
    assert response.json() == {"execution": message.execution}
    assert json.loads(bytes(message.body)) == {"total": 12.5}
    assert message.step == "hook"
    assert message.stage == "raw"
    assert message.reply_to is None
    assert message.headers["x-shop"] == "eu"
    assert message.headers["authorization"] == MASK
    assert message.headers[":query"] == {"page": "2"}
    assert message.headers[":method"] == "POST"
    [fact] = await hooks.told(spec)
    assert (fact.kind, fact.opened, fact.message, fact.execution) == ("accepted", 1, message.id, message.execution)
    assert fact.seq > 0


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_any_method_is_an_event(hooks: Hooks, method: str) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    assert (await hooks.client.request(method, f"/hooks/{spec.flow}/")).status_code == 202
    [message] = await hooks.messages(spec)
    assert message.headers[":method"] == method
    assert bytes(message.body) == b"{}"


async def test_other_methods_are_refused(hooks: Hooks) -> None:
    response = await hooks.client.options("/hooks/any")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Event-Id"])
async def test_repeats_of_an_event_are_stored_once_and_answered_alike(hooks: Hooks, header: str) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    answers = [
        await hooks.client.post(f"/hooks/{spec.flow}", json={"n": 1}, headers={header: "order 7/x"}) for _ in range(3)
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(await hooks.messages(spec)) == 1
    assert len(await hooks.told(spec)) == 1


async def test_an_unknown_flow_is_not_found(hooks: Hooks) -> None:
    response = await hooks.client.post("/hooks/no-such-flow", json={})
    assert (response.status_code, reason(response)) == (404, "unknown-flow")


async def test_a_stopped_flow_refuses_and_accepts_again_when_started(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    async with hooks.db.begin() as conn:
        await flows.set_wish(conn, spec.flow_id, "stopped")
    response = await hooks.client.post(f"/hooks/{spec.flow}", json={})
    assert (response.status_code, reason(response)) == (409, "flow-stopped")
    async with hooks.db.begin() as conn:
        await flows.set_wish(conn, spec.flow_id, "running")
    hooks.targets.forget(spec.flow)
    assert (await hooks.client.post(f"/hooks/{spec.flow}", json={})).status_code == 202


async def test_a_flow_without_a_webhook_trigger_says_so(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"trigger_type": "polling"})
    response = await hooks.client.post(f"/hooks/{spec.flow}", json={})
    assert (response.status_code, reason(response)) == (409, "no-webhook-trigger")


async def test_a_failed_deployment_refuses(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, state="failed")
    response = await hooks.client.post(f"/hooks/{spec.flow}", json={})
    assert (response.status_code, reason(response)) == (409, "flow-failed")


async def test_an_event_waits_for_a_deployment_that_is_warming_up(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, state="warming")
    sending = asyncio.create_task(hooks.client.post(f"/hooks/{spec.flow}", json={}))
    done, _ = await asyncio.wait([sending], timeout=0.2)
    assert not done
    async with hooks.db.begin() as conn:
        await deployments.update(conn, spec.flow_id, spec.epoch, state="live")
    assert (await sending).status_code == 202


async def test_a_warm_up_that_takes_long_is_answered_with_try_again(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.api.webhook_target.WARM_WAIT", 0.0)
    spec = await deploy(hooks.db, hooks.bus, state="warming")
    response = await hooks.client.post(f"/hooks/{spec.flow}", json={})
    assert (response.status_code, reason(response)) == (503, "flow-warming-up")
    assert response.headers["retry-after"] == "1"


async def test_a_request_that_lost_the_race_with_a_new_deployment_goes_to_the_new_one(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    assert (await hooks.client.post(f"/hooks/{spec.flow}", json={})).status_code == 202
    new = await _replace(hooks, spec)
    assert (await hooks.client.post(f"/hooks/{spec.flow}", json={"late": True})).status_code == 202
    [message] = [each for each in await hooks.messages(new) if bytes(each.body) != b"{}"]
    assert bytes(message.body) == b'{"late":true}'


async def _replace(hooks: Hooks, old: DeploymentSpec) -> DeploymentSpec:
    """What control does when a new version is published."""
    async with hooks.db.begin() as conn:
        epoch = await flows.next_epoch(conn, old.flow_id)
        await deployments.update(conn, old.flow_id, old.epoch, state="stopped")
        await deployments.create(conn, old.flow_id, epoch, 1, {})
        await deployments.update(conn, old.flow_id, epoch, state="live")
    new = msgspec.structs.replace(old, epoch=epoch)
    await journal.prepare(hooks.bus, new)
    await Bucket(hooks.bus, subjects.DEPLOYMENTS).put(f"{new.flow_id}.{epoch}", msgspec.json.encode(new))
    await journal.take_over(hooks.bus, old, new)
    return new


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(hooks: Hooks, chunked: bool) -> None:
    spec = await deploy(hooks.db, hooks.bus, message_limit=10_000)
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1000
            yield b" " * 1000

    headers = {"content-type": "text/plain"} | ({} if chunked else {"content-length": "100000"})
    response = await _raw(hooks.app, f"/hooks/{spec.flow}", headers, chunks())
    assert response == 413
    assert read <= (11_000 if chunked else 0)
    assert await hooks.messages(spec) == []


async def _raw(app: Any, path: str, headers: dict[str, str], body: AsyncIterator[bytes]) -> int:
    """Send a request chunk by chunk and return the status."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = await anext(body, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


async def test_base64_that_grows_over_the_limit_is_refused(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, message_limit=1000)
    response = await hooks.client.post(
        f"/hooks/{spec.flow}", content=b"\xff" * 900, headers={"content-type": "image/png"}
    )
    assert (response.status_code, reason(response)) == (413, "message-too-large")


async def test_broken_json_is_refused_and_changes_nothing(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus)
    response = await hooks.client.post(
        f"/hooks/{spec.flow}", content=b"{oops", headers={"content-type": "application/json"}
    )
    assert (response.status_code, reason(response)) == (422, "invalid-json")
    assert await hooks.messages(spec) == []


async def test_a_full_queue_asks_to_come_again(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"queue_limit": 3})
    answers = [await hooks.client.post(f"/hooks/{spec.flow}", json={"n": n}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429, 429]
    assert reason(answers[-1]) == "queue-full"
    assert answers[-1].headers["retry-after"] == "1"
    assert len(await hooks.messages(spec)) == 3


async def test_a_journal_filled_to_its_share_asks_to_come_again(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, journal_bytes=100_000)
    answers = [await hooks.client.post(f"/hooks/{spec.flow}", json={"fill": "x" * 10_000}) for _ in range(9)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == sorted(statuses)
    assert 5 <= statuses.count(202) <= 7
    assert reason(answers[-1]) == "journal-full"


async def test_a_caller_who_waits_gets_the_flows_own_answer(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"reply": "wait"})
    sending = asyncio.create_task(hooks.client.post(f"/hooks/{spec.flow}", json={"n": 1}))
    message = await _first(hooks, spec)
    assert message.reply_to is not None
    answer = {"status": 201, "headers": {"X-Made": "yes", "Set-Cookie": "a=b", "bad\n": "x"}, "body": {"id": 7}}
    hooks.bus.publish(message.reply_to, msgspec.json.encode(answer))
    response = await sending
    assert (response.status_code, response.json()) == (201, {"id": 7})
    assert response.headers["x-made"] == "yes"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("size", [0, 16, 300_000])
async def test_a_caller_who_waits_gets_the_object_that_the_answer_names(hooks: Hooks, size: int) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"reply": "wait"}, storage_cipher=("word", "0123456789abcdef"))
    content = random.Random(size).randbytes(size)
    response = await _answered(hooks, spec, _encrypted(content, "word", "0123456789abcdef"))
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"] == "image/png"
    assert "x-ipaas-object-storage-id" not in response.headers


@pytest.mark.parametrize("stored", [None, b"", b"not encrypted"])
async def test_an_answer_that_names_no_object_as_it_should_be_is_told(hooks: Hooks, stored: bytes | None) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"reply": "wait"}, storage_cipher=("word", "0123456789abcdef"))
    response = await _answered(hooks, spec, stored)
    assert (response.status_code, reason(response)) == (502, "bad-reply")


async def _answered(hooks: Hooks, spec: DeploymentSpec, stored: bytes | None) -> httpx.Response:
    """What a caller gets whose answer names an object with this content; `None`: one that does not exist."""
    name = "obj~nowhere"
    if stored is not None:
        name = (await Objects(hooks.bus, spec.flow_id, 1024**2).put(iter([stored]), keep=60)).name
    sending = asyncio.create_task(hooks.client.post(f"/hooks/{spec.flow}", json={"n": 1}))
    message = await _first(hooks, spec)
    assert message.reply_to is not None
    headers = {"Content-Type": "image/png", "X-Ipaas-Object-Storage-Id": name}
    hooks.bus.publish(message.reply_to, msgspec.json.encode({"status": 200, "headers": headers, "body": {}}))
    return await sending


def _encrypted(content: bytes, password: str, vector: str) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(sha256(password.encode()).digest()), modes.CBC(vector.encode())).encryptor()
    return encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()


async def _first(hooks: Hooks, spec: DeploymentSpec) -> envelope.Message:
    async with asyncio.timeout(10):
        inbox = subjects.inbox(spec.flow_id, spec.epoch, "hook")
        entries = hooks.bus.read(subjects.stream(spec.flow_id), inbox, follow=True)
        entry = await anext(entries)
        await entries.aclose()  # type: ignore[attr-defined]
        return envelope.decode(entry.data)


async def test_a_caller_who_waits_in_vain_is_told(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, trigger={"reply": "wait", "timeout": 0.05})
    response = await hooks.client.post(f"/hooks/{spec.flow}", json={"n": 1})
    assert (response.status_code, reason(response)) == (504, "reply-timeout")
    assert len(await hooks.messages(spec)) == 1


async def test_a_large_body_goes_into_the_object_store_and_its_message_refers_to_it(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, inline_limit=64 * 1024, object_bytes=4 * 1024**2)
    body = {"text": "x" * 300_000}
    assert (await hooks.client.post(f"/hooks/{spec.flow}", json=body)).status_code == 202
    [message] = await hooks.messages(spec)
    assert message.large is not None and bytes(message.body) == b"null"
    objects = Objects(hooks.bus, spec.flow_id, spec.object_bytes)
    assert msgspec.json.decode(await objects.get(message.large.object)) == body
    entries = hooks.bus.read(subjects.stream(spec.flow_id), subjects.inbox(spec.flow_id, spec.epoch, "hook"))
    assert [e.headers["Headrace-Objects"] async for e in entries] == [message.large.object]


async def test_a_full_object_store_turns_large_events_away_and_takes_small_ones(hooks: Hooks) -> None:
    spec = await deploy(hooks.db, hooks.bus, inline_limit=64 * 1024, object_bytes=1024**2)
    large = {"text": "x" * 300_000}
    answers = [(await hooks.client.post(f"/hooks/{spec.flow}", json=large)).status_code for _ in range(4)]
    assert answers == [202, 202, 429, 429]
    refused = await hooks.client.post(f"/hooks/{spec.flow}", json=large)
    assert reason(refused) == "objects-full"
    assert (await hooks.client.post(f"/hooks/{spec.flow}", json={"a": 1})).status_code == 202
