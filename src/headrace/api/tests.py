"""Tests of a flow's draft: run one step, the steps up to one, or all, beside the flow that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.drafts import lint_text
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Json, Moment, Number, Page, PagingOf, Request, StepName, Text, paged
from headrace.control.catalog import catalog_for
from headrace.control.entry import Content, Entry, begin
from headrace.errors import Invalid, NotFound, Refused, TooLarge
from headrace.flows import document
from headrace.flows.disabled import running
from headrace.flows.document import Document
from headrace.flows.excerpt import excerpt, written
from headrace.flows.redaction import Redaction
from headrace.store import deployments, flows, samples
from headrace.store import tests as store
from headrace.store.flows import Flow
from headrace.store.tests import Test

__all__ = ["router"]

EPOCH = 1

router = APIRouter(prefix="/flows", tags=["flows"])
State = Literal["starting", "waiting", "running", "done", "failed", "cancelled"]


class Given(Request):
    """What a test begins with, instead of a sample."""

    body: Json = None
    headers: dict[Text, Json] = Field(default_factory=dict)


class RunTest(Request):
    form: Literal["step", "up-to", "whole"] = Field(default="whole", description="What is called.")
    step: StepName | None = Field(default=None, description="Of `step` and `up-to`.")
    input: Given | None = Field(
        default=None,
        description="`step`: the step's input, so its mapping is not applied. Else what the trigger is taken to have "
        "emitted. Without it the samples of the steps before, or of the trigger.",
    )
    fetch: bool = Field(default=False, description="`step`: keep what it emits first as its sample.")
    confirm: bool = Field(default=False, description="`fetch`: also when the step may change something elsewhere.")


class Shown(Answer):
    """What a message says."""

    body: Any
    headers: dict[str, Any]
    large: int | None = Field(default=None, description="Bytes of a body that is too large to be kept here.")


class TestFailure(Answer):
    name: str
    message: str
    stack: str
    reason: str = Field(description="As in `errors`; `not-ready`: the step could not be started.")


class StepCall(Answer):
    """One message at one step."""

    state: Literal["done", "skipped", "failed"]
    input: Shown | None = Field(description="After the mapping; null when it failed, or the step needs none.")
    outputs: list[Shown]
    error: TestFailure | None
    at: Moment | None
    wait_us: int
    map_us: int | None
    call_us: int


class TestLine(Answer):
    at: Moment
    level: str
    text: str


class StepResult(Answer):
    """What became of a step. `unreached`: it was not asked for, or no message came to it."""

    id: str
    state: Literal["done", "skipped", "failed", "unreached"]
    calls: list[StepCall] = Field(description="The first ones.")
    count: int = Field(description="How many calls there were.")
    log: list[TestLine]


class StepProgress(Answer):
    step: str
    state: Literal["building", "starting", "ready", "failed"]


class TestView(Answer):
    """A test, without its result."""

    __test__ = False

    number: int
    flow: str
    form: Literal["step", "up-to", "whole"]
    step: str | None
    fetch: bool
    author: str
    state: State = Field(
        description="`waiting`: for the trigger's event. `failed`: a step failed (`step-failed`), or it could not run."
    )
    reason: str
    message: str
    created_at: Moment
    ready_at: Moment | None = Field(description="When all steps were ready.")
    ended_at: Moment | None


class TestDetail(TestView):
    """A test with what is known of its steps."""

    address: str | None = Field(description="`waiting` for a webhook: where to send the request.")
    until: Moment | None = Field(description="`waiting`: when that is given up.")
    progress: list[StepProgress] = Field(description="While it is `starting`.")
    steps: list[StepResult] = Field(description="When it has ended, in the draft's order.")
    made_with: list[dict[str, Any]] = Field(description="The steps as they were written when it was run.")


@router.post("/{name}/tests", status_code=202, operation_id="runTest")
async def run_test(parts: PartsOf, caller: Caller, name: FlowName, wanted: RunTest) -> TestDetail:
    """Try the draft (without one: the newest version) in a test deployment. Answers at once; ask for it again.

    What runs is not touched; component code is really called, with the credentials it has.
    """
    async with parts.db.begin() as conn:
        flow = await flows.get(conn, name)
        text = await _text(conn, flow, wanted)
        parsed = running(document.parse(text))
        if wanted.fetch:
            await _refuse_fetch(conn, parsed, text, wanted)
        known = await samples.of_flow(conn, flow.id)
        contents = {step: msgspec.convert(each.content, Content) for step, each in known.items()}
        given = None if wanted.input is None else Content(wanted.input.body, wanted.input.headers)
        entry = begin(parsed, wanted.form, wanted.step, given, contents)
        _refuse_large(entry, parts.settings.inline_limit)
        test = await store.create(
            conn,
            flow.id,
            form=wanted.form,
            step=wanted.step,
            fetches=wanted.fetch,
            document=text,
            entry=msgspec.to_builtins(entry),
            author=caller,
        )
    parts.tests.hint()
    parts.announce("test", {"flow": name, "number": test.number})
    return await _detail(parts, name, test)


@router.get("/{name}/tests", operation_id="listTests")
async def list_tests(parts: PartsOf, name: FlowName, page: PagingOf) -> Page[TestView]:
    """The tests that are kept, newest first."""
    async with parts.db.read() as conn:
        found = await store.list_(conn, (await flows.get(conn, name)).id)
    some, following = paged(found, lambda test: str(test.number), page)
    return Page(items=[TestView(**_view(name, each)) for each in some], next=following)


@router.get("/{name}/tests/{number}", operation_id="getTest")
async def get_test(parts: PartsOf, name: FlowName, number: Number) -> TestDetail:
    """One test, and how far it is."""
    async with parts.db.read() as conn:
        test = await store.get(conn, (await flows.get(conn, name)).id, number)
    return await _detail(parts, name, test)


@router.delete("/{name}/tests", status_code=204, operation_id="endTests")
async def end_tests(parts: PartsOf, name: FlowName) -> None:
    """End the test deployment now, and what runs in it. Results stay. Nothing happens when there is none."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    parts.tests.end(flow.id)


