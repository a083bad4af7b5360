"""The recorder on a real broker and SQLite: what is told arrives in the store once, whatever happens in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.trace import Batch, Fact, encode_batch
from headrace.control import recorder as module
from headrace.control.recorder import Recorder
from headrace.errors import NotFound, Unavailable
from headrace.settings import Settings
from headrace.store import executions, failures, flows
from headrace.store.database import Database
from headrace.store.executions import Execution

NOW = time.time_ns() // 1000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield asyncio.run(embedded.start())
    asyncio.run(embedded.stop())


@pytest.fixture
async def bus(broker: Access) -> AsyncIterator[Bus]:
    async with await Bus.connect(broker.url, broker.user, broker.password) as connection:
        await journal.setup(connection, log_bytes=1024**2, log_keep=3600)
        yield connection
        await connection.api(f"STREAM.DELETE.{subjects.TRACE}")


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def flow_id(db: Database) -> str:
    async with db.begin() as conn:
        return (await flows.create(conn, "orders")).id


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Housekeeping without its pauses."""
    for name in ("HOUSE", "PURGE_EVERY", "SETTLE_EVERY", "RETAIN_EVERY", "LOST_AFTER"):
        monkeypatch.setattr(module, name, 0.01)


async def yes(flow_id: str) -> bool:
    return True


@asynccontextmanager
async def recording(
    db: Database, bus: Bus, *, drained: module.Drained = yes, days: float = 7, count: int = 1000
) -> AsyncIterator[Recorder]:
    settings = Settings(history_keep_days=days, history_keep_count=count)
    recorder = Recorder(db, bus, settings, drained)
    running = asyncio.create_task(recorder.run())
    yield recorder
    recorder.stop()
    recorder.stop()
    await asyncio.wait_for(running, 10)


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await ask():  # noqa: ASYNC110 - what is waited for is in another program
            await asyncio.sleep(0.01)


async def tell(bus: Bus, flow_id: str, *facts: Fact) -> int:
    stored = await bus.store(subjects.trace(flow_id), encode_batch(Batch(flow_id, 1, 1, list(facts))))
    return stored.seq


def emitted(execution: str, *, at: int = NOW, opened: int = 1) -> Fact:
    return Fact("emitted", execution, "orders", f"{execution}-m", "", at, opened)


def done(execution: str, *, at: int = NOW, seq: int = 0) -> Fact:
    return Fact("done", execution, "invoice", f"{execution}-m", "", at, -1, seq=seq)


def failed(execution: str, entry: ErrorEntry, seq: int) -> Fact:
    return Fact("failed", execution, "invoice", f"{execution}-m", "", NOW, -1, seq=seq, error=entry.id)


def entry_of(execution: str) -> ErrorEntry:
    message = Message(
        id=f"{execution}-m", execution=execution, step="orders", body=msgspec.Raw(b'{"total":null}'), at=NOW // 1000
    )
    failure = Failure(name="ValueError", message="no\0total", stack="Traceback ...")
    return ErrorEntry(id=f"e-{execution}", message=message, step="invoice", failure=failure, at=NOW // 1000)


async def store_error(bus: Bus, flow_id: str, entry: ErrorEntry) -> int:
    stream, subject = subjects.stream(flow_id), subjects.errors(flow_id, 1, "invoice")
    await bus.api(f"STREAM.CREATE.{stream}", {"name": stream, "subjects": [f"flow.{flow_id}.>"], "allow_direct": True})
    return (await bus.store(subject, envelope.encode(entry))).seq


async def found(db: Database) -> dict[str, Execution]:
    async with db.read() as conn:
        return {execution.id: execution for execution in await executions.list_(conn)}


async def told_messages(bus: Bus) -> int:
    return int((await bus.api(f"STREAM.INFO.{subjects.TRACE}"))["state"]["messages"])


async def test_what_is_told_is_recorded(db: Database, bus: Bus, flow_id: str) -> None:
    async with recording(db, bus) as recorder:
        await tell(bus, flow_id, emitted("x1"), emitted("x2"))
        last = await tell(bus, flow_id, done("x1"))
        await until(lambda: _is(recorder.applied == last))
    states = {execution.id: execution.state for execution in (await found(db)).values()}
    assert states == {"x1": "done", "x2": "running"}
    assert recorder.facts == 3


async def _is(value: bool) -> bool:
    return value


async def test_a_recorder_goes_on_where_the_last_one_stopped(db: Database, bus: Bus, flow_id: str) -> None:
    first = await tell(bus, flow_id, emitted("x1", opened=2))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == first))
    last = await tell(bus, flow_id, done("x1"))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    assert recorder.facts == 1
    assert (await found(db))["x1"].open == 1


