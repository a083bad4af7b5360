"""Bring the latest version of a component to every flow that asks for it, one flow after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import StreamingResponse

from headrace.api.commits import Commits, between
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, ComponentName, Request, Text
from headrace.api.streams import until
from headrace.api.usage import Usage
from headrace.control.behind import Behind, behind
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


class UsingFlow(Answer):
    """A flow that uses the component, and whether a rollout would move it."""

    flow: str
    running: list[int] = Field(description="Revisions that it runs now.")
    names: list[str] = Field(description="What its newest version asks for: `latest`, a revision, a semantic version.")
    moves: bool = Field(description="A rollout would publish it.")
    variables: bool = Field(description="Because of other environment variables, the code being the same.")
    busy: bool = Field(description="Another deployment of it is on its way: a rollout waits for that.")


class RolloutPlan(Answer):
    """Who would be moved, and by which commits."""

    latest: int | None
    flows: list[UsingFlow]
    commits: Commits = Field(description="From the oldest revision that would be moved to the latest.")


@router.get("/{name}/rollout", operation_id="planRollout")
async def plan_rollout(parts: PartsOf, name: ComponentName) -> RolloutPlan:
    """Which flows use the component, and what a rollout of its latest version would do with each. Changes nothing."""
    async with parts.db.read() as conn:
        component = await components.get(conn, name)
        usage = await Usage.read(conn)
        late = {each.flow: each for each in await behind(conn) if any(move.component == name for move in each.moves)}
        commits = {each.revision: each.commit for each in await components.list_versions(conn, name)}
    using = [_using(flow, name, usage, late.get(flow)) for flow in usage.of_component(name)]
    oldest = min((move.running for flow in late.values() for move in flow.moves if move.component == name), default=0)
    between_them = await between(parts, name, commits.get(oldest), commits.get(component.latest or 0))
    return RolloutPlan(latest=component.latest, flows=using, commits=between_them)


def _using(flow: str, component: str, usage: Usage, late: Behind | None) -> UsingFlow:
    moves = [move for move in late.moves if move.component == component] if late is not None else []
    return UsingFlow(
        flow=flow,
        running=sorted(revision for name, revision, each in usage.runs if (name, each) == (component, flow)),
        names=sorted(selector for name, selector, each in usage.names if (name, each) == (component, flow)),
        moves=bool(moves),
        variables=bool(moves) and not any(move.is_push for move in moves),
        busy=late is not None and late.busy,
    )


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
