"""Flows: list them, look at one, remove one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api.flow_views import FlowView, flow_views, with_commits
from headrace.api.parts import PartsOf
from headrace.api.shapes import FlowName, Page, Paging, Request, paged
from headrace.api.wishes import shown
from headrace.bus.queues import waiting
from headrace.control import desire, queues
from headrace.errors import Refused
from headrace.store import failures, flows

__all__ = ["router"]

router = APIRouter(prefix="/flows", tags=["flows"])


class Listing(Paging):
    outdated: bool = Field(
        default=False, description="Only flows that a publish would move to newer component versions."
    )


class Removal(Request):
    purge: bool = Field(default=False, description="Throw away what waits in its queues; without it that is refused.")


@router.get("", operation_id="listFlows")
async def list_flows(parts: PartsOf, wanted: Annotated[Listing, Query()]) -> Page[FlowView]:
    """All flows, by name."""
    async with parts.db.read() as conn:
        found = await flows.list_(conn)
        errors = await failures.count_open(conn)
        if wanted.outdated:
            views = [each for each in await flow_views(parts, conn, found, errors) if _moves(each)]
            items, following = paged(views, lambda view: view.name, wanted)
            return Page(items=items, next=following)
        some, following = paged(found, lambda flow: flow.name, wanted)
        return Page(items=await flow_views(parts, conn, some, errors), next=following)


@router.get("/{name}", operation_id="getFlow")
async def get_flow(parts: PartsOf, name: FlowName) -> FlowView:
    """One flow, and how it is."""
    return await with_commits(parts, await shown(parts, name))


@router.delete("/{name}", status_code=204, operation_id="removeFlow")
async def remove_flow(parts: PartsOf, name: FlowName, how: Annotated[Removal, Query()]) -> None:
    """Remove a stopped flow with its versions. Refused (`queue-not-empty`) while messages wait, unless purged."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    left = await waiting(parts.bus, flow.id)
    if left and not how.purge:
        raise Refused(
            "queue-not-empty",
            f"{left} messages wait in the queues of flow `{name}`",
            next_step="Start it to let them through, or remove it with --purge to throw them away.",
        )
    removed = await desire.remove(parts.db, name)
    await queues.remove(parts.bus, removed.id)
    parts.changed(removed.id, name)
    parts.tests.hint()


def _moves(view: FlowView) -> bool:
    return any(each.moves_to is not None for each in view.outdated)
