"""What a flow keeps and what it does not when it moves from one version to another, and what its source notices. Pure.

Snapshots go with a step's id as long as its component and function stay. What ``startup`` prepared at the source goes
with the trigger as long as its component, function, fields and credential stay; else ``shutdown`` and ``startup`` run
inside the switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.flows.catalog import Offer
from headrace.flows.deployment import StepSpec
from headrace.flows.document import Document, Step
from headrace.flows.grants import filled

__all__ = ["Hooks", "Interruption", "Reset", "carries_over", "hooks", "interruption", "resets"]

TriggerType = Literal["polling", "webhook", "listener"]
TYPICAL_GAP = 100.0
"""Milliseconds that a switch of a polling trigger or a listener is expected to take before one was measured."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A step whose snapshot does not carry over: the same id now stands for other code."""

    step: str
    before: str
    """``component/function``"""
    after: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """Which hooks of the trigger run in the switch, where its component has them; ``changed`` says because of what."""

    shutdown: bool
    startup: bool
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interruption:
    """How long no deployment accepts events, in milliseconds; `None`: cannot be told."""

    expected_ms: float | None
    text: str


def resets(before: Document, after: Document) -> tuple[Reset, ...]:
    """Steps whose snapshot is reset, in the order of ``after``."""
    old = {step.id: _code(step) for step in before.steps}
    return tuple(
        Reset(step.id, old[step.id], _code(step))
        for step in after.steps
        if old.get(step.id, _code(step)) != _code(step)
    )


def hooks(before: Step | None, before_offer: Offer | None, after: Step, after_offer: Offer | None) -> Hooks:
    """What moving from trigger ``before`` (`None`: the flow does not run) to ``after`` calls.

    Fields count with the defaults of their component version, which may differ between two of them.
    """
    if before is None:
        return Hooks(shutdown=False, startup=True)
    pairs = {
        "id": (before.id, after.id),
        "component": (before.component, after.component),
        "function": (before.function, after.function),
        "fields": (_fields(before, before_offer), _fields(after, after_offer)),
        "credential": (before.credential, after.credential),
    }
    changed = tuple(key for key, (old, new) in pairs.items() if old != new)
    return Hooks(shutdown=bool(changed), startup=bool(changed), changed=changed)


def carries_over(before: StepSpec, after: StepSpec) -> bool:
    """Whether what ``startup`` prepared for one deployment's trigger serves the next one's: `hooks`, of what runs."""
    return _source(before) == _source(after)


def _source(trigger: StepSpec) -> tuple[object, ...]:
    return trigger.id, trigger.code.component, trigger.function, trigger.fields, trigger.credential


def interruption(
    trigger: TriggerType | None,
    strategy: Literal["handover", "restart"],
    *,
    runs: bool,
    gaps: Sequence[float] = (),
    warm_ups: Sequence[float] = (),
) -> Interruption:
    """What the source of events will notice. ``gaps`` and ``warm_ups`` are what this flow had before, in ms."""
    if not runs:
        return Interruption(0.0, "the flow does not run, so nothing is interrupted")
    if strategy == "restart":
        warm_up = max(warm_ups, default=None)
        if trigger == "webhook":
            return Interruption(warm_up, "requests wait for the new deployment's warm-up, up to 10 s, then get 503")
        return Interruption(warm_up, "from the end of the old deployment through the warm-up of the new one")
    if trigger == "webhook":
        return Interruption(0.0, "none: each request goes to the old deployment or to the new one")
    expected = max(gaps, default=TYPICAL_GAP)
    if trigger == "polling":
        return Interruption(expected, "the next call of the trigger comes later by so much")
    return Interruption(
        expected, "from the old listener's close to the new one's connection; a source that resends waits"
    )


def _code(step: Step) -> str:
    return f"{step.component}/{step.function}"


def _fields(step: Step, offer: Offer | None) -> dict[str, object]:
    return dict(step.fields) if offer is None else filled(step, offer)
