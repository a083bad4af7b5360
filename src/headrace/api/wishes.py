"""Start, stop, suspend, resume: what is wished of a flow is written into the store; `headrace.control` makes it so."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import Field

from headrace.api.deployment_views import DeploymentView, deployment_view
from headrace.api.flow_views import FlowView, flow_views
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Request
from headrace.bus.queues import waiting
from headrace.control import desire, queues
from headrace.errors import Unavailable
from headrace.store import deployments, failures, flows

__all__ = ["router", "shown"]

STOP_MARGIN = 15.0
"""Seconds beyond the hosts' own deadlines for a flow to stop."""
LOOK_AGAIN = 0.05

router = APIRouter(prefix="/flows", tags=["flows"])


class Started(Answer):
    flow: FlowView
    deployment: DeploymentView | None


class Stop(Request):
    purge: bool = Field(default=False, description="Throw away what waits in its queues.")


class Stopped(Answer):
    flow: FlowView
    waiting: int = Field(description="Messages that are kept for the next start.")
    purged: int = Field(description="Messages that were thrown away.")


class Suspended(Answer):
    flow: FlowView
    waiting: int = Field(description="Messages that wait until it is resumed.")


@router.post("/{name}/start", operation_id="startFlow")
async def start_flow(parts: PartsOf, caller: Caller, name: FlowName) -> Started:
    """Run it on the newest components. What waits in its queues goes on.

    The version is the newest, unless the flow went on with another one: after a rollback, or when the newest failed.
    """
    deployment = await desire.start(parts.db, name, author=caller)
    parts.changed(deployment.flow_id, name)
    return Started(flow=await shown(parts, name), deployment=deployment_view(parts, name, deployment))


@router.post("/{name}/stop", operation_id="stopFlow")
async def stop_flow(parts: PartsOf, name: FlowName, how: Stop) -> Stopped:
    """Stop the flow; answers when it has stopped. What waits in its queues stays for the next start, unless purged.

    `still-stopping` (503) when it takes too long: it goes on stopping, nothing was purged.
    """
    flow = await desire.stop(parts.db, name)
    parts.changed(flow.id, name)
    await _rested(parts, flow, ended=True)
    purged = await queues.purge(parts.bus, flow.id) if how.purge else 0
    return Stopped(flow=await shown(parts, name), waiting=await waiting(parts.bus, flow.id), purged=purged)


@router.post("/{name}/suspend", operation_id="suspendFlow")
async def suspend_flow(parts: PartsOf, name: FlowName) -> Suspended:
    """Accept events and process none, until it is resumed; answers when nothing is processed any more.

    Webhooks are answered with 202. Triggers that poll or listen rest; their sources wait, as for a flow that is
    stopped. `still-stopping` (503) when it takes too long: it goes on suspending.
    """
    flow = await desire.suspend(parts.db, name)
    parts.changed(flow.id, name)
    await _rested(parts, flow, ended=False)
    return Suspended(flow=await shown(parts, name), waiting=await waiting(parts.bus, flow.id))


@router.post("/{name}/resume", operation_id="resumeFlow")
async def resume_flow(parts: PartsOf, name: FlowName) -> Started:
    """Go on where it was suspended: with the same deployment, on the component versions it had."""
    flow = await desire.resume(parts.db, name)
    parts.changed(flow.id, name)
    view = await shown(parts, name)
    return Started(flow=view, deployment=view.deployment)


async def shown(parts: Parts, name: str) -> FlowView:
    """The flow as it is now."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        errors = await failures.count_open(conn, [flow.id])
        return (await flow_views(parts, conn, [flow], errors))[0]


async def _rested(parts: Parts, flow: flows.Flow, *, ended: bool) -> None:
    """Return when no worker is left and, with ``ended``, no deployment; `Unavailable` when that takes too long."""
    try:
        async with asyncio.timeout(2 * parts.settings.stop_within + STOP_MARGIN):
            while ended and not await _ended(parts, flow):  # noqa: ASYNC110 - the store tells nobody
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
