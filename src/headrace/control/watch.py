"""Whether a new deployment does worse than the one before it. Pure: two healths in, a reason out.

Compared within the watch window after a switch: the share of messages that failed, how often hosts and the worker had
to be started again, and whether the leak guard stopped the trigger. A few accidents are forgiven, since the old one's
figures are of calmer, longer times.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.bus.control import WorkerState

__all__ = ["Health", "fault", "health"]

FEWEST_FAILURES = 3
"""Failures below which no share is judged."""
WORSE_BY = 0.05
"""Share of failed messages beyond twice the old one's."""
FORGIVEN_RESTARTS = 2


@dataclass(frozen=True, slots=True)
class Health:
    """What a worker has been through since it started. ``minutes`` is how long that is."""

    minutes: float
    received: int = 0
    failed: int = 0
    restarts: int = 0
    stopped: str = ""
    """Why the leak guard stopped the trigger; empty: it did not."""

    @property
    def share(self) -> float:
        """Part of its messages that failed."""
        return self.failed / self.received if self.received else float(self.failed > 0)


def health(state: WorkerState, deaths: int = 0) -> Health:
    """The health a heartbeat tells; ``deaths`` are those of the worker itself."""
    return Health(
        minutes=max(state.at / 1000 - state.created, 0.0) / 60,
        received=sum(step.received for step in state.steps),
        failed=sum(step.failed for step in state.steps),
        restarts=sum(step.restarts for step in state.steps) + deaths,
        stopped=next((step.leak.found for step in state.steps if step.leak is not None and step.leak.stopped), ""),
    )


def fault(new: Health, old: Health | None) -> str:
    """Why ``new`` should give the flow back to the deployment before it; empty when it need not."""
    before = old or Health(minutes=0.0)
    if new.stopped and not before.stopped:
        return f"its trigger was {new.stopped}"
    usual = before.restarts / before.minutes * new.minutes if before.minutes >= 1 else float(before.restarts)
    if new.restarts > usual + FORGIVEN_RESTARTS:
        return f"its hosts had to be started again {new.restarts} times ({before.restarts} times before)"
    allowed = 2 * before.share + WORSE_BY if before.received else WORSE_BY
    if new.failed >= FEWEST_FAILURES and new.share > allowed:
        return f"{new.failed} of {new.received} messages failed ({before.failed} of {before.received} before)"
    return ""
