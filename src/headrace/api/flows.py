"""Flows: look at them, publish, start, stop, remove.

These write what is wished into the store; `headrace.control` makes it so.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from headrace.api.flow_views import DeploymentView, FlowView, deployment_view, flow_views
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Page, PagingOf, Request, Text, paged
from headrace.api.versions import VersionView
from headrace.store import deployments, failures, flows

__all__ = ["router"]

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


async def _shown(parts: Parts, name: str) -> FlowView:
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        errors = await failures.count_open(conn, [flow.id])
        return (await flow_views(parts, conn, [flow], errors))[0]
