"""Samples: an example of what each step of a flow gives, kept beside its draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import samples

__all__ = ["Sample", "Source", "get", "of_flow", "put", "remove"]

Source = Literal["fetched", "written", "generated", "execution"]


@dataclass(frozen=True, slots=True)
class Sample:
    """``content`` is ``{body, headers}``. ``made_with`` are the step and those before it as they were written then.

    ``execution`` is the one it was taken from.
    """

    flow_id: str
    step: str
    content: dict[str, Any]
    source: Source
    execution: str | None
    made_with: list[dict[str, Any]]
    author: str
    made_at: int


_select = select(*columns(samples, Sample))


async def put(
    conn: AsyncConnection,
    flow_id: str,
    step: str,
    content: Mapping[str, Any],
    *,
    source: Source,
    made_with: list[dict[str, Any]],
    execution: str | None = None,
    author: str = "",
) -> Sample:
    """Make this the step's sample, whatever was there."""
    await remove(conn, flow_id, step)
    made = Sample(flow_id, step, dict(content), source, execution, made_with, author, now_ms())
    await conn.execute(
        insert(samples).values(
            flow_id=flow_id,
            step=step,
            content=made.content,
            source=source,
            execution=execution,
            made_with=made_with,
            author=author,
            made_at=made.made_at,
        )
    )
    return made


async def get(conn: AsyncConnection, flow_id: str, step: str) -> Sample:
    """The step's sample, or `NotFound` (``sample-not-found``)."""
    row = (await conn.execute(_select.where(samples.c.flow_id == flow_id, samples.c.step == step))).one_or_none()
    if row is None:
        raise NotFound("sample-not-found", f"step `{step}` has no sample", next_step="write one, or fetch it")
    return Sample(*row)


async def of_flow(conn: AsyncConnection, flow_id: str) -> dict[str, Sample]:
    """All samples of a flow, by step; also of steps that its draft no longer has."""
    found = _select.where(samples.c.flow_id == flow_id).order_by(samples.c.step)
    return {row.step: Sample(*row) for row in await conn.execute(found)}


async def remove(conn: AsyncConnection, flow_id: str, step: str) -> None:
    """Delete it; nothing happens when there is none."""
    await conn.execute(delete(samples).where(samples.c.flow_id == flow_id, samples.c.step == step))
