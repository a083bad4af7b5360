"""What became of a deployment that somebody wished for."""

from __future__ import annotations

import asyncio

from headrace.errors import NotFound, Unavailable
from headrace.store import deployments
from headrace.store.database import Database
from headrace.store.deployments import ENDED, Deployment

__all__ = ["WITHIN", "outcome", "quiet"]

WITHIN = 180.0
"""Seconds. Control gives up on a deployment long before."""
LOOK_AGAIN = 0.05


async def outcome(db: Database, flow_id: str, epoch: int) -> Deployment:
    """Wait until it is live, or has ended without; returned as it then is.

    Raises `NotFound` when it was removed meanwhile, `Unavailable` (``not-live``) when that takes too long.
    """
    deadline = asyncio.get_running_loop().time() + WITHIN
    while True:
        async with db.read() as conn:
            row = await deployments.get(conn, flow_id, epoch)
        if row.live_at is not None or row.state in ENDED:
            return row
        if asyncio.get_running_loop().time() >= deadline:
            raise Unavailable("not-live", f"deployment {epoch} is not live after {WITHIN:.0f} seconds")
        await asyncio.sleep(LOOK_AGAIN)


async def quiet(db: Database, flow_id: str) -> None:
    """Wait until no deployment of the flow is on its way. Raises as `outcome`; returns for a flow that is not there."""
    while True:
        async with db.read() as conn:
            rows = await deployments.active_of(conn, flow_id)
        if not rows or rows[-1].state not in ("warming", "ready"):
            return
        try:
            await outcome(db, flow_id, rows[-1].epoch)
        except NotFound:
            return