async def test_thousands_are_caught_up_with(db: Database, bus: Bus, flow_id: str) -> None:
    for number in range(3000):
        bus.publish(subjects.trace(flow_id), encode_batch(Batch(flow_id, 1, 1, [emitted(f"x{number}")])))
    last = await tell(bus, flow_id, done("x7"))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    assert recorder.facts == 3001


@pytest.mark.usefixtures("quick")
async def test_what_is_recorded_leaves_the_broker(db: Database, bus: Bus, flow_id: str) -> None:
    async with recording(db, bus):
        await tell(bus, flow_id, emitted("x1"))

        async def empty() -> bool:
            return await told_messages(bus) == 0

        await until(empty)
    assert "x1" in await found(db)


async def test_an_emptied_broker_is_recorded_from_its_start(db: Database, bus: Bus, flow_id: str) -> None:
    for number in range(5):
        last = await tell(bus, flow_id, emitted(f"x{number}"))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    await bus.api(f"STREAM.DELETE.{subjects.TRACE}")
    await journal.setup(bus, log_bytes=1024**2, log_keep=3600)
    assert await tell(bus, flow_id, done("x1")) == 1
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == 1))
    assert (await found(db))["x1"].state == "done"


async def test_what_cannot_be_read_or_written_does_not_keep_the_rest_out(db: Database, bus: Bus, flow_id: str) -> None:
    await tell(bus, flow_id, emitted("x1"))
    await bus.store(subjects.trace(flow_id), b"not a batch")
    await tell(bus, flow_id, emitted("x2"), done("x2", seq=2**63))
    last = await tell(bus, flow_id, done("x1"))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    assert recorder.skipped == 2
    assert {execution.id: execution.state for execution in (await found(db)).values()} == {"x1": "done"}


