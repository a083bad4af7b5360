"""What control reads, over and over: every flow's wish with its deployments that have not ended, and no documents."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.store.deployments import ENDED, Deployment
from headrace.store.flows import Wish
from headrace.store.rows import columns
from headrace.store.tables import deployments, flows

__all__ = ["Wished", "read"]


@dataclass(frozen=True, slots=True)
class Wished:
    """A flow and its deployments that have not ended, oldest first."""

    flow_id: str
    name: str
    wish: Wish
    deployments: tuple[Deployment, ...]


async def read(conn: AsyncConnection) -> dict[str, Wished]:
    """All flows, by id."""
    active = select(*columns(deployments, Deployment)).where(deployments.c.state.not_in(ENDED))
    by_flow: dict[str, list[Deployment]] = {}
    for row in await conn.execute(active.order_by(deployments.c.flow_id, deployments.c.epoch)):
        found = Deployment(*row)
        by_flow.setdefault(found.flow_id, []).append(found)
    wished = await conn.execute(select(flows.c.id, flows.c.name, flows.c.wish))
    return {id_: Wished(id_, name, wish, tuple(by_flow.get(id_, ()))) for id_, name, wish in wished}
