from __future__ import annotations

import pytest
from sqlalchemy import func, select

from headrace.bus.trace import Batch, Fact, FactKind
from headrace.errors import NotFound
from headrace.store import executions, flows
from headrace.store.database import Database
from headrace.store.tables import execution_messages

_seq = iter(range(1, 1_000_000))


def begun(execution: str, at: int, *, opened: int = 1) -> Fact:
    return Fact("emitted", execution, "orders", f"{execution}-m", "", at * 1000, opened)


def processed(execution: str, at: int, *, error: str = "") -> Fact:
    kind: FactKind = "failed" if error else "done"
    return Fact(kind, execution, "invoice", f"{execution}-m", "", at * 1000, -1, error=error)


def delayed(execution: str, at: int, until: int) -> Fact:
    return Fact("delayed", execution, "invoice", f"{execution}-m", "", at * 1000, 0, until=until)


async def tell(db: Database, flow_id: str, *told: Fact) -> None:
    async with db.begin() as conn:
        await executions.apply(conn, "s", [(next(_seq), Batch(flow_id, 1, 1, list(told)))])


@pytest.fixture
async def flow_id(db: Database) -> str:
    async with db.begin() as conn:
        return (await flows.create(conn, "orders")).id


async def test_an_unknown_execution_is_not_found(db: Database) -> None:
    async with db.read() as conn:
        with pytest.raises(NotFound) as caught:
            await executions.get(conn, "x")
    assert caught.value.reason == "execution-not-found"


async def test_executions_are_found_by_what_they_have(db: Database, flow_id: str) -> None:
    await tell(
        db, flow_id, begun("a", 1), processed("a", 2), begun("b", 3), processed("b", 4, error="e"), begun("c", 5)
    )
    await tell(db, "gone", begun("d", 6))

    async def found(**by: object) -> list[str]:
        async with db.read() as conn:
            return [execution.id for execution in await executions.list_(conn, **by)]  # type: ignore[arg-type]

    assert await found() == ["c", "b", "a"]
    assert await found(state="running") == ["c"]
    assert await found(state="failed") == ["b"]
    assert await found(flow_id=flow_id, state="done") == ["a"]
    assert await found(since=3) == ["c", "b"]
    assert await found(before="3") == ["a"]
    assert await found(version=1, flow_id=flow_id) == ["c", "b", "a"]
    assert await found(version=2) == []
    async with db.read() as conn:
        assert await executions.count_running(conn) == {flow_id: 1, "gone": 1}
        assert await executions.count_by_version(conn, flow_id) == {1: (3, 1)}


async def test_pages_follow_each_other_without_gap(db: Database, flow_id: str) -> None:
    await tell(db, flow_id, *(begun(f"x{n}", 100 + n // 3) for n in range(8)))
    async with db.read() as conn:
        whole = await executions.list_(conn)
        pages, before = [], None
        while page := await executions.list_(conn, before=before, limit=3):
            pages += page
            before = page[-1].cursor
    assert pages == whole
    assert len(whole) == 8


async def test_what_nobody_will_finish_is_closed_as_incomplete(db: Database, flow_id: str) -> None:
    await tell(db, flow_id, begun("lost", 100), begun("bad", 100, opened=2), processed("bad", 100, error="e"))
    await tell(db, flow_id, begun("fresh", 900), begun("late", 100), delayed("late", 101, until=5000))
    await tell(db, "other", begun("elsewhere", 100))
    async with db.begin() as conn:
        assert await executions.idle(conn, since=500) == sorted([flow_id, "other"])
        assert sorted(await executions.settle(conn, flow_id, since=500)) == ["bad", "lost"]
        closed = {execution.id: execution for execution in await executions.list_(conn, flow_id=flow_id)}
    assert (closed["lost"].state, closed["lost"].incomplete, closed["lost"].ended_at) == ("done", True, 100)
    assert closed["bad"].state == "failed"
    assert closed["fresh"].state == closed["late"].state == "running"


async def test_facts_that_turn_up_after_all_complete_an_execution(db: Database, flow_id: str) -> None:
    await tell(db, flow_id, begun("x", 100, opened=2))
    async with db.begin() as conn:
        await executions.settle(conn, flow_id, since=500)
    await tell(db, flow_id, processed("x", 101, error="e"))
    async with db.read() as conn:
        half, _ = await executions.get(conn, "x")
    assert (half.state, half.incomplete) == ("failed", True)
    await tell(db, flow_id, Fact("done", "x", "archive", "x-m", "", 102_000, -1))
    async with db.read() as conn:
        whole, _ = await executions.get(conn, "x")
    assert (whole.state, whole.incomplete) == ("failed", False)


async def ids_after_retain(db: Database, *, before: int = 0, keep_count: int = 1000, chunk: int = 500) -> set[str]:
    async with db.begin() as conn:
        while await executions.retain(conn, before=before, keep_count=keep_count, chunk=chunk):
            pass
        return {execution.id for execution in await executions.list_(conn)}


async def test_old_executions_go_with_their_messages_but_running_ones_stay(db: Database, flow_id: str) -> None:
    await tell(db, flow_id, begun("old", 100), processed("old", 101), begun("stuck", 100))
    await tell(db, flow_id, begun("new", 900), processed("new", 901))
    assert await ids_after_retain(db, before=500) == {"stuck", "new"}
    async with db.read() as conn:
        left = await conn.execute(select(execution_messages.c.execution_id).distinct())
        assert set(left.scalars()) == {"stuck", "new"}


async def test_only_the_newest_are_kept(db: Database, flow_id: str) -> None:
    for at in range(1, 8):
        await tell(db, flow_id, begun(f"x{at}", at), processed(f"x{at}", at))
    assert await ids_after_retain(db, keep_count=7) == {f"x{at}" for at in range(1, 8)}
    assert await ids_after_retain(db, keep_count=3, chunk=2) == {"x5", "x6", "x7"}


async def test_executions_of_a_removed_flow_go(db: Database, flow_id: str) -> None:
    await tell(db, flow_id, begun("x", 100))
    await tell(db, "gone", begun("y", 100), begun("z", 100), processed("z", 101))
    await ids_after_retain(db, chunk=1)
    async with db.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(execution_messages))).scalar_one() == 1
