"""Deployments: attempts to run one version of a flow.

warming ──▶ ready ──▶ live ──▶ draining ──▶ standby ──▶ stopped
   └──────────┴─────────┴──────────┴───────────┴──▶ stopped or failed (with a reason)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import case, insert, select
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import deployments

__all__ = ["ENDED", "Deployment", "State", "active", "create", "current", "get", "list_", "update"]

State = Literal["warming", "ready", "live", "draining", "standby", "stopped", "failed"]
ENDED = ("stopped", "failed")


@dataclass(frozen=True, slots=True)
class Deployment:
    """``resolved`` maps step to {component, revision, commit}; ``steps`` holds timings, host and reason per step;
    ``worker`` is {pid, created, runtime} of its process, None when it has none."""

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


_select = select(*columns(deployments, Deployment))
_active = deployments.c.state.not_in(ENDED)


async def create(
    conn: AsyncConnection, flow_id: str, epoch: int, version: int, resolved: Mapping[str, Mapping[str, Any]]
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
    """The live deployment; without one the newest that has not ended; None when all have."""
    first = case((deployments.c.state == "live", 0), else_=1)
    found = _select.where(deployments.c.flow_id == flow_id, _active)
    row = (await conn.execute(found.order_by(first, deployments.c.epoch.desc()).limit(1))).one_or_none()
    return None if row is None else Deployment(*row)


async def active(conn: AsyncConnection) -> list[Deployment]:
    """All deployments of all flows that have not ended."""
    found = _select.where(_active).order_by(deployments.c.flow_id, deployments.c.epoch)
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


_STAMPS = {"ready": "ready_at", "live": "live_at", "stopped": "ended_at", "failed": "ended_at"}