async def test_a_store_that_fails_is_waited_for(
    db: Database, bus: Bus, flow_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", (0.01, 0.02))
    failures_left = [Unavailable("store-full"), RuntimeError("a mistake of ours")]
    begin = db.begin

    @asynccontextmanager
    async def failing() -> AsyncIterator[AsyncConnection]:
        if failures_left:
            raise failures_left.pop()
        async with begin() as conn:
            yield conn

    monkeypatch.setattr(db, "begin", failing)
    last = await tell(bus, flow_id, emitted("x1"), done("x1"))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    assert not failures_left
    assert recorder.facts == 2


async def test_errors_are_kept_with_their_input(db: Database, bus: Bus, flow_id: str) -> None:
    entry = entry_of("x1")
    seq = await store_error(bus, flow_id, entry)
    last = await tell(bus, flow_id, emitted("x1"), failed("x1", entry, seq))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    async with db.read() as conn:
        [error] = await failures.list_(conn, execution_id="x1")
    assert (error.id, error.name, error.stack, error.state) == (entry.id, "ValueError", "Traceback ...", "open")
    assert error.message == "no\N{REPLACEMENT CHARACTER}total"
    assert error.input is not None
    assert error.input["body"] == {"total": None}
    assert (await found(db))["x1"].state == "failed"


@pytest.mark.parametrize("known", [True, False])
async def test_an_error_the_journal_has_lost_is_still_an_error(
    db: Database, bus: Bus, flow_id: str, known: bool
) -> None:
    entry = entry_of("x1")
    if known:
        await store_error(bus, flow_id, entry_of("x0"))
    last = await tell(bus, flow_id, emitted("x1"), failed("x1", entry, 99))
    async with recording(db, bus) as recorder:
        await until(lambda: _is(recorder.applied == last))
    async with db.read() as conn:
        error = await failures.get(conn, entry.id)
    assert (error.reason, error.envelope, error.input) == ("lost", None, None)


@pytest.mark.usefixtures("quick")
async def test_recorded_errors_leave_the_journal(db: Database, bus: Bus, flow_id: str) -> None:
    entry = entry_of("x1")
    seq = await store_error(bus, flow_id, entry)

    async def gone() -> bool:
        return await bus.get(subjects.stream(flow_id), seq) is None

    async with recording(db, bus):
        await tell(bus, flow_id, emitted("x1"), failed("x1", entry, seq))
        await until(gone)
    async with db.read() as conn:
        assert (await failures.get(conn, entry.id)).input is not None


@pytest.mark.usefixtures("quick")
async def test_lost_facts_are_given_up_only_when_the_queues_are_empty(db: Database, bus: Bus, flow_id: str) -> None:
    async with db.begin() as conn:
        busy = await flows.create(conn, "busy")
    asked: list[str] = []

    async def drained(asked_for: str) -> bool:
        asked.append(asked_for)
        if asked_for == "gone":
            raise NotFound("flow-not-found")
        return asked_for == flow_id

    async with recording(db, bus, drained=drained):
        await tell(bus, "gone", emitted("x0"))
        await tell(bus, busy.id, emitted("x1"))
        await tell(bus, flow_id, emitted("x2"))

        async def closed() -> bool:
            return (await found(db)).get("x2", None) is not None and (await found(db))["x2"].incomplete

        await until(closed)
        await until(lambda: _is(busy.id in asked))
    now = await found(db)
    assert (now["x2"].state, now["x1"].state, now["x1"].incomplete) == ("done", "running", False)


@pytest.mark.usefixtures("quick")
async def test_old_executions_are_deleted(db: Database, bus: Bus, flow_id: str) -> None:
    old = NOW - 3 * 86_400 * 1_000_000

    async def only_new() -> bool:
        return set(await found(db)) == {"new", "open"}

    async with recording(db, bus, days=2):
        await tell(bus, flow_id, emitted("old", at=old), done("old", at=old), emitted("open", opened=2))
        await tell(bus, flow_id, emitted("new"), done("new"))
        await until(only_new)


async def test_browsers_get_a_hint(db: Database, bus: Bus, flow_id: str) -> None:
    hints: asyncio.Queue[bytes] = asyncio.Queue()

    async def heard(subject: str, data: bytes, reply: str) -> None:
        hints.put_nowait(data)

    await bus.subscribe(subjects.live("execution"), heard)
    async with recording(db, bus):
        await tell(bus, flow_id, emitted("x1"), done("x1"))
        hint = msgspec.json.decode(await asyncio.wait_for(hints.get(), 10))
    assert hint == {"flow_id": flow_id, "execution": "x1", "facts": 2, "errors": 0}


async def test_a_recorder_stopped_before_it_runs_ends_at_once(db: Database, bus: Bus) -> None:
    recorder = Recorder(db, bus, Settings(), yes)
    recorder.stop()
    await asyncio.wait_for(recorder.run(), 5)


async def test_a_recorder_that_is_cancelled_leaves_nothing_running(db: Database, bus: Bus, flow_id: str) -> None:
    recorder = Recorder(db, bus, Settings(), yes)
    running = asyncio.create_task(recorder.run())
    last = await tell(bus, flow_id, emitted("x1"))
    await until(lambda: _is(recorder.applied == last))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("recorder")]


async def test_a_broker_that_comes_back_is_recorded_on(
    db: Database, bus: Bus, flow_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    callbacks: list[Callable[[], None]] = []
    monkeypatch.setattr(bus, "on_reconnect", callbacks.append)
    async with recording(db, bus) as recorder:
        first = await tell(bus, flow_id, emitted("x1"))
        await until(lambda: _is(recorder.applied == first))
        await bus.api(f"STREAM.DELETE.{subjects.TRACE}")
        await journal.setup(bus, log_bytes=1024**2, log_keep=3600)
        callbacks[0]()
        again = await tell(bus, flow_id, done("x1"))

        async def ended() -> bool:
            return (await found(db))["x1"].state == "done"

        await until(ended)
    assert (again, recorder.applied) == (1, 1)
