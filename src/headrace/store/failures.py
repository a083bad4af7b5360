"""Error records: messages that a step failed on, with their input and the reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, delete, exists, func, literal_column, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.flows import WORKSPACE
from headrace.store.rows import Cursor, columns
from headrace.store.tables import failures, flows

__all__ = [
    "ErrorRecord",
    "ErrorState",
    "add",
    "count",
    "count_open",
    "count_reasons",
    "discard",
    "get",
    "list_",
    "mark_retried",
    "objects",
    "retain",
]

ErrorState = Literal["open", "retried", "discarded"]


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """``envelope`` is the JSON of the failed `headrace.bus.message.Message`, None when the journal lost it."""

    id: str
    execution_id: str
    flow_id: str
    epoch: int
    step: str
    message_id: str
    name: str
    message: str
    stack: str
    reason: str
    at: int
    state: ErrorState
    envelope: bytes | None
    retried_as: str | None
    objects: str = ""
    """Ids of the objects that the message refers to, between commas: they are kept as long as the error."""

    @property
    def cursor(self) -> str:
        """For ``before`` of `list_`."""
        return str(Cursor(self.at, self.id))

    @property
    def input(self) -> dict[str, Any] | None:
        """The failed message, decoded."""
        return None if self.envelope is None else msgspec.json.decode(self.envelope)


_select = select(*columns(failures, ErrorRecord))
_counted = (failures.c.state == literal_column("'open'"), failures.c.flow_id.not_like("%-test-%"))


async def add(conn: AsyncConnection, records: Iterable[ErrorRecord]) -> None:
    """Note errors; one whose id is known is left as it is."""
    rows = [asdict(record) for record in records]
    if rows:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        await conn.execute(insert(failures).on_conflict_do_nothing(), rows)


async def list_(
    conn: AsyncConnection,
    *,
    flow_id: str | None = None,
    step: str | None = None,
    state: ErrorState | None = None,
    execution_id: str | None = None,
    reason: str | None = None,
    name: str | None = None,
    since: int | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[ErrorRecord]:
    """Errors that match, newest first. ``before`` is the `ErrorRecord.cursor` of the last one of the page before."""
    given = {"flow_id": flow_id, "step": step, "state": state, "execution_id": execution_id, "reason": reason}
    found = _select.where(*_matches(given | {"name": name}))
    if flow_id is None:
        found = found.where(exists().where(flows.c.id == failures.c.flow_id, flows.c.workspace == WORKSPACE))
    if since is not None:
        found = found.where(failures.c.at >= since)
    if before is not None:
        found = found.where(tuple_(failures.c.at, failures.c.id) < Cursor.parse(before).pair())
    found = found.order_by(failures.c.at.desc(), failures.c.id.desc()).limit(limit)
    return [ErrorRecord(*row) for row in await conn.execute(found)]


async def count(conn: AsyncConnection, **given: str | None) -> int:
    """How many errors have these values: names of columns, `None` for any."""
    return (await conn.execute(select(func.count()).select_from(failures).where(*_matches(given)))).scalar_one()


def _matches(given: Mapping[str, str | None]) -> list[ColumnElement[bool]]:
    return [failures.c[name] == value for name, value in given.items() if value is not None]


async def get(conn: AsyncConnection, error_id: str) -> ErrorRecord:
    """The error of that id, or `NotFound` (``error-not-found``)."""
    row = (await conn.execute(_select.where(failures.c.id == error_id))).one_or_none()
    if row is None:
        raise NotFound("error-not-found", f"there is no error {error_id}", next_step="see `headrace errors`")
    return ErrorRecord(*row)


async def mark_retried(conn: AsyncConnection, error_id: str, retried_as: str) -> ErrorRecord:
    """Note that a person ran the input again as message ``retried_as``; a later rerun replaces the note."""
    return await _set(conn, error_id, state="retried", retried_as=retried_as)


async def discard(conn: AsyncConnection, error_id: str) -> ErrorRecord:
    """Note that nobody will run the input again."""
    return await _set(conn, error_id, state="discarded")


async def _set(conn: AsyncConnection, error_id: str, **changes: Any) -> ErrorRecord:
    await conn.execute(update(failures).where(failures.c.id == error_id).values(**changes))
    return await get(conn, error_id)


async def retain(conn: AsyncConnection, *, before: int, chunk: int = 500) -> int:
    """Delete up to ``chunk`` closed errors older than ``before`` (ms), or of removed flows; returns how many."""
    closed = (failures.c.state != "open") & (failures.c.at < before)
    orphaned = failures.c.flow_id.not_in(select(flows.c.id))
    chosen = select(failures.c.id).where(closed | orphaned).limit(chunk)
    return (await conn.execute(delete(failures).where(failures.c.id.in_(chosen)))).rowcount


async def objects(conn: AsyncConnection, flow_id: str) -> set[str]:
    """Ids of all objects that errors of the flow refer to, closed ones too."""
    found = select(failures.c.objects).where(failures.c.flow_id == flow_id, failures.c.objects != literal_column("''"))
    return {each for row in await conn.execute(found) for each in row.objects.split(",")}


async def count_open(conn: AsyncConnection, flow_ids: Collection[str] | None = None) -> dict[str, int]:
    """Open errors by flow id, without those of tests; flows without any are left out."""
    found = select(failures.c.flow_id, func.count().label("number")).where(*_counted)
    if flow_ids is not None:
        found = found.where(failures.c.flow_id.in_(flow_ids))
    rows = await conn.execute(found.group_by(failures.c.flow_id))
    return {row.flow_id: row.number for row in rows}


async def count_reasons(conn: AsyncConnection) -> dict[tuple[str, str], int]:
    """Open errors by flow id and reason, without those of tests."""
    found = select(failures.c.flow_id, failures.c.reason, func.count().label("number"))
    found = found.where(*_counted).group_by(failures.c.flow_id, failures.c.reason)
    return {(row.flow_id, row.reason): row.number for row in await conn.execute(found)}
