"""Samples of a flow's steps: an example of what each gives, for mappings and tests."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import Any, Literal, cast

import msgspec
from fastapi import APIRouter
from pydantic import Field

from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Json, Moment, Page, PagingOf, Request, StepName, Text, ThingId, paged
from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.errors import Invalid, NotFound, Refused, TooLarge
from headrace.flows.clip import clipped
from headrace.flows.excerpt import written
from headrace.flows.redaction import Redaction
from headrace.store import executions, flows
from headrace.store import samples as store
from headrace.store.flows import Flow
from headrace.store.samples import Sample

__all__ = ["router"]

LOOKED_THROUGH = 20_000
"""Outputs of a step that are read while one of an execution is looked for."""

router = APIRouter(prefix="/flows", tags=["flows"])


class SampleView(Answer):
    step: str
    body: Any
    headers: dict[str, Any]
    source: Literal["fetched", "written", "generated", "execution"]
    execution: str | None = Field(description="The one it was taken from.")
    author: str
    made_at: Moment
    made_with: list[dict[str, Any]] = Field(description="The step and those before it, as they were written then.")


class NewSample(Request):
    """Either a body, or the execution that it is to be taken from."""

    body: Json = None
    headers: dict[Text, Json] = Field(default_factory=dict)
    generated: bool = Field(default=False, description="It was made from the step's schema.")
    execution: ThingId | None = Field(default=None, description="Take what the step emitted first in this execution.")


@router.get("/{name}/samples", operation_id="listSamples")
async def list_samples(parts: PartsOf, name: FlowName, page: PagingOf) -> Page[SampleView]:
    """The samples of all steps; also of steps that the draft no longer has."""
    async with parts.db.read() as conn:
        found = await store.of_flow(conn, (await flows.get(conn, name)).id)
    some, following = paged(list(found.values()), lambda sample: sample.step, page)
    mask = await _mask(parts, name, *some)
    return Page(items=[_view(each, mask) for each in some], next=following)


@router.get("/{name}/samples/{step}", operation_id="getSample")
async def get_sample(parts: PartsOf, name: FlowName, step: StepName) -> SampleView:
    """The sample of one step."""
    async with parts.db.read() as conn:
        found = await store.get(conn, (await flows.get(conn, name)).id, step)
    return _view(found, await _mask(parts, name, found))


@router.put("/{name}/samples/{step}", operation_id="putSample")
async def put_sample(parts: PartsOf, caller: Caller, name: FlowName, step: StepName, new: NewSample) -> SampleView:
    """Give the step a sample, whatever it had. To fetch one, run a test of the step with `fetch`."""
    if new.execution is not None and "body" in new.model_fields_set:
        raise Invalid("sample", "a sample has either a body or an execution", next_step="leave one of them out")
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    content = {"body": new.body, "headers": new.headers}
    source: store.Source = "generated" if new.generated else "written"
    if new.execution is not None:
        source, content = "execution", await _emitted(parts, flow, step, new.execution)
    size, limit = len(msgspec.json.encode(content)), parts.settings.inline_limit
    if size > limit:
        raise TooLarge("too-large", f"the sample has {size} bytes; the limit (inline_limit) is {limit}")
    async with parts.db.begin() as conn:
        text = flow.draft or await _published(parts, flow)
        made_with = written(text, step)
        if not made_with and written(text):
            raise NotFound("no-such-step", f"flow `{name}` has no step `{step}`", next_step="name one that it has")
        sample = await store.put(
            conn,
            flow.id,
            step,
            content,
            source=source,
            made_with=made_with,
            execution=new.execution,
            author=caller,
        )
    parts.announce("sample", {"flow": name, "step": step})
    return _view(sample, await _mask(parts, name, sample))


@router.delete("/{name}/samples/{step}", status_code=204, operation_id="removeSample")
async def remove_sample(parts: PartsOf, name: FlowName, step: StepName) -> None:
    """Remove the step's sample. Nothing happens when there is none."""
    async with parts.db.begin() as conn:
        await store.remove(conn, (await flows.get(conn, name)).id, step)
    parts.announce("sample", {"flow": name, "step": step})


async def _published(parts: Parts, flow: Flow) -> str:
    if flow.version is None:
        return ""
    async with parts.db.read() as conn:
        return (await flows.get_version(conn, flow.id, flow.version)).document


async def _emitted(parts: Parts, flow: Flow, step: str, execution_id: str) -> dict[str, Any]:
    """What the step emitted first in the execution, as long as the journal has it."""
    async with parts.db.read() as conn:
        execution, processed = await executions.get(conn, execution_id)
    if execution.flow_id != flow.id:
        raise NotFound("execution-not-found", f"execution {execution_id} is not one of flow `{flow.name}`")
    start = min((each.seq for each in processed if each.seq), default=1)
    epochs = sorted({execution.epoch, *(each.epoch for each in processed)})
    outputs = [subjects.output(flow.id, epoch, step) for epoch in epochs]
    entries = cast(Any, parts.bus.read(subjects.stream(flow.id), outputs, start_seq=start))
    with suppress(NotFound):
        async with aclosing(entries):
            looked = 0
            async for entry in entries:
                message = envelope.decode(entry.data)
                if message.execution == execution_id and message.large is None:
                    return {"body": msgspec.json.decode(message.body), "headers": message.headers}
                looked += 1
                if looked >= LOOKED_THROUGH:
                    break
    raise Refused(
        "no-output",
        f"the journal has no output of step `{step}` in execution {execution_id} (any more)",
        next_step="take another execution, or write the sample by hand",
    )


async def _mask(parts: Parts, name: str, *shown: Sample) -> Redaction:
    """What is shown goes without the values of credentials and variables; tests and mappings get them.

    Those, too, that only the steps had with which a sample was made: the draft may have others, or none, by now.
    """
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    steps = [step for sample in shown for step in sample.made_with]
    return await parts.credentials.redaction(flow.draft or await _published(parts, flow), steps=steps)


def _view(sample: Sample, mask: Redaction) -> SampleView:
    return SampleView(
        step=sample.step,
        body=mask.value(clipped(sample.content.get("body"))),
        headers=mask.value(sample.content.get("headers") or {}),
        source=sample.source,
        execution=sample.execution,
        author=sample.author,
        made_at=sample.made_at,
        made_with=sample.made_with,
    )
