"""Tests of drafts: what was asked, how far it is, what came out.

starting ──▶ waiting ──▶ running ──▶ done     every step that was asked for worked
   │            │           └───▶ failed   one did not, or the test could not be carried out: with the reason
   └────────────┴───▶ failed, cancelled

``waiting`` is of a fetch only: for the trigger's event. The newest `KEPT` tests of a flow are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store import deployments
from headrace.store.clock import now_ms
from headrace.store.flows import TESTS, WORKSPACE
from headrace.store.rows import columns
from headrace.store.tables import execution_messages, executions, failures, flows, tests

__all__ = [
    "ENDED",
    "KEPT",
    "Form",
    "State",
    "Test",
    "create",
    "forget",
    "get",
    "keys",
    "list_",
    "names",
    "open_",
    "update",
]

KEPT = 20
ENDED = ("done", "failed", "cancelled")
Form = Literal["step", "up-to", "whole"]
State = Literal["starting", "waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Test:
    """``entry`` is the JSON of a `headrace.control.entry.Entry`, ``result`` that of `headrace.control.result`.

    ``key`` is the flow id of its test deployment, empty before there is one. ``fetches``: the first output becomes the
    step's sample.
    """

    __test__ = False  # not one of pytest's

    flow_id: str
    number: int
    form: Form
    step: str | None
    fetches: bool
    document: str
    entry: dict[str, Any]
    author: str
    state: State
    reason: str
    message: str
    key: str
    created_at: int
    ready_at: int | None
    ended_at: int | None
    execution: str | None
    result: dict[str, Any] | None


_select = select(*columns(tests, Test))


async def create(
    conn: AsyncConnection,
    flow_id: str,
    *,
    form: Form,
    step: str | None,
    fetches: bool,
    document: str,
    entry: Mapping[str, Any],
    author: str,
) -> Test:
    """Note what is to be tried, and forget the oldest tests of the flow."""
    await deployments.hold(conn, flow_id)
    newest = (await conn.execute(select(func.max(tests.c.number)).where(tests.c.flow_id == flow_id))).scalar_one()
    number = (newest or 0) + 1
    await conn.execute(
        insert(tests).values(
            flow_id=flow_id,
            number=number,
            form=form,
            step=step,
            fetches=fetches,
            document=document,
            entry=dict(entry),
            author=author,
            state="starting",
            reason="",
            message="",
            key="",
            created_at=now_ms(),
        )
    )
    old = (tests.c.flow_id == flow_id, tests.c.number <= number - KEPT, tests.c.ended_at.is_not(None))
    await conn.execute(delete(tests).where(*old))
    return await get(conn, flow_id, number)


async def get(conn: AsyncConnection, flow_id: str, number: int) -> Test:
    """That test, or `NotFound` (``test-not-found``)."""
    found = _select.where(tests.c.flow_id == flow_id, tests.c.number == number)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        raise NotFound("test-not-found", f"the flow has no test {number}, or it is too old", next_step="run it again")
    return Test(*row)


async def list_(conn: AsyncConnection, flow_id: str) -> list[Test]:
    """All that are kept of a flow, newest first."""
    found = _select.where(tests.c.flow_id == flow_id).order_by(tests.c.number.desc())
    return [Test(*row) for row in await conn.execute(found)]


async def open_(conn: AsyncConnection) -> list[Test]:
    """Tests of all flows that have not ended, oldest first."""
    found = _select.where(tests.c.ended_at.is_(None)).order_by(tests.c.created_at, tests.c.number)
    return [Test(*row) for row in await conn.execute(found)]


async def update(conn: AsyncConnection, flow_id: str, number: int, **changes: Any) -> Test:
    """Change a test that has not ended, and return it; one that has stays as it is. The end notes its time."""
    if changes.get("state") in ENDED:
        changes["ended_at"] = now_ms()
    where = (tests.c.flow_id == flow_id, tests.c.number == number, tests.c.ended_at.is_(None))
    await conn.execute(sql_update(tests).where(*where).values(**changes))
    return await get(conn, flow_id, number)


async def names(conn: AsyncConnection) -> dict[str, str]:
    """Names of the flows that people made, by id."""
    return {
        row.id: row.name
        for row in await conn.execute(select(flows.c.id, flows.c.name).where(flows.c.workspace == WORKSPACE))
    }


async def keys(conn: AsyncConnection) -> dict[str, str]:
    """The flows under which drafts are tried, and what is wished of them."""
    found = await conn.execute(select(flows.c.id, flows.c.wish).where(flows.c.workspace == TESTS))
    return {row.id: row.wish for row in found}


async def forget(conn: AsyncConnection, key: str) -> None:
    """Delete everything the store has of a test deployment; a second call does nothing."""
    its = select(executions.c.id).where(executions.c.flow_id == key)
    await conn.execute(delete(execution_messages).where(execution_messages.c.execution_id.in_(its)))
    await conn.execute(delete(executions).where(executions.c.flow_id == key))
    await conn.execute(delete(failures).where(failures.c.flow_id == key))
    await conn.execute(delete(flows).where(flows.c.id == key))
