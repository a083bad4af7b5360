"""One flow as control sees it: what is wished, what the store says, what was observed. Values only, like `plan`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ENDED",
    "DeploymentView",
    "FlowView",
    "Limits",
    "Phase",
    "State",
    "Strategy",
    "Wish",
    "WorkerView",
]

Wish = Literal["running", "stopped", "suspended"]
"""``suspended``: no worker runs, but deployments stay what they are; also what `down` does to every flow."""
State = Literal["warming", "ready", "live", "draining", "standby", "stopped", "failed"]
Phase = Literal["warming", "ready", "live", "draining", "drained", "failed", "stopped"]
Strategy = Literal["handover", "restart"]
"""How a deployment takes the place of the live one.

    handover   warm beside it, silence the old trigger, activate; the old steps finish what they have
    restart    stop the old worker, warm, take over its queue, activate
"""

ENDED = ("stopped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Deadlines and pauses, in seconds."""

    ready_within: float = 75.0
    """From the first start of a warm-up. Longer than a host's own deadline, whose reason says more."""
    silent_within: float = 30.0
    """A worker not heard of for so long, while the broker could be reached, hangs."""
    drain_within: float = 60.0
    """Afterwards what is left of an old deployment's queue is taken over."""
    watch_for: float = 0.0
    """How long a new deployment is watched after the switch; meanwhile the old one stands by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """A process that lives. Times are on the clock of `plan`'s ``now``."""

    phase: Phase | None
    """What it last said; `None`: nothing yet."""
    heard: float
    """When it last could have been heard: its last heartbeat, its start, or when the broker came back."""
    reason: str = ""
    """Why ``failed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment as the store and the world show it."""

    epoch: int
    state: State
    strategy: Strategy = "handover"
    worker: WorkerView | None = None
    pending: str = ""
    """The action under way on it."""
    prepared: bool = False
    """Its queues exist; messages may wait in them. Of one that has ended: they may exist."""
    cannot: str = ""
    """Why it cannot be prepared, now or later."""
    warming_since: float | None = None
    """When its worker was first started in this warm-up, or adopted; `None`: not yet."""
    died: float | None = None
    """When its worker last ended unasked, or could not be started."""
    deaths: int = 0
    """How often that happened in a row; a minute of health sets it back to 0."""
    changed: float = 0.0
    """When its state last changed."""
    fault: str = ""
    """Why it does worse than the deployment before it (`headrace.control.watch`); empty while it does not."""
    cancelled: str = ""
    """Who cancelled it on its way; empty: nobody, or it is live."""
    measured: bool = True
    """What its switch was like is known and written down, or there was none."""

    @property
    def ended(self) -> bool:
        """Stopped or failed: only a person makes it run again."""
        return self.state in ENDED

    @property
    def phase(self) -> Phase | None:
        """The phase of its worker; `None` without one, or without a word from it."""
        return self.worker.phase if self.worker else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowView:
    """All of a flow that matters: its wish and each deployment that has not ended, has a worker or has queues."""

    flow_id: str
    wish: Wish
    deployments: tuple[DeploymentView, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def target(self) -> DeploymentView | None:
        """The newest deployment that has not ended and was not cancelled."""
        active = [each for each in self.deployments if not each.ended and not each.cancelled]
        return max(active, key=lambda each: each.epoch, default=None)
