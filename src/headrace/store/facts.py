"""How facts become executions: in bulk, in any order, each once.

A fact is a row of ``execution_messages``; its key (execution, message, step, slot) drops what is told twice. An
execution is the sum of its facts, so their order does not matter:

- ``open`` adds up ``opened``: messages that exist and are not processed.
- ``balance`` shows that no fact is missing in between, which ``open`` alone cannot (a step that turned one message into
  one adds 0). Whoever creates messages adds a number that depends on their parent, once for each; each processed
  message takes its parent's number away. It is 0 when all that is known to exist is known to be processed.
- ``entered`` counts events.

It has ended when an event entered and both sums are 0. A trigger that fails before it has an event makes an execution
of one fact: ``failed``, which opens and closes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol
from zlib import crc32

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.store.tables import execution_messages, trace_position

__all__ = ["Batch", "Fact", "apply", "position"]


class Fact(Protocol):
    """What is needed of a `headrace.bus.trace.Fact`."""

    @property
    def kind(self) -> str: ...
    @property
    def execution(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def opened(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def wait_us(self) -> int: ...
    @property
    def map_us(self) -> int: ...
    @property
    def call_us(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def until(self) -> int: ...
    @property
    def rerun_of(self) -> str: ...


class Batch(Protocol):
    """What is needed of a `headrace.bus.trace.Batch`."""

    @property
    def flow_id(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def facts(self) -> Sequence[Fact]: ...


Row = tuple[Any, ...]
Key = tuple[str, str, str, int]

ENTERED: Final = -1
PROCESSED: Final = 0
_SLOTS: Final = {"accepted": ENTERED, "emitted": ENTERED, "done": PROCESSED, "skipped": PROCESSED, "failed": PROCESSED}
_ROOT: Final = 0x9E3779B9  # makes an event's own number differ from the one its children carry


async def position(conn: AsyncConnection, stream: str) -> int:
    """Sequence number of the last trace message applied of ``stream`` (a name that a new stream does not share)."""
    found = select(trace_position.c.seq).where(trace_position.c.id == 1, trace_position.c.stream == stream)
    return (await conn.execute(found)).scalar_one_or_none() or 0


async def apply(conn: AsyncConnection, stream: str, batches: Sequence[tuple[int, Batch]]) -> int:
    """Add batches to what is known, and note the highest of their sequence numbers, in the caller's transaction.

    Batches not above the number noted before are skipped. Returns how many facts were new.
    """
    seen = await position(conn, stream)
    fresh = [(batch, fact) for seq, batch in batches if seq > seen for fact in batch.facts]
    if fresh:
        fresh = await _insert(conn, fresh)
        await _bulk(conn, _MERGE[conn.dialect.name], _sums(fresh))
    last = max((seq for seq, _ in batches), default=0)
    if last > seen:
        await _note(conn, stream, last)
    return len(fresh)


async def _insert(conn: AsyncConnection, facts: list[tuple[Batch, Fact]]) -> list[tuple[Batch, Fact]]:
    """Store the facts; returns those that were not there yet. Repeats are rare, so they are looked for only when the
    database says that it has dropped some."""
    statement = _INSERT[conn.dialect.name]
    nested = await conn.begin_nested()
    if await _bulk(conn, statement, [_row(batch, fact) for batch, fact in facts]) == len(facts):
        await nested.commit()
        return facts
    await nested.rollback()
    known = await _known(conn, {fact.execution for _, fact in facts})
    new: dict[Key, tuple[Batch, Fact]] = {}
    for batch, fact in facts:
        key = _key(fact)
        if key not in known:
            new.setdefault(key, (batch, fact))
    await _bulk(conn, statement, [_row(batch, fact) for batch, fact in new.values()])
    return list(new.values())


async def _known(conn: AsyncConnection, executions: Iterable[str]) -> set[Key]:
    c = execution_messages.c
    ids = sorted(executions)
    known: set[Key] = set()
    for start in range(0, len(ids), 1000):
        found = select(c.execution_id, c.message_id, c.step, c.slot).where(
            c.execution_id.in_(ids[start : start + 1000])
        )
        known.update(tuple(row) for row in await conn.execute(found))
    return known


def _key(fact: Fact) -> Key:
    return fact.execution, fact.message, fact.step, _SLOTS.get(fact.kind, fact.attempt)


def _row(batch: Batch, fact: Fact) -> Row:
    return (
        fact.execution,
        fact.message,
        fact.step,
        _SLOTS.get(fact.kind, fact.attempt),
        fact.parent,
        fact.kind,
        fact.at,
        fact.seq,
        fact.outputs,
        fact.wait_us,
        fact.map_us,
        fact.call_us,
        fact.attempt,
        fact.error,
        fact.until,
        batch.epoch,
    )


class _Sum:
    """What a set of facts adds to one execution."""

    __slots__ = (
        "balance",
        "due",
        "entered",
        "epoch",
        "errors",
        "first",
        "flow_id",
        "last",
        "messages",
        "open",
        "rerun_of",
        "version",
    )

    def __init__(self, batch: Batch, at: int) -> None:
        self.flow_id = batch.flow_id
        self.epoch = batch.epoch
        self.version = batch.version
        self.first = self.last = at
        self.due = self.open = self.balance = self.entered = self.messages = self.errors = 0
        self.rerun_of: str | None = None

    def row(self, execution: str) -> Row:
        ended = self.entered > 0 and self.open == 0 and self.balance == 0
        state = ("failed" if self.errors else "done") if ended else "running"
        return (
            execution,
            self.flow_id,
            self.epoch,
            self.version,
            state,
            self.first // 1000,
            self.last // 1000,
            self.due,
            self.open,
            self.balance,
            self.entered,
            self.messages,
            self.errors,
            self.rerun_of,
            False,
        )


def _sums(facts: Iterable[tuple[Batch, Fact]]) -> list[Row]:
    """The rows that add the facts to their executions."""
    sums: dict[str, _Sum] = {}
    for batch, fact in facts:
        at = fact.at
        total = sums.get(fact.execution)
        if total is None:
            total = sums[fact.execution] = _Sum(batch, at)
        elif batch.epoch < total.epoch:
            total.epoch, total.version = batch.epoch, batch.version
        total.first = min(total.first, at)
        total.last = max(total.last, at)
        _add(total, fact)
    return [sums[execution].row(execution) for execution in sorted(sums)]


def _add(total: _Sum, fact: Fact) -> None:
    opened = fact.opened
    total.open += opened
    slot = _SLOTS.get(fact.kind, 1)
    if slot == ENTERED:
        total.entered += 1
        total.balance += opened * _origin(fact)
        if fact.rerun_of:
            total.rerun_of = fact.rerun_of
        return
    children = opened
    if slot == PROCESSED:
        total.messages += 1
        if fact.kind == "failed":
            total.errors += 1
            if opened == 0 and not fact.outputs:
                total.entered += 1
                return
        children += 1
        total.balance -= _origin(fact)
    elif fact.until > total.due:
        total.due = fact.until
    if children:
        total.balance += children * crc32(fact.message.encode())


def _origin(fact: Fact) -> int:
    """The number of what created the message: its parent, or the outside world."""
    if fact.parent:
        return crc32(fact.parent.encode())
    return crc32(fact.message.encode(), _ROOT)


async def _note(conn: AsyncConnection, stream: str, seq: int) -> None:
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    noted = insert(trace_position).values(id=1, stream=stream, seq=seq)
    await conn.execute(noted.on_conflict_do_update(index_elements=["id"], set_={"stream": stream, "seq": seq}))


async def _bulk(conn: AsyncConnection, statement: str, rows: list[Row]) -> int:
    # Straight to the driver: 16 values a row, tens of thousands of rows a second.
    return (await conn.exec_driver_sql(statement, rows)).rowcount if rows else 0


_MESSAGE_COLUMNS = (
    "execution_id, message_id, step, slot, parent, kind, at_us, seq, outputs, wait_us, map_us, call_us, attempt, "
    'error, "until", epoch'
)
_EXECUTION_COLUMNS = (
    "id, flow_id, epoch, version, state, started_at, last_at, due_at, open, balance, entered, messages, errors, "
    "rerun_of, incomplete"
)
_ADDED = ("open", "balance", "entered", "messages", "errors")


def _merge() -> str:
    old, new = "executions", "excluded"
    ended = " AND ".join(
        f"{old}.{column} + {new}.{column} {test}"
        for column, test in (("entered", "> 0"), ("open", "= 0"), ("balance", "= 0"))
    )
    sets = [f"{column} = {old}.{column} + {new}.{column}" for column in _ADDED]
    for column, better in (("started_at", "<"), ("last_at", ">"), ("due_at", ">")):
        sets.append(f"{column} = {_pick(f'{new}.{column} {better} {old}.{column}', column)}")
    sets += [f"{column} = {_pick(f'{new}.epoch < {old}.epoch', column)}" for column in ("epoch", "version")]
    sets.append(f"rerun_of = COALESCE({old}.rerun_of, {new}.rerun_of)")
    sets.append(f"incomplete = {old}.incomplete AND NOT ({ended})")
    outcome = f"CASE WHEN {old}.errors + {new}.errors > 0 THEN 'failed' ELSE 'done' END"
    sets.append(f"state = CASE WHEN {old}.incomplete OR ({ended}) THEN {outcome} ELSE 'running' END")
    return f"ON CONFLICT (id) DO UPDATE SET {', '.join(sets)}"


def _pick(condition: str, column: str) -> str:
    return f"CASE WHEN {condition} THEN excluded.{column} ELSE executions.{column} END"


def _values(table: str, columns: str, mark: str, conflict: str) -> str:
    marks = ", ".join([mark] * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}"


_MARKS = {"sqlite": "?", "postgresql": "%s"}
_INSERT = {
    name: _values("execution_messages", _MESSAGE_COLUMNS, mark, "ON CONFLICT DO NOTHING")
    for name, mark in _MARKS.items()
}
_MERGE = {name: _values("executions", _EXECUTION_COLUMNS, mark, _merge()) for name, mark in _MARKS.items()}
