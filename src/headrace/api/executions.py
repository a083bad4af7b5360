"""Executions: what became of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.masks import mask_of_version
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import LATEST, Answer, FlowName, Moment, Number, Page, Paging, StepName, ThingId, known_cursor
from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Entry
from headrace.bus.picking import Picker
from headrace.errors import HeadraceError, NotFound
from headrace.flows.clip import clipped
from headrace.flows.redaction import Redaction
from headrace.store import executions as store
from headrace.store import failures, flows

__all__ = ["MessageView", "message_view", "router"]

INPUTS_AT_ONCE = 16
INPUTS_MOST = 200
"""Inputs fetched for one execution; further messages are listed without."""

OUTPUTS_OF, OUTPUTS_LOOKED = 20, 500
"""Calls whose outputs are looked for, and messages that are looked through for those of each."""
EARLIER = 50
"""Milliseconds before a call's reckoned beginning from which its outputs are looked for."""

State = Literal["running", "done", "failed"]
WORKED = frozenset({"done", "failed", "delayed"})
"""Entries that tell of a call of the component's code."""

router = APIRouter(prefix="/executions", tags=["executions"])


class ExecutionView(Answer):
    """Everything one event caused, in numbers."""

    id: str
    flow: str
    flow_id: str
    epoch: int
    version: int
    state: State
    started_at: Moment
    ended_at: Moment | None
    duration_ms: int | None
    open: int = Field(description="Messages still to be processed.")
    messages: int
    errors: int
    rerun_of: str | None = Field(description="The execution of which it repeats a part.")
    incomplete: bool = Field(description="Facts were lost with a killed worker: the numbers may be too small.")


class LargeView(Answer):
    """A body that is too large for a message."""

    object: str = Field(description="Where it is: `GET /flows/{name}/objects/{object}`.")
    size: int = Field(description="Bytes of its JSON.")


class MessageView(Answer):
    """A message's content, as far as the journal still has it."""

    id: str
    body: Any = Field(description="Null when it is `large`.")
    large: LargeView | None = Field(default=None, description="Where the body is, when it is not here.")
    headers: dict[str, Any]
    stage: Literal["raw", "mapped"] = Field(description="`mapped`: the body already is the step's input.")
    masked: bool = Field(
        default=False, description="Values of credentials or variables were in it; their names stand in their place."
    )


class ProcessedView(Answer):
    """One message at one step."""

    message: str
    parent: str | None
    step: str
    kind: Literal["accepted", "emitted", "done", "skipped", "failed", "delayed"]
    at: Moment
    at_us: int = Field(description="The same in microseconds.")
    outputs: int
    wait_us: int = Field(description="Time in the queue before the step took it.")
    map_us: int | None = Field(description="Time of the mapper before the step; null without one.")
    call_us: int = Field(description="Time in the component's code.")
    attempt: int
    error: str | None = Field(description="`failed`: id of the error. `delayed`: the reason.")
    until: Moment | None = Field(description="`delayed`: when the next attempt is due.")
    input: MessageView | None = Field(description="What the step received; null when the journal no longer has it.")


class Timing(Answer):
    """What one step, or the mapper before it, took in one execution."""

    step: str
    kind: Literal["step", "mapper"]
    count: int = Field(description="Messages.")
    total_us: int
    longest_us: int


class ExecutionDetail(ExecutionView):
    """An execution with its message tree: each entry names the message whose processing emitted it."""

    processed: list[ProcessedView]
    timings: list[Timing] = Field(description="Per step, in the order of the first message; a mapper is a step, too.")


class OutputView(Answer):
    """A message that a step emitted."""

    seq: int = Field(description="Where it is in the flow's journal.")
    at: Moment = Field(description="When it was stored.")
    parent: str = Field(description="The message for which it was emitted.")
    to: str | None = Field(description="The only step it goes to; null: every step that comes after.")
    output: MessageView


