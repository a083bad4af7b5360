"""Which version a flow is to run, and whether now is the time to wish for another deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import NotFound, Refused
from headrace.store.deployments import ENDED, Deployment
from headrace.store.flows import FlowVersion

__all__ = ["Resolution", "challenged", "moved", "switching", "to_cancel", "to_roll_back_to", "to_start"]

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
    active = [row for row in rows if row.state not in ENDED and row.cancelled_by is None]
    return bool(active) and max(active, key=lambda row: row.epoch).state in ("warming", "ready")


def moved(last: Deployment, version: int, resolved: Resolution) -> bool:
    """Whether a deployment made now would be another one than ``last``."""
    return last.version != version or last.resolved != resolved


def to_start(newest: FlowVersion, rows: Sequence[Deployment]) -> int:
    """The version that a start runs: the newest, unless that was tried and the flow went on with another one.

    That is so after a rollback, after a new version failed or was cancelled beside the live one, and after it was
    handed back.
    ``rows`` are all deployments of the flow, in any order.
    """
    tried = [row.created_at for row in rows if row.version == newest.number]
    good = [row for row in rows if row.state != "failed" and row.cancelled_by is None]
    if not tried or not good:
        return newest.number
    last = max(good, key=lambda row: row.epoch)
    went_on = last.ended_at is None or last.ended_at > min(tried)
    return last.version if went_on else newest.number


def to_cancel(name: str, rows: Sequence[Deployment], epoch: int | None) -> Deployment:
    """The deployment of flow ``name`` that can be cancelled: ``epoch``, or the one on its way. ``rows``: newest first.

    Once the one before it has fallen silent, or was stopped for it, going on is the quicker way to a flow that runs.
    Raises `Refused` (``switched``, ``nothing-to-cancel``) and `NotFound` (``deployment-not-found``).
    """
    row = next((each for each in rows if each.epoch == epoch or epoch is None), None)
    if row is None:
        if epoch is not None:
            raise NotFound("deployment-not-found", f"the flow has no deployment {epoch}")
        raise Refused("nothing-to-cancel", f"flow `{name}` was never started")
    if row.state in ENDED:
        told = f"deployment {row.epoch} of flow `{name}` has {'failed' if row.state == 'failed' else 'ended'} already"
        raise Refused("nothing-to-cancel", told, next_step=f"headrace flow deployment {name} {row.epoch}")
    before = next((each for each in rows if each.epoch < row.epoch), None)
    stopped_for_it = before is not None and before.ended_at is not None and before.ended_at >= row.created_at
    if row.state not in ("warming", "ready") or switching(rows) or (row.strategy == "restart" and stopped_for_it):
        told = f"deployment {row.epoch} of flow `{name}` {'is live' if row.state == 'live' else 'takes over already'}"
        raise Refused("switched", told, next_step=f"headrace flow rollback {name}, once it is live")
    return row


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
