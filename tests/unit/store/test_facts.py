"""Whatever the order, the batches and the repeats: facts add up to the same executions."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.bus.trace import Batch, Fact, FactKind
from headrace.ids import derived_id
from headrace.store import executions, facts
from headrace.store.database import Database
from headrace.store.executions import Execution, Processed

FLOW = "f1"
STEPS = ("orders", "customer", "invoice", "archive")
_numbers = itertools.count(1)


@dataclass
class Story:
    """A random execution: an event, and what every step that sees it makes of it."""

    rng: random.Random
    id: str
    at: int
    told: list[Fact]
    early: bool
    """Whether attempts that fail may have emitted before, so that ``delayed`` opens messages."""

    def tell(self) -> list[Fact]:
        successors = self.rng.randint(0, 2)
        event = derived_id(self.id)
        if self.rng.random() < 0.5:
            self.say("emitted", "orders", event, "", successors)
            self.receive(event, "", successors, depth=1)
        else:
            self.say("accepted", "orders", event, "", 1, rerun_of="earlier")
            self.process("orders", event, "", depth=0)
        return self.told

    def receive(self, message: str, parent: str, successors: int, depth: int) -> None:
        for number in range(successors):
            self.process(f"{STEPS[min(depth, 3)]}-{number}", message, parent, depth)

    def process(self, step: str, message: str, parent: str, depth: int) -> None:
        for attempt in range(1, self.rng.choice((1, 1, 1, 3))):
            early = self.rng.choice((0, 0, 1)) if self.early and depth < 3 else 0
            until = self.at // 1000 + 5000
            self.say("delayed", step, message, parent, early, attempt=attempt, error="later", until=until)
            for number in range(early):
                self.receive(derived_id(message, step, f"early {attempt} {number}"), message, 1, depth + 1)
        kind: FactKind = self.rng.choice(("done", "done", "done", "skipped", "failed"))
        outputs = self.rng.randint(0, 2) if kind != "skipped" and depth < 3 else 0
        successors = self.rng.randint(0, 2)
        error = derived_id("error", message, step) if kind == "failed" else ""
        self.say(kind, step, message, parent, outputs * successors - 1, outputs=outputs, error=error)
        for number in range(outputs):
            self.receive(derived_id(message, step, str(number)), message, successors, depth + 1)

    def say(self, kind: FactKind, step: str, message: str, parent: str, opened: int, **more: Any) -> None:
        self.at += 1500
        self.told.append(Fact(kind, self.id, step, message, parent, self.at, opened, **more))


def story(rng: random.Random, *, early: bool = True) -> list[Fact]:
    return Story(rng, f"x{next(_numbers)}", 1_700_000_000_000_000, [], early).tell()


def expected(told: list[Fact]) -> Execution:
    errors = sum(fact.kind == "failed" for fact in told)
    times = [fact.at // 1000 for fact in told]
    return Execution(
        id=told[0].execution,
        flow_id=FLOW,
        epoch=1,
        version=1,
        state="failed" if errors else "done",
        started_at=min(times),
        ended_at=max(times),
        open=0,
        messages=sum(fact.kind in ("done", "skipped", "failed") for fact in told),
        errors=errors,
        rerun_of="earlier" if told[0].kind == "accepted" else None,
        incomplete=False,
    )


def in_batches(rng: random.Random, told: list[Fact]) -> list[tuple[int, Batch]]:
    batches: list[tuple[int, Batch]] = []
    while told:
        size = rng.randint(1, 6)
        batches.append((len(batches) + 1, Batch(FLOW, 1, 1, told[:size])))
        told = told[size:]
    return batches


async def apply(db: Database, stream: str, batches: list[tuple[int, Batch]]) -> int:
    async with db.begin() as conn:
        return await executions.apply(conn, stream, batches)


async def read(db: Database, execution_id: str) -> tuple[Execution, list[Processed]]:
    async with db.read() as conn:
        return await executions.get(conn, execution_id)


with_a_database = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@with_a_database
@given(seed=st.integers(0, 2**32))
async def test_any_order_batching_and_redelivery_tells_the_same(db: Database, seed: int) -> None:
    rng = random.Random(seed)
    stories = [story(rng) for _ in range(rng.randint(1, 4))]
    mixed = [fact for told in stories for fact in told]
    rng.shuffle(mixed)
    stream = f"s{next(_numbers)}"
    batches = in_batches(rng, mixed)
    while batches:
        count = rng.randint(1, 3)
        now, batches = batches[:count], batches[count:]
        await apply(db, stream, now)
        if rng.random() < 0.3:
            assert await apply(db, stream, now) == 0
    for told in stories:
        execution, happened = await read(db, told[0].execution)
        assert execution == expected(told)
        assert sorted(processed.at_us for processed in happened) == [fact.at for fact in told]


@with_a_database
@given(seed=st.integers(0, 2**32))
async def test_an_execution_ends_exactly_when_all_its_messages_are_processed(db: Database, seed: int) -> None:
    rng = random.Random(seed)
    told = story(rng, early=False)
    rng.shuffle(told)
    matters = [fact for fact in told if fact.kind != "delayed"]
    stream = f"s{next(_numbers)}"
    for number, fact in enumerate(told, start=1):
        await apply(db, stream, [(number, Batch(FLOW, 1, 1, [fact]))])
        execution, _ = await read(db, fact.execution)
        ended = all(fact in told[:number] for fact in matters)
        assert (execution.state != "running") == ended
        assert (execution.ended_at is None) == (not ended)


@with_a_database
@given(seed=st.integers(0, 2**32))
async def test_what_a_restarted_worker_tells_again_counts_once(db: Database, seed: int) -> None:
    rng = random.Random(seed)
    told = story(rng)
    again = [msgspec.structs.replace(fact, at=fact.at + 7) for fact in told if rng.random() < 0.5]
    stream = f"s{next(_numbers)}"
    new = await apply(db, stream, [(1, Batch(FLOW, 1, 1, told)), (2, Batch(FLOW, 1, 1, again))])
    assert new == len(told)
    assert await apply(db, stream, [(3, Batch(FLOW, 1, 1, again))]) == 0
    execution, _ = await read(db, told[0].execution)
    assert execution == expected(told)


EMITTED = Fact("emitted", "x", "orders", "m1", "", 1_000_000, 1, seq=4)
DONE = Fact(
    "done", "x", "invoice", "m1", "", 2_000_000, -1, seq=4, wait_us=30, map_us=10, call_us=70, outputs=2
)  # fmt: skip


async def test_facts_are_kept_word_for_word_and_in_order_of_time(db: Database) -> None:
    await apply(db, "s", [(1, Batch(FLOW, 3, 2, [DONE, EMITTED]))])
    execution, (first, second) = await read(db, "x")
    assert (execution.epoch, execution.version, execution.started_at, execution.ended_at) == (3, 2, 1000, 2000)
    assert (first.kind, first.message_id, first.at, first.map_us) == ("emitted", "m1", 1000, -1)
    assert second == Processed(
        execution_id="x", message_id="m1", parent="", step="invoice", kind="done", at_us=2_000_000, seq=4, outputs=2,
        wait_us=30, map_us=10, call_us=70, attempt=1, error="", until=0, epoch=3,
    )  # fmt: skip


async def test_an_execution_taken_over_belongs_to_where_it_began(db: Database) -> None:
    await apply(db, "s", [(1, Batch(FLOW, 4, 7, [DONE]))])
    await apply(db, "s", [(2, Batch(FLOW, 3, 9, [EMITTED]))])
    execution, happened = await read(db, "x")
    assert (execution.epoch, execution.version) == (3, 9)
    assert [processed.epoch for processed in happened] == [3, 4]


async def test_a_trigger_that_fails_without_an_event_is_a_failed_execution(db: Database) -> None:
    failed = Fact("failed", "x", "orders", "m1", "", 1_000_000, 0, seq=9, error="e1")
    await apply(db, "s", [(1, Batch(FLOW, 1, 1, [failed]))])
    execution, _ = await read(db, "x")
    assert (execution.state, execution.messages, execution.errors, execution.open) == ("failed", 1, 1, 0)


async def test_a_new_stream_is_counted_from_its_start(db: Database) -> None:
    await apply(db, "old", [(50, Batch(FLOW, 1, 1, [EMITTED]))])
    async with db.read() as conn:
        assert await facts.position(conn, "old") == 50
        assert await facts.position(conn, "new") == 0
    assert await apply(db, "new", [(1, Batch(FLOW, 1, 1, [DONE]))]) == 1
    execution, _ = await read(db, "x")
    assert execution.state == "done"


async def test_an_empty_batch_only_moves_the_position(db: Database) -> None:
    assert await apply(db, "s", [(9, Batch(FLOW, 1, 1, []))]) == 0
    async with db.read() as conn:
        assert await facts.position(conn, "s") == 9


async def test_facts_and_position_are_written_together_or_not_at_all(db: Database) -> None:
    class Crash(Exception):
        pass

    try:
        async with db.begin() as conn:
            await executions.apply(conn, "s", [(1, Batch(FLOW, 1, 1, [EMITTED, DONE]))])
            raise Crash
    except Crash:
        pass
    assert await apply(db, "s", [(1, Batch(FLOW, 1, 1, [EMITTED, DONE]))]) == 2
    execution, _ = await read(db, "x")
    assert replace(execution, version=1) == expected([EMITTED, DONE])