class Outputs(Answer):
    """``complete``: all that the step emitted in this execution is there."""

    items: list[OutputView]
    complete: bool


class ExecutionFilter(Paging):
    """Which executions are wanted."""

    flow: FlowName | None = Field(default=None, description="Only of this flow.")
    state: State | None = None
    version: Number | None = Field(default=None, description="Only those that began under this version of their flow.")
    since: Moment | None = Field(default=None, ge=0, le=LATEST, description="Only those started at or after it.")
    before: Moment | None = Field(default=None, ge=0, le=LATEST, description="Only those started before it.")


@router.get("", operation_id="listExecutions")
async def list_executions(parts: PartsOf, wanted: Annotated[ExecutionFilter, Query()]) -> Page[ExecutionView]:
    """Executions, newest first."""
    async with parts.db.read() as conn:
        names = {each.id: each.name for each in await flows.list_(conn)}
        flow_id = (await flows.get(conn, wanted.flow)).id if wanted.flow is not None else None
        found = await store.list_(
            conn,
            flow_id=flow_id,
            state=wanted.state,
            version=wanted.version,
            since=wanted.since,
            before=known_cursor(wanted.cursor) or (str(wanted.before) if wanted.before is not None else None),
            limit=wanted.limit + 1,
        )
    following = found[wanted.limit - 1].cursor if len(found) > wanted.limit else None
    return Page(items=[_execution(each, names) for each in found[: wanted.limit]], next=following)


@router.get("/{execution_id}", operation_id="getExecution")
async def get_execution(parts: PartsOf, execution_id: ThingId) -> ExecutionDetail:
    """One execution with every message at every step, and their inputs as long as the journal keeps them."""
    async with parts.db.read() as conn:
        execution, processed = await store.get(conn, execution_id)
        names = {each.id: each.name for each in await flows.list_(conn)}
    mask = await mask_of_version(parts, execution.flow_id, execution.version)
    async with parts.db.read() as conn:
        failed = await _failed_inputs(conn, [each.error for each in processed if each.kind == "failed"], mask)
    kept = {each.seq for each in processed if each.seq > 0 and each.kind != "failed"}
    inputs = await _inputs(parts, execution.flow_id, kept, mask)
    return ExecutionDetail(
        **_execution(execution, names).model_dump(),
        processed=[
            _processed(each, failed.get(each.error) if each.kind == "failed" else inputs.get(each.seq))
            for each in processed
        ],
        timings=_timings(processed),
    )


@router.get("/{execution_id}/outputs", operation_id="listExecutionOutputs")
async def list_execution_outputs(
    parts: PartsOf, execution_id: ThingId, step: Annotated[StepName, Query(description="The step.")]
) -> Outputs:
    """What a step emitted in an execution, as long as the journal keeps it and it can be found quickly."""
    async with parts.db.read() as conn:
        execution, processed = await store.get(conn, execution_id)
    mask = await mask_of_version(parts, execution.flow_id, execution.version)
    emitting = [each for each in processed if each.step == step and each.outputs and each.kind in WORKED]
    stream = subjects.stream(execution.flow_id)
    found: dict[int, OutputView] = {}
    async with Picker(parts.bus) as picker:
        for each in emitting[:OUTPUTS_OF]:
            subject = subjects.output(execution.flow_id, each.epoch, step)
            began = (each.at_us - each.call_us) // 1000 - EARLIER
            with contextlib.suppress(NotFound):
                picked = await picker.since(stream, subject, began, OUTPUTS_LOOKED)
                found |= {entry.seq: view for entry in picked.entries if (view := _output(entry, each, mask))}
    wanted = sum(each.outputs for each in emitting)
    return Outputs(items=[found[seq] for seq in sorted(found)], complete=len(found) >= wanted)


