"""Deployments: attempts to run one version of a flow.

warming ──▶ ready ──▶ live ──▶ draining ──▶ standby ──▶ stopped
   └──────────┴─────────┴──────────┴───────────┴──▶ stopped or failed (with a reason)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from sqlalchemy import case, exists, insert, select
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.clock import now_ms
from headrace.store.flows import WORKSPACE
from headrace.store.rows import columns
from headrace.store.tables import deployments, flows

__all__ = [
    "ENDED",
    "Cause",
    "Deployment",
    "Handover",
    "State",
    "Strategy",
    "active",
    "active_of",
    "create",
    "current",
    "get",
    "hold",
    "list_",
    "record",
    "silence",
    "update",
]

State = Literal["warming", "ready", "live", "draining", "standby", "stopped", "failed"]
ENDED = ("stopped", "failed")
Strategy = Literal["handover", "restart"]
"""How it takes the place of the live one: see `headrace.control.view.Strategy`."""
Cause = Literal["", "publish", "start", "rollback", "on-push", "rollout", "test"]
"""Who wanted it: a person by one of three verbs, a policy, a rollout, or a test of a draft.
Empty: an older server did not note it."""


class Handover(TypedDict, total=False):
    """What was measured while a deployment took its place; control writes keys as it learns them (`record`)."""

    strategy: Strategy
    from_epoch: int
    switched_at: int
    gap_ms: float
    """The longest time in which no deployment could accept an event."""
    longest_delay_ms: float
    """The longest time an event waited because of the switch."""
    hooks_ms: float
    """Time of ``shutdown`` and ``startup``, where they ran; not part of the gap."""
    drained: int
    """Messages that the old steps finished."""
    taken_over: int
    parked: int
    repeats_removed: int
    order: Literal["kept", "given up"]
    handed_back: str | None
    """Why the old deployment got its place back."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """``resolved`` maps step to {component, revision, commit}; ``steps`` holds timings, host and reason per step;
    ``worker`` is {pid, created, runtime} of its process, None when it has none. ``note`` and ``author`` are of the wish
    for it, not of the version. ``log``, of a failed one, are the last lines of the step that failed. ``cancelled_by``
    says who cancelled it on its way; what has become live is not cancelled any more."""

    flow_id: str
    epoch: int
    version: int
    resolved: dict[str, dict[str, Any]]
    state: State
    reason: str
    created_at: int
    ready_at: int | None
    live_at: int | None
    ended_at: int | None
    ready_ms: int | None
    steps: dict[str, Any]
    worker: dict[str, Any] | None
    restarts: int
    strategy: Strategy = "handover"
    cause: Cause = ""
    author: str = ""
    note: str = ""
    log: list[str] | None = None
    handover: Handover | None = None
    cancelled_by: str | None = None


_select = select(*columns(deployments, Deployment))
_active = deployments.c.state.not_in(ENDED)


async def create(
    conn: AsyncConnection,
    flow_id: str,
    epoch: int,
    version: int,
    resolved: Mapping[str, Mapping[str, Any]],
    *,
    strategy: Strategy = "handover",
    cause: Cause = "",
    author: str = "",
    note: str = "",
) -> Deployment:
    """Note a new deployment, ``warming``. The epoch comes from `headrace.store.flows.next_epoch`."""
    await conn.execute(
        insert(deployments).values(
            flow_id=flow_id,
            epoch=epoch,
            version=version,
            resolved={step: dict(which) for step, which in resolved.items()},
            state="warming",
            reason="",
            created_at=now_ms(),
            steps={},
            restarts=0,
            strategy=strategy,
            cause=cause,
            author=author,
            note=note,
        )
    )
    return await get(conn, flow_id, epoch)


async def get(conn: AsyncConnection, flow_id: str, epoch: int) -> Deployment:
    """That deployment, or `NotFound` (``deployment-not-found``)."""
    found = _select.where(deployments.c.flow_id == flow_id, deployments.c.epoch == epoch)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        raise NotFound("deployment-not-found", f"the flow has no deployment {epoch}")
    return Deployment(*row)


async def list_(conn: AsyncConnection, flow_id: str) -> list[Deployment]:
    """All of a flow's deployments, newest first."""
    found = _select.where(deployments.c.flow_id == flow_id).order_by(deployments.c.epoch.desc())
    return [Deployment(*row) for row in await conn.execute(found)]


async def current(conn: AsyncConnection, flow_id: str) -> Deployment | None:
    """The live deployment; without one the one just giving way, else the newest not ended; None when all have."""
    first = case((deployments.c.state == "live", 0), (deployments.c.state == "draining", 1), else_=2)
    found = _select.where(deployments.c.flow_id == flow_id, _active)
    row = (await conn.execute(found.order_by(first, deployments.c.epoch.desc()).limit(1))).one_or_none()
    return None if row is None else Deployment(*row)


async def active(conn: AsyncConnection) -> list[Deployment]:
    """All deployments of all flows that have not ended; those that try drafts are left out."""
    listed = exists().where(flows.c.id == deployments.c.flow_id, flows.c.workspace == WORKSPACE)
    found = _select.where(_active, listed).order_by(deployments.c.flow_id, deployments.c.epoch)
    return [Deployment(*row) for row in await conn.execute(found)]


async def active_of(conn: AsyncConnection, flow_id: str) -> list[Deployment]:
    """All deployments of one flow that have not ended, oldest first."""
    found = _select.where(deployments.c.flow_id == flow_id, _active).order_by(deployments.c.epoch)
    return [Deployment(*row) for row in await conn.execute(found)]


async def update(conn: AsyncConnection, flow_id: str, epoch: int, **changes: Any) -> Deployment:
    """Change fields of a deployment and return it. The first change to a state notes its time
    (``ready_at``, ``live_at``, ``ended_at``) unless that is among the changes."""
    before = await get(conn, flow_id, epoch)
    stamp = _STAMPS.get(changes.get("state", ""))
    if stamp is not None and getattr(before, stamp) is None:
        changes.setdefault(stamp, now_ms())
    where = (deployments.c.flow_id == flow_id, deployments.c.epoch == epoch)
    await conn.execute(sql_update(deployments).where(*where).values(**changes))
    return await get(conn, flow_id, epoch)


async def record(conn: AsyncConnection, flow_id: str, epoch: int, measured: Handover) -> Deployment:
    """Add to what is known of its handover; keys that are known already get their new value."""
    before = await get(conn, flow_id, epoch)
    return await update(conn, flow_id, epoch, handover={**(before.handover or {}), **measured})


async def silence(conn: AsyncConnection, flow_id: str, epoch: int, *, successor: int) -> Deployment | None:
    """Begin the switch to ``successor``: mark this one ``draining``.

    None, and nothing is changed, when ``successor`` is no longer the newest that has not ended, or was cancelled: a
    person wished for another meanwhile, and the live deployment must not fall silent before that one is ready. Whoever
    makes a deployment holds the flow (`hold`) while looking for a switch under way, as this does: one of the two sees
    the other.
    """
    await hold(conn, flow_id)
    newest = await active_of(conn, flow_id)
    if not newest or newest[-1].epoch != successor or newest[-1].cancelled_by is not None:
        return None
    return await update(conn, flow_id, epoch, state="draining")


async def hold(conn: AsyncConnection, flow_id: str) -> None:
    """Until the end of the transaction nobody else holds this flow. On SQLite nobody else writes anyway."""
    await conn.execute(select(flows.c.id).where(flows.c.id == flow_id).with_for_update())


_STAMPS = {"ready": "ready_at", "live": "live_at", "stopped": "ended_at", "failed": "ended_at"}
