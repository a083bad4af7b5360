"""Deployments as the API shows them: what the store says, with what their workers say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from headrace.api.figures import Pace
from headrace.api.parts import Parts
from headrace.api.shapes import Answer, Moment
from headrace.bus.control import Leak, StepState
from headrace.store.deployments import Deployment
from headrace.store.deployments import Handover as Measured

__all__ = ["DeploymentView", "HandoverView", "State", "Strategy", "deployment_fields", "deployment_view"]

State = Literal["warming", "ready", "live", "draining", "standby", "stopped", "failed"]
Strategy = Literal["handover", "restart"]
COPIED = """\
epoch version state strategy cause author note created_at ready_at live_at ended_at ready_ms restarts cancelled_by"""


class LeakView(Answer):
    """What a trigger opens more of at every call, and what to do."""

    kind: str = Field(description="`sockets`, `servers`, `timers`, …; `events`: one event from ever more listeners.")
    growth: float = Field(description="How many more per call.")
    cure: str
    stopped: bool = Field(description="Whether the trigger was stopped for it.")


class StepView(Answer):
    """One step of a deployment: its host, and its counters since the worker started."""

    id: str
    host: str = Field(description="`starting`, `ready`, `backoff`, `stopping`, `stopped` or `failed`; `` when unknown.")
    pid: int | None
    restarts: int = Field(description="How often its host was started again in this deployment, alone or with all.")
    received: int
    emitted: int
    failed: int
    received_s: float | None = Field(description="Messages a second, of late; null when nothing is known yet.")
    emitted_s: float | None
    failed_s: float | None
    p50_us: int | None = Field(
        description="Microseconds that half of the messages of the last minute took at most, in mapping and code."
    )
    p99_us: int | None = Field(description="The same for 99 of 100.")
    waiting: int = Field(description="Messages queued for it.")
    oldest_at: Moment | None = Field(description="When the oldest message it has still to process was stored.")
    open: int = Field(description="Calls in progress.")
    memory: int = Field(description="Bytes of its host.")
    ready_ms: int | None = Field(description="Its warm-up.")
    warning: str
    leak: LeakView | None = None
    reason: str


class ResolvedView(Answer):
    """The component version a step runs."""

    component: str
    revision: int
    commit: str


class HandoverView(Answer):
    """What was measured while it took its place; null is what is not known, or not known yet."""

    from_epoch: int | None = Field(default=None, description="The deployment whose place it took.")
    switched_at: Moment | None = None
    gap_ms: float | None = Field(default=None, description="Longest time in which no event could be accepted.")
    longest_delay_ms: float | None = Field(default=None, description="Longest time an event waited for the switch.")
    hooks_ms: float | None = Field(default=None, description="Time of `shutdown` and `startup`, not in the gap.")
    drained: int | None = Field(default=None, description="Messages that the old steps finished.")
    taken_over: int | None = Field(default=None, description="Messages that moved to steps of the same id.")
    parked: int | None = Field(default=None, description="Messages without a step to move to: errors to run again.")
    repeats_removed: int | None = Field(default=None, description="Emissions that the journal had already.")
    order: Literal["kept", "given up"] | None = Field(
        default=None, description="`given up`: a step did not wait any longer for the old one to drain."
    )
    handed_back: str | None = Field(default=None, description="Why the old deployment got its place back.")


class DeploymentView(Answer):
    """One attempt to run one version of a flow."""

    flow: str
    epoch: int
    version: int
    state: State
    reason: str
    strategy: str = Field(description="How it takes the place of the live one: `handover` or `restart`.")
    cause: str = Field(description="`publish`, `start`, `rollback`, `on-push` or `rollout`; `` when unknown.")
    author: str = Field(description="Who wanted it.")
    note: str
    created_at: Moment
    ready_at: Moment | None
    live_at: Moment | None
    ended_at: Moment | None
    cancelled_by: str | None = Field(description="Who cancelled it before it took anybody's place.")
    ready_ms: int | None = Field(description="Its warm-up.")
    restarts: int = Field(description="How often its worker was started again.")
    worker_pid: int | None
    components: dict[str, ResolvedView] = Field(description="What each step runs, by step.")
    steps: list[StepView]
    heard_at: Moment | None = Field(description="When its worker last said how it is; null when it is silent.")
    handover: HandoverView | None = Field(description="Null when it took nobody's place.")


def deployment_view(parts: Parts, flow: str, deployment: Deployment) -> DeploymentView:
    """A deployment, with the last word of its worker."""
    return DeploymentView(**deployment_fields(parts, flow, deployment))


def deployment_fields(parts: Parts, flow: str, deployment: Deployment) -> dict[str, Any]:
    """What a `DeploymentView` is made of."""
    said = parts.heartbeats.of(deployment.flow_id, deployment.epoch)
    heard = {step.id: step for step in said.steps} if said is not None else {}
    known = deployment.steps
    return {
        **{name: getattr(deployment, name) for name in COPIED.split()},
        "reason": deployment.reason or _stopped(heard.values()),
        "flow": flow,
        "worker_pid": (deployment.worker or {}).get("pid"),
        "components": {
            step: ResolvedView(component=each["component"], revision=each["revision"], commit=each["commit"])
            for step, each in deployment.resolved.items()
        },
        "steps": [
            _step(parts, deployment, step, heard.get(step))
            for step in dict.fromkeys([*deployment.resolved, *known, *heard])
        ],
        "heard_at": said.at if said is not None else None,
        "handover": _handover(deployment.handover),
    }


def _handover(measured: Measured | None) -> HandoverView | None:
    if measured is None:
        return None
    return HandoverView.model_validate(
        {key: value for key, value in measured.items() if key in HandoverView.model_fields}
    )


def _step(parts: Parts, deployment: Deployment, step: str, heard: StepState | None) -> StepView:
    """What the worker says, else what was written down of the step."""
    known = deployment.steps.get(step) or {}
    figures, key = parts.heartbeats.figures, (deployment.flow_id, deployment.epoch, step)
    pace = figures.pace(*key) if heard is not None else Pace()
    last = heard or StepState(
        id=step, host="stopped", ready_ms=known.get("ready_ms") or 0, reason=str(known.get("reason") or "")
    )
    return StepView(
        id=step,
        host=heard.host if heard is not None else str(known.get("host") or ""),
        pid=last.pid or None,
        restarts=deployment.restarts + figures.restarts(*key) + last.restarts,
        received=last.received,
        emitted=last.emitted,
        failed=last.failed,
        received_s=pace.received,
        emitted_s=pace.emitted,
        failed_s=pace.failed,
        p50_us=pace.p50_us,
        p99_us=pace.p99_us,
        waiting=last.waiting,
        oldest_at=last.oldest or None,
        open=last.open,
        memory=last.memory,
        ready_ms=last.ready_ms or None,
        warning=last.warning,
        leak=None if last.leak is None else _leak(last.leak),
        reason=last.reason,
    )


def _stopped(steps: Iterable[StepState]) -> str:
    """Why a live flow has no trigger."""
    found = (f"step `{step.id}`: {step.leak.found}" for step in steps if step.leak is not None and step.leak.stopped)
    return next(found, "")


def _leak(leak: Leak) -> LeakView:
    return LeakView(kind=leak.kind, growth=leak.growth, cure=leak.cure, stopped=leak.stopped)