def _output(entry: Entry, cause: store.Processed, mask: Redaction) -> OutputView | None:
    try:
        message = envelope.decode(entry.data)
        if (message.execution, message.parent) != (cause.execution_id, cause.message_id):
            return None
        view = message_view(entry.data, mask)
    except msgspec.MsgspecError:
        return None
    return OutputView(seq=entry.seq, at=entry.at, parent=cause.message_id, to=message.to or None, output=view)


def _execution(execution: store.Execution, names: dict[str, str]) -> ExecutionView:
    ended = execution.ended_at
    return ExecutionView(
        id=execution.id,
        flow=names.get(execution.flow_id, ""),
        flow_id=execution.flow_id,
        epoch=execution.epoch,
        version=execution.version,
        state=execution.state,
        started_at=execution.started_at,
        ended_at=ended,
        duration_ms=None if ended is None else max(0, ended - execution.started_at),
        open=execution.open,
        messages=execution.messages,
        errors=execution.errors,
        rerun_of=execution.rerun_of,
        incomplete=execution.incomplete,
    )


def _processed(entry: store.Processed, message: MessageView | None) -> ProcessedView:
    return ProcessedView(
        message=entry.message_id,
        parent=entry.parent or None,
        step=entry.step,
        kind=entry.kind,
        at=entry.at_us // 1000,
        at_us=entry.at_us,
        outputs=entry.outputs,
        wait_us=entry.wait_us,
        map_us=entry.map_us if entry.map_us >= 0 else None,
        call_us=entry.call_us,
        attempt=entry.attempt,
        error=entry.error or None,
        until=entry.until or None,
        input=message,
    )


def _timings(processed: Sequence[store.Processed]) -> list[Timing]:
    spans: dict[tuple[str, Literal["mapper", "step"]], list[int]] = {}
    for each in processed:
        if each.map_us >= 0:
            spans.setdefault((each.step, "mapper"), []).append(each.map_us)
        if each.kind in WORKED:
            spans.setdefault((each.step, "step"), []).append(each.call_us)
    return [
        Timing(step=step, kind=kind, count=len(each), total_us=sum(each), longest_us=max(each))
        for (step, kind), each in spans.items()
    ]


async def _failed_inputs(conn: AsyncConnection, errors: Sequence[str], mask: Redaction) -> dict[str, MessageView]:
    """Failed messages by their error: the error record keeps them when the journal no longer does."""
    found: dict[str, MessageView] = {}
    for error in errors[:INPUTS_MOST]:
        with contextlib.suppress(HeadraceError, msgspec.MsgspecError):
            record = await failures.get(conn, error)
            if record.envelope is not None:
                found[error] = message_view(record.envelope, mask)
    return found


async def _inputs(parts: Parts, flow_id: str, seqs: set[int], mask: Redaction) -> dict[int, MessageView]:
    """Messages of the journal by number; what is gone or cannot be read is left out."""
    gate = asyncio.Semaphore(INPUTS_AT_ONCE)
    stream = subjects.stream(flow_id)

    async def fetch(seq: int) -> tuple[int, MessageView | None]:
        async with gate:
            try:
                entry = await parts.bus.get(stream, seq)
                return seq, None if entry is None else message_view(entry.data, mask)
            except (HeadraceError, msgspec.MsgspecError):
                return seq, None

    fetched = await asyncio.gather(*(fetch(seq) for seq in sorted(seqs)[:INPUTS_MOST]))
    return {seq: message for seq, message in fetched if message is not None}


def message_view(data: bytes, mask: Redaction | None = None) -> MessageView:
    """The content of an envelope, as ``mask`` lets it be seen; raises `msgspec.MsgspecError` when it is none."""
    message = envelope.decode(data)
    content = {"body": clipped(msgspec.json.decode(message.body)), "headers": message.headers}
    shown = content if mask is None else mask.value(content)
    return MessageView(
        id=message.id,
        large=LargeView(object=message.large.object, size=message.large.size) if message.large is not None else None,
        stage=message.stage,
        masked=shown != content,
        **shown,
    )
