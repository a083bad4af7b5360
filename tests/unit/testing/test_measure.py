from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from headrace.flows.mapping import Expression
from headrace.testing.ledger import Ledger
from headrace.testing.measure import mappings, measure, medians, order


@asynccontextmanager
async def echo(ledger: Ledger, *, forget: frozenset[int] = frozenset()) -> AsyncIterator[None]:
    """The simplest platform: acknowledges everything and passes it on, but for what it forgets."""
    source, acknowledge = await asyncio.open_connection("127.0.0.1", ledger.source_port)
    _, sink = await asyncio.open_connection("127.0.0.1", ledger.sink_port)

    async def pass_on() -> None:
        while line := await source.readline():
            event = json.loads(line)
            acknowledge.write(b"%d\n" % event["n"])
            if event["n"] not in forget:
                sink.write(b"%d %d 1\n" % (event["n"], time.time_ns() - event["sent"]))

    task = asyncio.create_task(pass_on())
    try:
        await ledger.connected.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for writer in (acknowledge, sink):
            writer.close()


@pytest.mark.parametrize("rate", [500.0, 0.0])
async def test_a_measurement_counts_what_arrived(rate: float) -> None:
    async with Ledger(order()) as ledger, echo(ledger):
        row = await measure(ledger, {"echo": [psutil.Process()]}, rate, 0.2)
    assert row["lost"] == row["repeats"] == 0
    assert row["events_per_s"] > 0
    assert 0 <= row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    assert row["memory_mb_echo"] > 0 and row["cpu_us_echo"] >= 0


async def test_what_never_arrives_is_lost_although_it_was_acknowledged() -> None:
    async with Ledger(order()) as ledger, echo(ledger, forget=frozenset({3})):
        row = await measure(ledger, {}, 500.0, 0.2, patience=0.3)
    assert row["lost"] == 1
    assert ledger.account.lost == [3]


def test_the_mappings_build_five_fields_one_after_another() -> None:
    first, second = mappings("body")
    event = order() | {"n": 7, "sent": 1}
    shaped = Expression(first).evaluate(json.dumps({"body": event}))
    assert shaped is not None
    told = json.loads(Expression(second).evaluate(json.dumps({"body": json.loads(shaped)})) or b"")
    total = sum(line["price"] * line["qty"] for line in event["lines"])
    assert told == {"n": 7, "sent": 1, "customer": "Ada Lovelace", "total": total, "lines": event["lines"]}


def test_events_are_of_the_size_that_is_said() -> None:
    assert 250 <= len(json.dumps(order() | {"n": 1_000, "sent": time.time_ns()})) <= 350
    assert len(json.dumps(order(3_000))) - len(json.dumps(order())) == pytest.approx(3_000, abs=20)


def test_of_several_runs_the_middle_counts_but_for_losses_the_worst() -> None:
    rows = [{"p50_ms": 1.0, "lost": 0}, {"p50_ms": 9.0, "lost": 2}, {"p50_ms": 2.0, "lost": 0}]
    assert medians(rows) == {"p50_ms": 2.0, "lost": 2}
