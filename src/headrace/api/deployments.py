"""Attempts to run a flow: all of them, and one with what it wrote before it failed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from headrace.api.deployment_views import DeploymentView, deployment_fields, deployment_view
from headrace.api.parts import PartsOf
from headrace.api.shapes import FlowName, Page, PagingOf, paged
from headrace.control.last_words import failing_step, last_words
from headrace.store import deployments, flows

__all__ = ["router"]

router = APIRouter(prefix="/flows", tags=["flows"])
Epoch = Annotated[int, Path(ge=1, le=2**31 - 1, description="The number of a deployment.")]


class DeploymentDetail(DeploymentView):
    """A deployment; of a failed one also what its step wrote at last."""

    failed_step: str | None = Field(description="The step it failed for, when one stands out.")
    log: list[str] = Field(description="The last lines of that step, or of all steps when it was none in particular.")


@router.get("/{name}/deployments", operation_id="listDeployments")
async def list_deployments(parts: PartsOf, name: FlowName, page: PagingOf) -> Page[DeploymentView]:
    """All attempts to run it, newest first."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        found = await deployments.list_(conn, flow.id)
    items, following = paged(found, lambda deployment: str(deployment.epoch), page)
    return Page(items=[deployment_view(parts, name, each) for each in items], next=following)


@router.get("/{name}/deployments/{epoch}", operation_id="getDeployment")
async def get_deployment(parts: PartsOf, name: FlowName, epoch: Epoch) -> DeploymentDetail:
    """One attempt to run it."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        row = await deployments.get(conn, flow.id, epoch)
    step = failing_step(row.steps) if row.state == "failed" else None
    log = row.log
    if log is None and row.state == "failed":
        log = await last_words(parts.bus, flow.id, epoch, step)
    return DeploymentDetail(**deployment_fields(parts, name, row), failed_step=step, log=log or [])
