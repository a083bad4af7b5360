"""Bring the latest version of a component to every flow that asks for it, one flow after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import StreamingResponse

from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, ComponentName, Request, Text
from headrace.api.streams import until
from headrace.control.rollout import Progress, rollout
from headrace.store import components

__all__ = ["router"]

NDJSON = "application/x-ndjson"

router = APIRouter(prefix="/components", tags=["components"])


class Rollout(Request):
    note: Text | None = Field(default=None, max_length=2000, description="Why; kept with each deployment.")


class RolloutLine(Answer):
    """What happened to one flow; the last line, without a flow, says how the rollout ended."""

    flow: str | None
    state: Literal["publishing", "live", "unchanged", "failed", "done", "stopped"]
    epoch: int | None
    ready_ms: int | None
    reason: str
    published: int = Field(description="Flows that went live so far.")
    left: int = Field(description="Flows still to do.")


@router.post(
    "/{name}/rollout",
    operation_id="rollOutComponent",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "A line of JSON per event"}},
)
async def roll_out_component(parts: PartsOf, caller: Caller, name: ComponentName, how: Rollout) -> StreamingResponse:
    """Publish each running flow that names the component as `latest` and runs an older version, by handover.

    The next flow is not touched before one is live, and the first that fails ends it. Hang up to stop after the flow in
    progress. Each line is a JSON object; the last one has `state` `done` or `stopped`.
    """
    async with parts.db.read() as conn:
        await components.resolve(conn, name, "latest")
    lines = _lines(parts, name, caller, how.note or "")
    return StreamingResponse(lines, media_type=NDJSON, headers={"Cache-Control": "no-store"})


async def _lines(parts: Parts, name: str, caller: str, note: str) -> AsyncIterator[str]:
    published, left, failed = 0, 0, False
    told: AsyncIterator[Progress] = rollout(parts.db, name, parts.changed, author=caller, note=note)
    async for each in until(parts.stopping, told):
        published += each.state == "live"
        left, failed = each.left, each.state == "failed"
        yield _line(
            RolloutLine(
                flow=each.flow,
                state=each.state,
                epoch=each.epoch,
                ready_ms=each.ready_ms,
                reason=each.reason,
                published=published,
                left=left,
            )
        )
    state: Literal["done", "stopped"] = "stopped" if failed or left else "done"
    reason = "the server stops" if left and not failed else ""
    yield _line(
        RolloutLine(flow=None, state=state, epoch=None, ready_ms=None, reason=reason, published=published, left=left)
    )


def _line(line: RolloutLine) -> str:
    return line.model_dump_json() + "\n"