async def _text(conn: AsyncConnection, flow: Flow, wanted: RunTest) -> str:
    """What is to be run: the whole text where it has no mistakes, else only the steps that are needed."""
    if wanted.form != "whole" and wanted.step is None:
        raise Invalid("step-missing", f"a test of the form `{wanted.form}` needs a step", next_step="name the step")
    if flow.draft is None and flow.version is None:
        told = f"flow `{flow.name}` has neither draft nor version"
        raise Refused("no-draft", told, next_step=f"headrace flow edit {flow.name}")
    text = flow.draft
    if text is None:
        assert flow.version is not None
        text = (await flows.get_version(conn, flow.id, flow.version)).document
    problems = await _mistakes(conn, text, flow.name)
    if problems and wanted.form != "whole" and wanted.step is not None:
        if not written(text, wanted.step):
            raise NotFound("no-such-step", f"the draft has no step `{wanted.step}`")
        text = excerpt(text, wanted.step)
        problems = await _mistakes(conn, text, flow.name)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise Invalid("flow-document", f"the draft cannot run: {problems[0]}{more}", problems=problems)
    return text


def _refuse_large(entry: Entry, limit: int) -> None:
    size = len(msgspec.json.encode(entry))
    if size > limit:
        told = f"what the test begins with, and the samples it carries along, have {size} bytes"
        raise TooLarge("too-large", f"{told}; the limit (inline_limit) is {limit}", next_step="take smaller samples")


async def _mistakes(conn: AsyncConnection, text: str, name: str) -> list[Any]:
    """What is still being built is waited for, later."""
    found = await lint_text(conn, text, name)
    return [each for each in found if each.severity == "error" and each.reason != "not-built"]


async def _refuse_fetch(conn: AsyncConnection, parsed: Document, text: str, wanted: RunTest) -> None:
    step = parsed.step(wanted.step or "")
    if wanted.form != "step" or step is None:
        raise Invalid("step-missing", "one step alone can fetch a sample", next_step="use the form `step`")
    described = (await catalog_for(conn, text)).find(step.component, step.version)
    offer = None if described is None else described.offer(step.kind, step.function)
    writes = step.kind == "action" if offer is None else offer.writes
    if writes and not wanted.confirm:
        raise Refused(
            "may-write",
            f"step `{step.id}` calls `{step.component}/{step.function}` for real, which may change something there",
            next_step="confirm that it may, or write the sample by hand",
        )


async def _detail(parts: Parts, name: str, test: Test) -> TestDetail:
    steps = written(test.document)
    kept: Mapping[str, Any] = test.result or {}
    mask = await parts.credentials.redaction(test.document)
    return TestDetail(
        **_view(name, test),
        address=f"{parts.settings.outside_url}/hooks/{name}/test" if await _waits_for_request(parts, test) else None,
        until=_until(parts, test),
        progress=await _progress(parts, test) if test.state == "starting" else [],
        steps=[_result(each, mask) for each in kept.get("steps", ())],
        made_with=steps,
    )


def _result(step: Mapping[str, Any], mask: Redaction) -> StepResult:
    """As executions show it: without the values of credentials and variables."""
    calls = [
        {
            **call,
            "input": _masked(call["input"], mask),
            "outputs": [_masked(each, mask) for each in call["outputs"]],
            "error": _masked(call["error"], mask),
        }
        for call in step["calls"]
    ]
    log = [{**line, "text": mask.text(line["text"])} for line in step["log"]]
    return StepResult(**{**step, "calls": calls, "log": log})


def _masked(told: Mapping[str, Any] | None, mask: Redaction) -> dict[str, Any] | None:
    return None if told is None else {key: mask.value(each) for key, each in told.items()}


def _view(name: str, test: Test) -> dict[str, Any]:
    return {
        "number": test.number,
        "flow": name,
        "form": test.form,
        "step": test.step,
        "fetch": test.fetches,
        "author": test.author,
        "state": test.state,
        "reason": test.reason,
        "message": test.message,
        "created_at": test.created_at,
        "ready_at": test.ready_at,
        "ended_at": test.ended_at,
    }


def _until(parts: Parts, test: Test) -> int | None:
    if test.state != "waiting" or test.ready_at is None:
        return None
    return test.ready_at + int(parts.settings.test_within * 1000)


async def _waits_for_request(parts: Parts, test: Test) -> bool:
    if test.state != "waiting":
        return False
    async with parts.db.read() as conn:
        catalog = await catalog_for(conn, test.document)
    trigger = document.parse(test.document).trigger
    described = None if trigger is None else catalog.find(trigger.component, trigger.version)
    offer = None if described is None or trigger is None else described.offer("trigger", trigger.function)
    return offer is not None and offer.trigger_type == "webhook"


async def _progress(parts: Parts, test: Test) -> list[StepProgress]:
    async with parts.db.read() as conn:
        catalog = await catalog_for(conn, test.document)
        made = test.key != "" and bool(await deployments.list_(conn, test.key))
    said = parts.heartbeats.of(test.key, EPOCH) if made else None
    hosts = {} if said is None else {step.id: step.host for step in said.steps}
    found = []
    for step in document.parse(test.document).steps:
        host = hosts.get(step.id, "")
        building = catalog.state(step.component, step.version) in ("pushed", "building")
        state: Any = "building" if building else host if host in ("ready", "failed") else "starting"
        found.append(StepProgress(step=step.id, state=state))
    return found
