"""Tests of drafts and samples, as the API takes them; the loop that runs tests is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.deployed import component, deploy
from tests.integration.api.conftest import Served

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.control import WorkerState
from headrace.bus.message import Message
from headrace.bus.trace import Batch, Fact
from headrace.ids import key_of_test
from headrace.store import executions, flows
from headrace.store import tests as store

DRAFT = """\
flow: tried
steps:
  - {id: hook, trigger: hook/receive}
  - {id: work, after: hook, action: hook/work, fields: {path: /srv/out/x}, input: '{"n": body.n}'}
  - {id: late, after: work, action: hook/work, fields: {path: /srv/out/x}, input: '{"n": $steps.hook.body.n}'}
"""
HALF_DONE = DRAFT + "  - {id: more, after: late, action: hook/nothing}\n"


async def draft(served: Served, text: str = DRAFT) -> None:
    await component(served.parts.db)
    await served.put("/flows/tried/draft", {"document": text})


async def test_a_test_is_asked_for_with_a_sample_and_shown(served: Served) -> None:
    await draft(served)
    assert await served.refused("POST", "/flows/tried/tests", {}) == (409, "no-sample")
    sample = await served.put("/flows/tried/samples/hook", {"body": {"n": 7}, "headers": {"h": 1}})
    assert (sample["source"], sample["author"], [each["id"] for each in sample["made_with"]]) == (
        "written",
        "ada",
        ["hook"],
    )
    asked = await served.post("/flows/tried/tests")
    assert (asked["number"], asked["state"], asked["form"], asked["address"]) == (1, "starting", "whole", None)
    assert asked["progress"] == [{"step": step, "state": "starting"} for step in ("hook", "work", "late")]
    assert [each["id"] for each in asked["made_with"]] == ["hook", "work", "late"]
    assert await served.get("/flows/tried/tests/1") == asked
    async with served.parts.db.read() as conn:
        [test] = await store.open_(conn)
    assert (test.entry["at"], test.entry["content"]) == ("output", {"body": {"n": 7}, "headers": {"h": 1}})
    page = await served.get("/flows/tried/tests")
    assert [each["number"] for each in page["items"]] == [1]


async def test_what_is_too_large_for_a_message_is_refused_at_once(served: Served) -> None:
    await draft(served)
    large = "x" * served.parts.settings.inline_limit
    assert await served.refused("PUT", "/flows/tried/samples/hook", {"body": large}) == (413, "too-large")
    wanted = {"form": "step", "step": "work", "input": {"body": large}}
    assert await served.refused("POST", "/flows/tried/tests", wanted) == (413, "too-large")


async def test_a_step_gets_the_samples_it_reads_and_the_missing_one_is_named(served: Served) -> None:
    await draft(served)
    await served.put("/flows/tried/samples/work", {"body": {"id": 1}})
    answer = await served.client.post("/api/v1/flows/tried/tests", json={"form": "step", "step": "late"})
    assert "`hook` has no sample" in answer.json()["detail"]
    await served.put("/flows/tried/samples/hook", {"body": {"n": 7}, "generated": True})
    await served.post("/flows/tried/tests", {"form": "step", "step": "late"})
    async with served.parts.db.read() as conn:
        [test] = await store.open_(conn)
    assert test.entry["passthrough"] == {"hook": {"body": {"n": 7}, "headers": {}}}
    listed = await served.get("/flows/tried/samples")
    assert {each["step"]: each["source"] for each in listed["items"]} == {"hook": "generated", "work": "written"}


async def test_mistakes_in_steps_that_are_not_needed_do_no_harm(served: Served) -> None:
    await draft(served, HALF_DONE)
    given = {"input": {"body": {"n": 1}}}
    assert await served.refused("POST", "/flows/tried/tests", given) == (422, "flow-document")
    asked = await served.post("/flows/tried/tests", {"form": "up-to", "step": "work", **given})
    assert [each["id"] for each in asked["made_with"]] == ["hook", "work"]
    more = {"form": "up-to", "step": "more", **given}
    assert await served.refused("POST", "/flows/tried/tests", more) == (422, "flow-document")


async def test_a_fetch_that_may_write_has_to_be_confirmed(served: Served) -> None:
    await draft(served)
    fetch: dict[str, Any] = {"form": "step", "step": "work", "fetch": True, "input": {"body": {}}}
    assert await served.refused("POST", "/flows/tried/tests", fetch) == (409, "may-write")
    assert (await served.post("/flows/tried/tests", fetch | {"confirm": True}))["fetch"] is True
    assert (await served.post("/flows/tried/tests", {"form": "step", "step": "hook", "fetch": True}))["number"] == 2
    whole = {"fetch": True, "input": {"body": {}}}
    assert await served.refused("POST", "/flows/tried/tests", whole) == (422, "step-missing")


async def test_what_makes_no_sense_is_refused(served: Served) -> None:
    await draft(served)
    assert await served.refused("PUT", "/flows/tried/samples/gone", {"body": 1}) == (404, "no-such-step")
    assert await served.refused("POST", "/flows/nobody/tests", {}) == (404, "flow-not-found")
    assert await served.refused("POST", "/flows/tried/tests", {"form": "step"}) == (422, "step-missing")
    nobody = {"form": "step", "step": "nobody"}
    assert await served.refused("POST", "/flows/tried/tests", nobody) == (404, "no-such-step")
    assert await served.refused("GET", "/flows/tried/tests/9") == (404, "test-not-found")
    assert await served.refused("GET", "/flows/tried/samples/hook") == (404, "sample-not-found")
    both = {"body": 1, "execution": "e1"}
    assert await served.refused("PUT", "/flows/tried/samples/hook", both) == (422, "sample")
    gone = {"execution": "e1"}
    assert await served.refused("PUT", "/flows/tried/samples/hook", gone) == (404, "execution-not-found")
    large = {"body": "x" * served.parts.settings.inline_limit}
    assert await served.refused("PUT", "/flows/tried/samples/hook", large) == (413, "too-large")
    await served.put("/flows/tried/samples/hook", {"body": None})
    await served.delete("/flows/tried/samples/hook")
    await served.delete("/flows/tried/tests")
    assert (await served.get("/flows/tried/samples"))["items"] == []


async def test_a_sample_is_taken_from_a_real_execution(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "real")
    event = Message(id="m1", execution="e-real", step="hook", body=msgspec.Raw(b'{"total": 3}'), at=1, headers={"a": 1})
    subject = subjects.output(spec.flow_id, spec.epoch, "hook")
    stored = await served.parts.bus.store(subject, envelope.encode(event), "m1")
    fact = Fact("emitted", "e-real", "hook", "m1", "", 1_000, 1, stored.seq)
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "s", [(1, Batch(spec.flow_id, spec.epoch, 1, [fact]))])
    sample = await served.put("/flows/real/samples/hook", {"execution": "e-real"})
    assert (sample["body"], sample["headers"], sample["source"]) == ({"total": 3}, {"a": 1}, "execution")
    assert await served.refused("PUT", "/flows/real/samples/work", {"execution": "e-real"}) == (409, "no-output")
    await draft(served)
    other = {"execution": "e-real"}
    assert await served.refused("PUT", "/flows/tried/samples/hook", other) == (404, "execution-not-found")


async def test_a_request_to_the_test_address_reaches_the_trigger_alone_and_only_while_it_waits(served: Served) -> None:
    await draft(served)
    assert (await served.client.post("/hooks/tried/test", json={})).json()["reason"] == "no-test-waits"
    await served.post("/flows/tried/tests", {"form": "step", "step": "hook", "fetch": True})
    async with served.parts.db.read() as conn:
        flow = await flows.get(conn, "tried")
    key = key_of_test(flow.id, 1)
    spec = await tried(served, key)
    async with served.parts.db.begin() as conn:
        await store.update(conn, flow.id, 1, state="waiting", key=key)
    test = await served.get("/flows/tried/tests/1")
    assert test["address"].endswith("/hooks/tried/test")
    assert (await served.client.post("/hooks/tried/test", json={"n": 1})).status_code == 202
    inbox = subjects.inbox(key, spec.epoch, "hook")
    [entry] = [each async for each in served.parts.bus.read(subjects.stream(key), inbox)]
    message = envelope.decode(entry.data)
    assert (message.only, message.reply_to) == (("hook",), None)
    assert msgspec.json.decode(message.body) == {"n": 1}
    async with served.parts.db.begin() as conn:
        await store.update(conn, flow.id, 1, state="done")
    assert (await served.client.post("/hooks/tried/test", json={})).json()["reason"] == "no-test-waits"


async def test_results_and_samples_are_shown_without_secrets(served: Served) -> None:
    await draft(served)
    secret = {"values": {"PASSWORD": "s3cret-word"}}
    assert (await served.client.patch("/api/v1/components/hook/variables", json=secret)).is_success
    sample = await served.put("/flows/tried/samples/hook", {"body": {"n": "it is s3cret-word"}})
    assert sample["body"] == {"n": "it is [PASSWORD]"}
    await served.post("/flows/tried/tests")
    said = {"body": {"a": "s3cret-word"}, "headers": {"s3cret-word": 1}, "large": None}
    error = {"name": "Error", "message": "no s3cret-word", "stack": "", "reason": "exception"}
    known = {"at": 1, "wait_us": 0, "map_us": None, "call_us": 1}
    call = {"state": "failed", "input": said, "outputs": [said], "error": error, **known}
    log = [{"at": 1, "level": "info", "text": "with s3cret-word"}]
    result = {"steps": [{"id": "work", "state": "failed", "calls": [call], "count": 1, "log": log}]}
    async with served.parts.db.begin() as conn:
        flow = await flows.get(conn, "tried")
        test = await store.update(conn, flow.id, 1, state="failed", result=result)
        assert test.entry["content"]["body"] == {"n": "it is s3cret-word"}, "the test itself gets it"
    shown = await served.get("/flows/tried/tests/1")
    assert "s3cret-word" not in str(shown)
    assert shown["steps"][0]["calls"][0]["input"]["body"] == {"a": "[PASSWORD]"}


async def test_a_draft_that_is_half_done_or_has_lost_the_step_still_shows_no_secrets(served: Served) -> None:
    await draft(served)
    secret = {"values": {"PASSWORD": "s3cret-word"}}
    assert (await served.client.patch("/api/v1/components/hook/variables", json=secret)).is_success
    await served.put("/flows/tried/samples/hook", {"body": "it is s3cret-word"})
    gone = "flow: tried\nsteps:\n  - {id: other, trigger: elsewhere/receive}\n"
    for text in (DRAFT + "  - {id: more, after: [], nonsense: 1}\n", gone, "steps: ["):
        await served.put("/flows/tried/draft", {"document": text})
        assert (await served.get("/flows/tried/samples/hook"))["body"] == "it is [PASSWORD]", text
        assert (await served.get("/flows/tried/samples"))["items"][0]["body"] == "it is [PASSWORD]", text


@pytest.mark.parametrize(
    "body", ['"\\ud800"', '{"\\udc00": 1}', "1e400", "[" * 121 + "]" * 121], ids=["half", "key", "inf", "deep"]
)
async def test_what_no_message_can_say_is_refused(served: Served, body: str) -> None:
    await draft(served)
    headers = {"content-type": "application/json"}
    sample = await served.client.put("/api/v1/flows/tried/samples/hook", content=f'{{"body": {body}}}', headers=headers)
    asked = f'{{"input": {{"body": {body}}}}}'
    test = await served.client.post("/api/v1/flows/tried/tests", content=asked, headers=headers)
    assert (sample.status_code, test.status_code) == (422, 422)
    assert sample.json()["reason"] == test.json()["reason"] == "invalid-request"


async def tried(served: Served, key: str) -> Any:
    """A live test deployment, without a worker."""
    from tests.deployed import DOCUMENT, spec_of

    from headrace.bus import journal
    from headrace.bus.buckets import Bucket
    from headrace.store import deployments

    spec = spec_of(key, "tried", epoch=1)
    async with served.parts.db.begin() as conn:
        await flows.create(conn, key, workspace=flows.TESTS, flow_id=key)
        await flows.add_version(conn, key, DOCUMENT.format(name="tried"))
        await flows.set_wish(conn, key, "running")
        await deployments.create(conn, key, await flows.next_epoch(conn, key), 1, {})
        await deployments.update(conn, key, 1, state="live")
    await journal.prepare(served.parts.bus, spec)
    await Bucket(served.parts.bus, subjects.DEPLOYMENTS).put(f"{key}.1", msgspec.json.encode(spec))
    return spec


async def test_no_list_shows_what_belongs_to_tests(served: Served) -> None:
    await draft(served)
    async with served.parts.db.read() as conn:
        flow = await flows.get(conn, "tried")
    key = key_of_test(flow.id, 1)
    await tried(served, key)
    facts = [
        Fact("accepted", "e-test", "hook", "m1", "", 1_000, 1),
        Fact("failed", "e-test", "hook", "m1", "", 2_000, -1, error="x1"),
    ]
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "s", [(1, Batch(key, 1, 1, facts))])
    assert [each["name"] for each in (await served.get("/flows"))["items"]] == ["tried"]
    assert (await served.get("/executions"))["items"] == []
    status = await served.get("/status")
    assert (status["flows"]["total"], status["flows"]["live"], status["errors_open"]) == (1, 0, 0)
    assert await served.refused("GET", f"/flows/f{key}") == (404, "flow-not-found")
    served.parts.heartbeats.note(WorkerState(flow_id=key, epoch=1, pid=1, created=1.0, phase="live", at=1))
    assert key not in (await served.client.get("/metrics")).text
