"""What the steps of a flow wrote, as newline-delimited JSON."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import StreamingResponse

from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import FlowName, Request, StepName, Text, ThingId
from headrace.api.streams import until
from headrace.bus import subjects
from headrace.bus.client import Entry
from headrace.bus.trace import LogLine
from headrace.errors import Invalid, NotFound
from headrace.flows import document
from headrace.store import deployments, executions, flows
from headrace.store.executions import Execution

__all__ = ["router"]

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
NDJSON = "application/x-ndjson"
LOOK_BACK = 100_000
"""Lines looked through for the last ones of a level or with a text, and for those of an execution."""
EARLIER, LATER = 1_000, 10_000
"""Milliseconds before the beginning of an execution, and after its end, in which its lines may be stored."""

router = APIRouter(tags=["logs"])
_decode = msgspec.json.Decoder(LogLine).decode


class LogFilter(Request):
    """Which lines are wanted."""

    step: StepName | None = Field(default=None, description="Only of this step.")
    tail: int = Field(default=100, ge=0, le=100_000, description="How many of the last of these lines.")
    level: Literal["trace", "debug", "info", "warn", "error", "fatal"] = Field(
        default="trace", description="Only this level and those above it."
    )
    text: Annotated[Text | None, Field(max_length=1000, description="Only lines with this text in them.")] = None
    execution: ThingId | None = Field(
        default=None, description="Only lines written while messages of this execution were at work."
    )
    follow: bool = Field(default=False, description="Go on with lines as they come.")


@router.get(
    "/flows/{name}/logs",
    operation_id="readFlowLogs",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "A log line per line"}},
)
async def read_flow_logs(parts: PartsOf, name: FlowName, wanted: Annotated[LogFilter, Query()]) -> StreamingResponse:
    """The last lines, each a JSON object {at, step, level, text, source, …}; with ``follow`` until you hang up."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        steps = await _steps(conn, flow)
        execution = (await executions.get(conn, wanted.execution))[0] if wanted.execution is not None else None
    subject = subjects.logs(flow.id, wanted.step or "*")
    if wanted.step is not None and wanted.step not in steps and not await _wrote(parts, subject):
        raise NotFound(
            "no-such-step",
            f"flow `{name}` has no step `{wanted.step}`",
            next_step=f"its steps are {', '.join(sorted(steps)) or 'not known yet'}",
        )
    lines = _lines(parts, subject, wanted) if execution is None else _lines_of(parts, subject, wanted, execution)
    return StreamingResponse(lines, media_type=NDJSON, headers={"Cache-Control": "no-store"})


async def _steps(conn: AsyncConnection, flow: flows.Flow) -> set[str]:
    """Steps of the newest version, and those that run."""
    steps: set[str] = set()
    if flow.version is not None:
        with contextlib.suppress(Invalid):
            version = await flows.get_version(conn, flow.id, flow.version)
            steps |= {step.id for step in document.parse(version.document).steps}
    current = await deployments.current(conn, flow.id)
    return steps | set(current.resolved if current is not None else ())


async def _wrote(parts: Parts, subject: str) -> bool:
    """Whether there are lines: of a step that was there once."""
    with contextlib.suppress(NotFound):
        async for _ in parts.bus.read(subjects.LOGS, subject, tail=1):
            return True
    return False


async def _lines(parts: Parts, subject: str, wanted: LogFilter) -> AsyncIterator[bytes]:
    """The last ``tail`` lines that are wanted, then, to follow, all that come."""
    every = wanted.level == LEVELS[0] and wanted.text is None
    last: deque[Entry] = deque(maxlen=wanted.tail)
    seen = 0
    try:
        if not every:
            async for entry in until(parts.stopping, parts.bus.read(subjects.LOGS, subject, tail=LOOK_BACK)):
                seen = entry.seq
                if _wants(wanted, entry.data):
                    last.append(entry)
        for entry in last:
            yield entry.data + b"\n"
        if every or wanted.follow:
            tail = None if seen else wanted.tail if every else 0
            entries = parts.bus.read(subjects.LOGS, subject, start_seq=seen + 1, tail=tail, follow=wanted.follow)
            async for entry in until(parts.stopping, entries):
                if _wants(wanted, entry.data):
                    yield entry.data + b"\n"
    except NotFound:
        return  # nobody has logged anything yet


async def _lines_of(parts: Parts, subject: str, wanted: LogFilter, execution: Execution) -> AsyncIterator[bytes]:
    """The first ``tail`` lines of an execution, which are where its time is; to follow, all that come."""
    try:
        first = await parts.bus.first_since(subjects.LOGS, subject, execution.started_at - EARLIER)
        if first is None and not wanted.follow:
            return
        start = 1 if first is None else first.seq
        entries = parts.bus.read(subjects.LOGS, subject, start_seq=start, follow=wanted.follow)
        end = None if execution.ended_at is None or wanted.follow else execution.ended_at + LATER
        left, looked = wanted.tail, 0
        async for entry in until(parts.stopping, entries):
            looked += 1
            if (end is not None and entry.at > end) or not left or looked > LOOK_BACK:
                return
            if _wants(wanted, entry.data):
                left -= 1
                yield entry.data + b"\n"
    except NotFound:
        return  # nobody has logged anything yet


def _wants(wanted: LogFilter, data: bytes) -> bool:
    try:
        line = _decode(data)
    except msgspec.DecodeError:
        return wanted.level == LEVELS[0] and wanted.text is None and wanted.execution is None
    if LEVELS.index(line.level) < LEVELS.index(wanted.level):
        return False
    if wanted.execution is not None and line.execution != wanted.execution:
        return False
    return wanted.text is None or wanted.text.lower() in line.text.lower()
