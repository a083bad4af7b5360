"""Which version a flow is to run, and whether now is the time to wish for another deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import Refused
from headrace.store.deployments import ENDED, Deployment
from headrace.store.flows import FlowVersion

__all__ = ["Resolution", "challenged", "moved", "switching", "to_roll_back_to", "to_start"]

Resolution = Mapping[str, Mapping[str, Any]]
"""Step → ``{component, revision, commit}``, and the edition of its ``variables`` where the component ever had any."""


def switching(rows: Sequence[Deployment]) -> bool:
    """Whether a running flow is between two deployments: one has fallen silent, and none is live yet.

    Then nobody may wish for a third: it would become the target, the one that is about to begin would be ended, and
    the flow would be silent for a whole warm-up. Before that moment a new wish supersedes the one that warms up;
    after it the new wish is an ordinary handover.
    """
    states = {row.state for row in rows}
    return "live" not in states and not states.isdisjoint({"draining", "standby"})


def challenged(rows: Sequence[Deployment]) -> bool:
    """Whether a deployment warms up that is to take the place of the one that runs, or to be the first."""
    active = [row for row in rows if row.state not in ENDED]
    return bool(active) and max(active, key=lambda row: row.epoch).state in ("warming", "ready")


def moved(last: Deployment, version: int, resolved: Resolution) -> bool:
    """Whether a deployment made now would be another one than ``last``."""
    return last.version != version or last.resolved != resolved


def to_start(newest: FlowVersion, rows: Sequence[Deployment]) -> int:
    """The version that a start runs: the newest, unless that was tried and the flow went on with another one.

    That is so after a rollback, after a new version failed beside the live one, and after it was handed back.
    ``rows`` are all deployments of the flow, in any order.
    """
    tried = [row.created_at for row in rows if row.version == newest.number]
    good = [row for row in rows if row.state != "failed"]
    if not tried or not good:
        return newest.number
    last = max(good, key=lambda row: row.epoch)
    went_on = last.ended_at is None or last.ended_at > min(tried)
    return last.version if went_on else newest.number


def to_roll_back_to(running: int | None, numbers: Sequence[int], wanted: int | None) -> int:
    """The number of the version to roll back to: ``wanted``, or the one before the ``running`` one.

    ``numbers`` are those that exist. Raises `Refused` (``no-older-version``).
    """
    if wanted is not None:
        return wanted
    older = [number for number in numbers if running is not None and number < running]
    if not older:
        told = "nothing has run yet" if running is None else f"there is no version before {running}"
        raise Refused("no-older-version", told, next_step="`headrace flow versions` lists those there are")
    return max(older)
