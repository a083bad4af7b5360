"""Flows and deployments as the API shows them: what the store says, with what workers say of themselves."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.parts import Parts
from headrace.api.shapes import Answer, Moment
from headrace.bus.control import StepState
from headrace.control.catalog import described
from headrace.errors import Invalid, NotFound
from headrace.flows import document
from headrace.store import components, deployments, flows

__all__ = ["DeploymentView", "FlowView", "deployment_of", "deployment_view", "flow_views"]

Wish = Literal["stopped", "running", "suspended"]
State = Literal["warming", "ready", "live", "draining", "standby", "stopped", "failed"]


class StepView(Answer):
    """One step of a deployment: its host, and its counters since the worker started."""

    id: str
    host: str = Field(description="`starting`, `ready`, `backoff`, `stopping`, `stopped` or `failed`; `` when unknown.")
    pid: int | None
    restarts: int
    received: int
    emitted: int
    failed: int
    waiting: int = Field(description="Messages queued for it.")
    open: int = Field(description="Calls in progress.")
    memory: int = Field(description="Bytes of its host.")
    ready_ms: int | None = Field(description="Its warm-up.")
    warning: str
    reason: str


class ResolvedView(Answer):
    """The component version a step runs."""

    component: str
    revision: int
    commit: str


class DeploymentView(Answer):
    """One attempt to run one version of a flow."""

    flow: str
    epoch: int
    version: int
    state: State
    reason: str
    created_at: Moment
    ready_at: Moment | None
    live_at: Moment | None
    ended_at: Moment | None
    ready_ms: int | None = Field(description="Its warm-up.")
    restarts: int = Field(description="How often its worker was started again.")
    worker_pid: int | None
    components: dict[str, ResolvedView] = Field(description="What each step runs, by step.")
    steps: list[StepView]


class OutdatedView(Answer):
    """A step that runs an older component version than a new start would."""

    step: str
    component: str
    running: int
    latest: int


class FlowView(Answer):
    """A flow, and how it is."""

    id: str
    name: str
    type: str
    wish: Wish = Field(description="What a person wants.")
    state: State = Field(description="Of its current deployment; `stopped` without one.")
    reason: str
    version: int | None = Field(description="The newest published version.")
    epoch: int = Field(description="Number of its last deployment; 0: it was never started.")
    has_draft: bool
    draft_tag: int
    draft_at: Moment | None
    created_at: Moment
    webhook: str | None = Field(description="Where to send events to, when it starts with a webhook and runs.")
    errors_open: int
    deployment: DeploymentView | None = Field(description="The live one, else the newest.")
    outdated: list[OutdatedView]


def deployment_view(parts: Parts, flow: str, deployment: deployments.Deployment) -> DeploymentView:
    """A deployment, with the last word of its worker."""
    said = parts.heartbeats.of(deployment.flow_id, deployment.epoch)
    heard = {step.id: step for step in said.steps} if said is not None else {}
    known = deployment.steps
    return DeploymentView(
        flow=flow,
        epoch=deployment.epoch,
        version=deployment.version,
        state=deployment.state,
        reason=deployment.reason,
        created_at=deployment.created_at,
        ready_at=deployment.ready_at,
        live_at=deployment.live_at,
        ended_at=deployment.ended_at,
        ready_ms=deployment.ready_ms,
        restarts=deployment.restarts,
        worker_pid=(deployment.worker or {}).get("pid"),
        components={
            step: ResolvedView(component=each["component"], revision=each["revision"], commit=each["commit"])
            for step, each in deployment.resolved.items()
        },
        steps=[
            _step(step, heard.get(step), known.get(step) or {})
            for step in dict.fromkeys([*deployment.resolved, *known, *heard])
        ],
    )


def _step(step: str, heard: StepState | None, known: dict[str, Any]) -> StepView:
    """What the worker says, else what was written down of the step."""
    last = heard or StepState(
        id=step, host="stopped", ready_ms=known.get("ready_ms") or 0, reason=str(known.get("reason") or "")
    )
    return StepView(
        id=step,
        host=heard.host if heard is not None else str(known.get("host") or ""),
        pid=last.pid or None,
        restarts=last.restarts,
        received=last.received,
        emitted=last.emitted,
        failed=last.failed,
        waiting=last.waiting,
        open=last.open,
        memory=last.memory,
        ready_ms=last.ready_ms or None,
        warning=last.warning,
        reason=last.reason,
    )


async def flow_views(
    parts: Parts, conn: AsyncConnection, found: list[flows.Flow], errors: dict[str, int]
) -> list[FlowView]:
    """Flows as they are now; ``errors`` are open errors by flow id."""
    latest = {each.name: each.latest for each in await components.list_(conn)}
    return [await _flow(parts, conn, flow, latest, errors.get(flow.id, 0)) for flow in found]


async def _flow(
    parts: Parts, conn: AsyncConnection, flow: flows.Flow, latest: dict[str, int | None], errors: int
) -> FlowView:
    current = await deployment_of(conn, flow)
    return FlowView(
        id=flow.id,
        name=flow.name,
        type=flow.type,
        wish=flow.wish,
        state=current.state if current is not None else "stopped",
        reason=current.reason if current is not None else "",
        version=flow.version,
        epoch=flow.epoch,
        has_draft=flow.draft is not None,
        draft_tag=flow.draft_tag,
        draft_at=flow.draft_at,
        created_at=flow.created_at,
        webhook=f"/hooks/{flow.name}" if await _has_webhook(conn, flow, current) else None,
        errors_open=errors,
        deployment=deployment_view(parts, flow.name, current) if current is not None else None,
        outdated=_outdated(current, latest),
    )


async def deployment_of(conn: AsyncConnection, flow: flows.Flow) -> deployments.Deployment | None:
    """The live deployment, else the newest one; `None` when the flow was never started."""
    current = await deployments.current(conn, flow.id)
    if current is None and flow.epoch:
        current = await deployments.get(conn, flow.id, flow.epoch)
    return current


def _outdated(current: deployments.Deployment | None, latest: dict[str, int | None]) -> list[OutdatedView]:
    if current is None or current.state in deployments.ENDED:
        return []
    return [
        OutdatedView(step=step, component=each["component"], running=each["revision"], latest=newest)
        for step, each in current.resolved.items()
        if (newest := latest.get(each["component"])) is not None and newest != each["revision"]
    ]


async def _has_webhook(conn: AsyncConnection, flow: flows.Flow, current: deployments.Deployment | None) -> bool:
    """Whether it runs a trigger of type `webhook`."""
    if current is None or flow.wish == "stopped":
        return False
    try:
        version = await flows.get_version(conn, flow.id, current.version)
        trigger = document.parse(version.document).trigger
        if trigger is None or trigger.id not in current.resolved:
            return False
        code = current.resolved[trigger.id]
        component = await components.get_version(conn, code["component"], code["revision"])
    except (Invalid, NotFound):
        return False
    offer = described(component).offer("trigger", trigger.function)
    return offer is not None and offer.trigger_type == "webhook"
