"""Errors of flows: messages a step failed on, and running them again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api.executions import MessageView, message_view
from headrace.api.parts import PartsOf
from headrace.api.reruns import Rerun, rerun
from headrace.api.shapes import (
    LATEST,
    Answer,
    FlowName,
    Moment,
    Page,
    Paging,
    Request,
    StepName,
    Text,
    ThingId,
    known_cursor,
)
from headrace.errors import HeadraceError
from headrace.store import failures, flows

__all__ = ["router"]

MANY = 1000
"""Most errors that one request runs again."""

State = Literal["open", "retried", "discarded"]
ErrorReason = Annotated[Text | None, Field(max_length=64, description="Only of this reason, such as `exception`.")]
ErrorName = Annotated[Text | None, Field(max_length=500, description="Only of this kind of exception.")]

router = APIRouter(prefix="/errors", tags=["errors"])


class ErrorView(Answer):
    """A message a step failed on, and why."""

    id: str
    execution: str
    flow: str
    flow_id: str
    epoch: int
    step: str
    message_id: str
    name: str = Field(description="The kind of exception, in the component's language.")
    message: str
    stack: str = Field(description="The component's own traceback.")
    reason: str
    at: Moment
    state: State
    retried_as: str | None = Field(description="Id of the message that repeats it.")


class ErrorDetail(ErrorView):
    """An error with the failed message; null when the journal lost it."""

    input: MessageView | None


class Retry(Request):
    body: Any = Field(default=None, description="Instead of the message's own: the step's input, after its mapping.")


class RerunView(Answer):
    """An error that is run again."""

    error: str
    message: str = Field(description="Id of the new message.")
    execution: str = Field(description="The execution it starts.")


class ErrorChoice(Request):
    """Which open errors are meant."""

    flow: FlowName
    step: StepName | None = None
    execution: ThingId | None = None
    reason: ErrorReason = None
    name: ErrorName = None


class RetryMany(ErrorChoice):
    """Which open errors to run again."""


class ErrorCount(Answer):
    open: int = Field(description="Open errors that match.")


class SkippedView(Answer):
    error: str
    reason: str
    detail: str


class RetriedMany(Answer):
    """What became of each; ``more``: there are others left, ask again."""

    retried: list[RerunView]
    skipped: list[SkippedView]
    more: bool


class ErrorFilter(Paging):
    """Which errors are wanted."""

    flow: FlowName | None = Field(default=None, description="Only of this flow.")
    step: StepName | None = Field(default=None, description="Only of this step.")
    state: State | None = None
    execution: ThingId | None = Field(default=None, description="Only of this execution.")
    reason: ErrorReason = None
    name: ErrorName = None
    since: Moment | None = Field(default=None, ge=0, le=LATEST, description="Only those at or after it.")


@router.get("", operation_id="listErrors")
async def list_errors(parts: PartsOf, wanted: Annotated[ErrorFilter, Query()]) -> Page[ErrorView]:
    """Errors, newest first."""
    async with parts.db.read() as conn:
        names = {each.id: each.name for each in await flows.list_(conn)}
        flow_id = (await flows.get(conn, wanted.flow)).id if wanted.flow is not None else None
        found = await failures.list_(
            conn,
            flow_id=flow_id,
            step=wanted.step,
            state=wanted.state,
            execution_id=wanted.execution,
            reason=wanted.reason,
            name=wanted.name,
            since=wanted.since,
            before=known_cursor(wanted.cursor),
            limit=wanted.limit + 1,
        )
    following = found[wanted.limit - 1].cursor if len(found) > wanted.limit else None
    return Page(items=[ErrorView(**_error(each, names)) for each in found[: wanted.limit]], next=following)


@router.get("/count", operation_id="countErrors")
async def count_errors(parts: PartsOf, wanted: Annotated[ErrorChoice, Query()]) -> ErrorCount:
    """How many errors match: what retrying all of them would run again."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, wanted.flow)
        count = await failures.count(
            conn,
            flow_id=flow.id,
            step=wanted.step,
            state="open",
            execution_id=wanted.execution,
            reason=wanted.reason,
            name=wanted.name,
        )
    return ErrorCount(open=count)


@router.post("/retry", operation_id="retryErrors")
async def retry_errors(parts: PartsOf, which: RetryMany) -> RetriedMany:
    """Run the open errors of a flow (of a step, of an execution, of a kind) again, oldest first."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, which.flow)
        found = await failures.list_(
            conn,
            flow_id=flow.id,
            step=which.step,
            state="open",
            execution_id=which.execution,
            reason=which.reason,
            name=which.name,
            limit=MANY + 1,
        )
    retried, skipped = [], []
    for error in reversed(found[:MANY]):
        try:
            retried.append(_rerun(await rerun(parts, error.id)))
        except HeadraceError as refusal:
            skipped.append(SkippedView(error=error.id, reason=refusal.reason, detail=refusal.message))
    return RetriedMany(retried=retried, skipped=skipped, more=len(found) > MANY)


@router.get("/{error_id}", operation_id="getError")
async def get_error(parts: PartsOf, error_id: ThingId) -> ErrorDetail:
    """One error, with the message that failed."""
    async with parts.db.read() as conn:
        error = await failures.get(conn, error_id)
        names = {each.id: each.name for each in await flows.list_(conn)}
    return ErrorDetail(**_error(error, names), input=_input(error))


@router.post("/{error_id}/retry", operation_id="retryError")
async def retry_error(parts: PartsOf, error_id: ThingId, how: Retry) -> RerunView:
    """Run the message again, in a new execution; with ``body``, with that as the step's input."""
    if "body" in how.model_fields_set:
        return _rerun(await rerun(parts, error_id, body=msgspec.Raw(msgspec.json.encode(how.body))))
    return _rerun(await rerun(parts, error_id))


def _rerun(made: Rerun) -> RerunView:
    return RerunView(error=made.error, message=made.message, execution=made.execution)


def _error(error: failures.ErrorRecord, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": error.id,
        "execution": error.execution_id,
        "flow": names.get(error.flow_id, ""),
        "flow_id": error.flow_id,
        "epoch": error.epoch,
        "step": error.step,
        "message_id": error.message_id,
        "name": error.name,
        "message": error.message,
        "stack": error.stack,
        "reason": error.reason,
        "at": error.at,
        "state": error.state,
        "retried_as": error.retried_as,
    }


def _input(error: failures.ErrorRecord) -> MessageView | None:
    try:
        return message_view(error.envelope) if error.envelope is not None else None
    except msgspec.MsgspecError:
        return None
