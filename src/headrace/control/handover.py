"""What is measured of a switch and kept with the new deployment. Pure: heartbeats in, facts out.

old trigger silent ──── gap ────▶ new trigger on ──▶ the old steps have drained ──▶ nothing waits any more
                                  └ `switched`                                      └ `settled`
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.bus.control import WorkerState
from headrace.store.deployments import Handover

__all__ = ["Silenced", "is_measured", "settled", "switched", "taken_over"]


@dataclass(frozen=True, slots=True)
class Silenced:
    """A deployment whose trigger fell silent at ``at`` (microseconds since the epoch), wished or not."""

    epoch: int
    at: int


def is_measured(known: Handover | None) -> bool:
    """Whether nothing is left to be measured: all is known, or it took nobody's place."""
    return known is None or "from_epoch" not in known or "longest_delay_ms" in known


def switched(before: Silenced | None, old: WorkerState | None, new: WorkerState, *, always_open: bool) -> Handover:
    """Facts of the switch itself: ``from_epoch``, ``switched_at`` (ms since the epoch), ``gap_ms``, ``hooks_ms``.

    The gap is the time in which neither deployment's trigger could take an event, without that of the hooks, which is
    the component's own. With ``always_open`` (webhooks, by handover) one of the two inboxes always took it, so it is 0.
    ``old`` is the last word of the worker ``before``. Nothing when there was no deployment before.
    """
    if before is None:
        return {}
    hooks = (new.hooks_us + (old.hooks_us if old is not None else 0)) / 1000
    passed = max(new.trigger_on - before.at, 0) / 1000
    return {
        "from_epoch": before.epoch,
        "switched_at": new.trigger_on // 1000,
        "gap_ms": 0.0 if always_open else max(passed - hooks, 0.0),
        "hooks_ms": hooks,
    }


def settled(known: Handover, old: WorkerState | None, new: WorkerState) -> Handover:
    """Facts once nothing waits because of the switch any more; ``known`` are those so far.

    ``longest_delay_ms``: an event that comes when the gap begins waits at its source for its end, and for the hooks;
    one that was accepted waits in the journal for its step. ``drained`` is unknown when nobody heard the old one out.
    """
    states = [state for state in (old, new) if state is not None]
    waited = max(state.longest_wait for state in states) / 1000
    facts: Handover = {
        "longest_delay_ms": max(waited, _closed(known)),
        "repeats_removed": sum(state.repeats for state in states),
        "order": known.get("order") or ("kept" if new.order_kept else "given up"),
        "taken_over": known.get("taken_over") or 0,
        "parked": known.get("parked") or 0,
    }
    return facts if old is None else {**facts, "drained": old.drained}


def taken_over(known: Handover | None, moved: int, parked: int, *, running: bool) -> Handover:
    """Facts of a take-over, added to what is known; nothing when there was nothing to take over.

    What is moved while the new deployment is ``running`` already comes behind newer messages.
    """
    if not moved and not parked:
        return {}
    before: Handover = known or {}
    facts: Handover = {
        "taken_over": (before.get("taken_over") or 0) + moved,
        "parked": (before.get("parked") or 0) + parked,
    }
    if moved and running:
        facts["order"] = "given up"
    return facts


def _closed(known: Handover) -> float:
    """Milliseconds for which an event waits at its source."""
    gap = known.get("gap_ms") or 0.0
    return gap + (known.get("hooks_ms") or 0.0) if gap else 0.0
