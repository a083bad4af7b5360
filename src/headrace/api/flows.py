"""Flows: look at them, publish, start, stop, remove.

These write what is wished into the store; `headrace.control` makes it so.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api.flow_views import DeploymentView, FlowView, deployment_view, flow_views
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.queues import waiting
from headrace.api.shapes import Answer, FlowName, Page, PagingOf, Request, Text, paged
from headrace.api.versions import VersionView, version_view
from headrace.control import desire, queues
from headrace.errors import Refused, Unavailable
from headrace.store import deployments, failures, flows

__all__ = ["router"]

STOP_MARGIN = 15.0
"""Seconds beyond the hosts' own deadlines for a flow to stop."""
LOOK_AGAIN = 0.05

router = APIRouter(prefix="/flows", tags=["flows"])


class Publish(Request):
    note: Text | None = Field(default=None, max_length=2000, description="What changed.")
    start: bool | None = Field(
        default=None,
        description="Also start a flow that is stopped. A running one moves to the new version unless false.",
    )


class Published(Answer):
    version: VersionView
    deployment: DeploymentView | None = Field(description="The one that will run it; null when it is not to run.")


class Started(Answer):
    flow: FlowView
    deployment: DeploymentView | None


class Stop(Request):
    purge: bool = Field(default=False, description="Throw away what waits in its queues.")


class Stopped(Answer):
    flow: FlowView
    waiting: int = Field(description="Messages that are kept for the next start.")


class Removal(Request):
    purge: bool = Field(default=False, description="Throw away what waits in its queues; without it that is refused.")


@router.get("", operation_id="listFlows")
async def list_flows(parts: PartsOf, page: PagingOf) -> Page[FlowView]:
    """All flows, by name."""
    async with parts.db.read() as conn:
        items, following = paged(await flows.list_(conn), lambda flow: flow.name, page)
        errors = await failures.count_open(conn)
        return Page(items=await flow_views(parts, conn, items, errors), next=following)


@router.get("/{name}", operation_id="getFlow")
async def get_flow(parts: PartsOf, name: FlowName) -> FlowView:
    """One flow, and how it is."""
    return await _shown(parts, name)


@router.get("/{name}/deployments", operation_id="listDeployments")
async def list_deployments(parts: PartsOf, name: FlowName, page: PagingOf) -> Page[DeploymentView]:
    """All attempts to run it, newest first."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        found = await deployments.list_(conn, flow.id)
    items, following = paged(found, lambda deployment: str(deployment.epoch), page)
    return Page(items=[deployment_view(parts, name, each) for each in items], next=following)


@router.post("/{name}/publish", operation_id="publishFlow")
async def publish_flow(parts: PartsOf, caller: Caller, name: FlowName, how: Publish) -> Published:
    """Make the draft the newest version. A flow that runs moves to it; without a draft, to the newest components."""
    made = await desire.publish(parts.db, name, note=how.note or "", author=caller, start=how.start)
    parts.changed(made.version.flow_id, name)
    shown = None if made.deployment is None else deployment_view(parts, name, made.deployment)
    return Published(version=version_view(made.version), deployment=shown)


@router.post("/{name}/start", operation_id="startFlow")
async def start_flow(parts: PartsOf, name: FlowName) -> Started:
    """Run the newest version on the newest components. What waits in its queues goes on."""
    deployment = await desire.start(parts.db, name)
    parts.changed(deployment.flow_id, name)
    return Started(flow=await _shown(parts, name), deployment=deployment_view(parts, name, deployment))


@router.post("/{name}/stop", operation_id="stopFlow")
async def stop_flow(parts: PartsOf, name: FlowName, how: Stop) -> Stopped:
    """Stop the flow; answers when it has stopped. What waits in its queues stays for the next start, unless purged.

    `still-stopping` (503) when it takes too long: it goes on stopping, nothing was purged.
    """
    flow = await desire.stop(parts.db, name)
    parts.changed(flow.id, name)
    await _stopped(parts, flow)
    if how.purge:
        await queues.purge(parts.bus, flow.id)
    return Stopped(flow=await _shown(parts, name), waiting=await waiting(parts.bus, flow.id))


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


async def _stopped(parts: Parts, flow: flows.Flow) -> None:
    """Return when all its deployments have ended and no worker is left; `Unavailable` when that takes too long."""
    try:
        async with asyncio.timeout(2 * parts.settings.stop_within + STOP_MARGIN):
            while not await _ended(parts, flow):  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(LOOK_AGAIN)
            await parts.reconciler.idle(flow.id)
    except TimeoutError:
        raise Unavailable(
            "still-stopping",
            f"the flow `{flow.name}` is still stopping",
            next_step=f"`headrace flow show {flow.name}` tells when it has stopped.",
        ) from None


async def _ended(parts: Parts, flow: flows.Flow) -> bool:
    async with parts.db.read() as conn:
        return await deployments.current(conn, flow.id) is None


async def _shown(parts: Parts, name: str) -> FlowView:
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        errors = await failures.count_open(conn, [flow.id])
        return (await flow_views(parts, conn, [flow], errors))[0]
