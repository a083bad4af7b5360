"""What the steps of a flow wrote, as newline-delimited JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import FlowName, Request, StepName
from headrace.api.streams import until
from headrace.bus import subjects
from headrace.bus.trace import LogLine
from headrace.errors import NotFound
from headrace.store import flows

__all__ = ["router"]

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
NDJSON = "application/x-ndjson"

router = APIRouter(tags=["logs"])
_decode = msgspec.json.Decoder(LogLine).decode


class LogFilter(Request):
    """Which lines are wanted."""

    step: StepName | None = Field(default=None, description="Only of this step.")
    tail: int = Field(default=100, ge=0, le=100_000, description="How many of the last lines.")
    level: Literal["trace", "debug", "info", "warn", "error", "fatal"] = Field(
        default="trace", description="Only this level and those above it."
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
    lines = _lines(parts, subjects.logs(flow.id, wanted.step or "*"), wanted)
    return StreamingResponse(lines, media_type=NDJSON, headers={"Cache-Control": "no-store"})


async def _lines(parts: Parts, subject: str, wanted: LogFilter) -> AsyncIterator[bytes]:
    levels = frozenset(LEVELS[LEVELS.index(wanted.level) :])
    entries = parts.bus.read(subjects.LOGS, subject, tail=wanted.tail, follow=wanted.follow)
    try:
        async for entry in until(parts.stopping, entries):
            if _level(entry.data) in levels:
                yield entry.data + b"\n"
    except NotFound:
        return  # nobody has logged anything yet


def _level(line: bytes) -> str:
    try:
        return _decode(line).level
    except msgspec.DecodeError:
        return "info"
