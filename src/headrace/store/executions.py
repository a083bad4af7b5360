"""Executions: everything caused by one event, as the recorder wrote it down.

running ──▶ done      all its messages are processed
   └──────▶ failed    … and an error was recorded
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, String, case, delete, exists, func, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.facts import apply, position
from headrace.store.flows import WORKSPACE
from headrace.store.rows import Cursor, columns
from headrace.store.tables import execution_messages as messages
from headrace.store.tables import executions, flows

__all__ = [
    "Execution",
    "ExecutionState",
    "Kind",
    "Processed",
    "apply",
    "count_by_version",
    "count_running",
    "get",
    "idle",
    "list_",
    "position",
    "processed",
    "retain",
    "settle",
]

ExecutionState = Literal["running", "done", "failed"]
Kind = Literal["accepted", "emitted", "done", "skipped", "failed", "delayed"]


@dataclass(frozen=True, slots=True)
class Execution:
    """``open`` messages are waiting, ``messages`` were processed, ``errors`` of them failed.

    ``incomplete``: facts were lost with a killed worker, so the numbers may be too small. ``epoch`` and ``version`` are
    those it began under.
    """

    id: str
    flow_id: str
    epoch: int
    version: int
    state: ExecutionState
    started_at: int
    ended_at: int | None
    open: int
    messages: int
    errors: int
    rerun_of: str | None
    incomplete: bool

    @property
    def cursor(self) -> str:
        """For ``before`` of `list_`."""
        return str(Cursor(self.started_at, self.id))


@dataclass(frozen=True, slots=True)
class Processed:
    """One thing that happened to one message at one step: a `headrace.bus.trace.Fact`, whose words these are.

    ``seq`` is where the message (for ``failed``: the error entry) is in the flow's journal.
    """

    execution_id: str
    message_id: str
    parent: str
    step: str
    kind: Kind
    at_us: int
    seq: int
    outputs: int
    wait_us: int
    map_us: int
    call_us: int
    attempt: int
    error: str
    until: int
    epoch: int

    @property
    def at(self) -> int:
        """When, in milliseconds since the epoch."""
        return self.at_us // 1000


def _is(state: str) -> ColumnElement[bool]:
    # Spelt out, not bound: the partial indexes are for these very words.
    return executions.c.state == literal_column(f"'{state}'", String)


_ended_at = case((_is("running"), None), else_=executions.c.last_at)
_executions = select(*columns(executions, Execution, ended_at=_ended_at))
_messages = select(*columns(messages, Processed))


async def list_(
    conn: AsyncConnection,
    *,
    flow_id: str | None = None,
    state: ExecutionState | None = None,
    version: int | None = None,
    since: int | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Execution]:
    """Executions that match, newest first; without ``flow_id`` of all flows there still are, but not of tests.

    ``before`` is the `Execution.cursor` of the last one of the page before (or a time in milliseconds).
    """
    found = _executions
    if flow_id is not None:
        found = found.where(executions.c.flow_id == flow_id)
    else:
        found = found.where(exists().where(flows.c.id == executions.c.flow_id, flows.c.workspace == WORKSPACE))
    if state is not None:
        found = found.where(_is(state))
    if version is not None:
        found = found.where(executions.c.version == version)
    if since is not None:
        found = found.where(executions.c.started_at >= since)
    if before is not None:
        found = found.where(tuple_(executions.c.started_at, executions.c.id) < Cursor.parse(before).pair())
    found = found.order_by(executions.c.started_at.desc(), executions.c.id.desc()).limit(limit)
    return [Execution(*row) for row in await conn.execute(found)]


async def get(conn: AsyncConnection, execution_id: str) -> tuple[Execution, list[Processed]]:
    """The execution and what happened in it, in order of time; `NotFound` (``execution-not-found``)."""
    row = (await conn.execute(_executions.where(executions.c.id == execution_id))).one_or_none()
    if row is None:
        raise NotFound(
            "execution-not-found",
            f"there is no execution {execution_id}, or it is too old",
            next_step="see `headrace executions`",
        )
    found = _messages.where(messages.c.execution_id == execution_id).order_by(
        messages.c.at_us, messages.c.slot, messages.c.message_id, messages.c.step
    )
    return Execution(*row), [Processed(*row) for row in await conn.execute(found)]


async def processed(conn: AsyncConnection, step: str, wanted: Sequence[tuple[str, str]]) -> set[str]:
    """Ids of those messages, each given with its execution, that the step has dealt with, as far as is recorded."""
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        key = tuple_(messages.c.execution_id, messages.c.message_id)
        chosen = select(messages.c.message_id).where(
            key.in_(wanted[start : start + 500]), messages.c.step == step, messages.c.slot == literal_column("0")
        )
        found.update((await conn.execute(chosen)).scalars())
    return found


async def count_running(conn: AsyncConnection) -> dict[str, int]:
    """Running executions by flow id; flows without any are left out."""
    found = (
        select(executions.c.flow_id, func.count().label("number")).where(_is("running")).group_by(executions.c.flow_id)
    )
    return {row.flow_id: row.number for row in await conn.execute(found)}


async def count_by_version(conn: AsyncConnection, flow_id: str) -> dict[int, tuple[int, int]]:
    """Executions of a flow that are kept, and how many of them have errors, by the version they began under."""
    failed = func.sum(case((executions.c.errors > 0, 1), else_=0))
    found = (
        select(executions.c.version, func.count(), failed)
        .where(executions.c.flow_id == flow_id)
        .group_by(executions.c.version)
    )
    return {version: (int(count), int(errors)) for version, count, errors in await conn.execute(found)}


async def idle(conn: AsyncConnection, *, since: int) -> list[str]:
    """Flows with running executions that nothing was heard of after ``since`` (ms), though nothing is due."""
    found = select(executions.c.flow_id).where(*_idle(since)).distinct()
    return list((await conn.execute(found)).scalars())


async def settle(conn: AsyncConnection, flow_id: str, *, since: int) -> list[str]:
    """Close the executions `idle` speaks of, marked ``incomplete``; returns their ids.

    For a flow whose queues are empty: what is still open there was processed, but its facts were lost.
    """
    outcome = case((executions.c.errors > 0, "failed"), else_="done")
    closed = (
        update(executions)
        .where(executions.c.flow_id == flow_id, *_idle(since))
        .values(state=outcome, incomplete=True)
        .returning(executions.c.id)
    )
    return list((await conn.execute(closed)).scalars())


def _idle(since: int) -> tuple[ColumnElement[bool], ...]:
    return _is("running"), executions.c.last_at < since, executions.c.due_at < since


async def retain(conn: AsyncConnection, *, before: int, keep_count: int, chunk: int = 500) -> int:
    """Delete up to ``chunk`` executions: ended and begun before ``before`` (ms) or beyond the newest ``keep_count``, or
    of a flow that is gone. Returns how many; small steps let others write in between, so call it until it returns 0."""
    crowded = select(executions.c.started_at).order_by(executions.c.started_at.desc()).offset(keep_count).limit(1)
    limit = (await conn.execute(crowded)).scalar_one_or_none()
    edge = max(before, 0 if limit is None else limit + 1)
    old = select(executions.c.id).where(~_is("running"), executions.c.started_at < edge).limit(chunk)
    ids = list((await conn.execute(old)).scalars())
    if not ids:
        orphaned = select(executions.c.id).where(executions.c.flow_id.not_in(select(flows.c.id))).limit(chunk)
        ids = list((await conn.execute(orphaned)).scalars())
    if ids:
        await conn.execute(delete(messages).where(messages.c.execution_id.in_(ids)))
        await conn.execute(delete(executions).where(executions.c.id.in_(ids)))
    return len(ids)
