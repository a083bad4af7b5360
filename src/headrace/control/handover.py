"""What is measured of a switch and kept with the new deployment. Pure: heartbeats in, facts out.

trigger off ──── gap ────▶ trigger on ──────────────▶ the old steps have drained
"""

from __future__ import annotations

from headrace.bus.control import WorkerState
from headrace.store.deployments import Handover

__all__ = ["drained", "switched"]


def switched(old: WorkerState | None, new: WorkerState | None, *, requests: bool) -> Handover:
    """Facts of the switch itself: ``from_epoch``, ``switched_at`` (ms since the epoch), ``gap_ms``.

    The gap is the time in which neither deployment's trigger could take an event; with ``requests`` (webhooks) one of
    the two inboxes always did, so it is 0. Nothing when there was no deployment before.
    """
    if old is None or new is None:
        return {}
    gap = 0.0 if requests else max(new.trigger_on - old.trigger_off, 0) / 1000
    return {"from_epoch": old.epoch, "switched_at": new.at, "gap_ms": gap}


def drained(old: WorkerState, new: WorkerState | None) -> Handover:
    """Facts once the old deployment has drained: ``drained`` messages, ``longest_delay_ms``, repeats, order."""
    states = [state for state in (old, new) if state is not None]
    return {
        "drained": old.drained,
        "longest_delay_ms": max(state.longest_wait for state in states) / 1000,
        "repeats_removed": sum(state.repeats for state in states),
        "order": "kept" if all(state.order_kept for state in states) else "given up",
    }
