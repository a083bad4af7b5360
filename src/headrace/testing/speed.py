"""The first part of ``headrace bench``: latency, throughput, CPU and memory of a flow whose steps are of known shape.

Three steps and two mappers, with hosts of one language or of both. Cases take turns, so that a machine that changes its
speed changes it for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table

from headrace.components import node
from headrace.errors import Unavailable
from headrace.testing.ledger import Ledger
from headrace.testing.measure import RUN_PARTS, mappings, measure, medians, order, rate_label
from headrace.testing.platform import Platform, platform
from headrace.testing.versions import FOLDERS, Language, good

__all__ = ["HOSTS", "RATES", "Revisions", "document", "measurements", "once", "possible", "push", "show"]

FLOW = "bench"
RATES = (20.0, 200.0, 0.0)
SIZES = {"300 B": 0, "3.3 KB": 3_000}
"""Bytes more than the smallest order, by what the events are called."""
PARTS = (*RUN_PARTS, "server")
HOSTS: Mapping[str, Mapping[str, Language]] = MappingProxyType(
    {
        "python": {"source": "python", "middle": "python", "sink": "python"},
        "node": {"source": "node", "middle": "node", "sink": "node"},
        "mixed": {"source": "python", "middle": "node", "sink": "python"},
    }
)
"""The language of each step's host."""

Revisions = Mapping[Language, Mapping[str, int]]
"""Language → step → revision of its component."""


def possible() -> tuple[str, ...]:
    """Which of `HOSTS` this machine can run."""
    try:
        node.find()
    except Unavailable:
        return ("python",)
    return tuple(HOSTS)


def push(running: Platform, hosts: Collection[str], console: Console) -> Revisions:
    """Build the components that ``hosts`` need; both languages' have the same names."""
    found: dict[Language, dict[str, int]] = {}
    for language in sorted({each for name in hosts for each in HOSTS[name].values()}):
        console.print(f"building the components in {language} …")
        found[language] = {step: running.push(name, good(step, 1, language)) for step, name in FOLDERS.items()}
    return found


def document(ledger: Ledger, use: Mapping[str, int]) -> dict[str, Any]:
    """The flow under test; ``use`` has the revision of each step."""
    shaped, told = mappings("body")
    steps: list[dict[str, Any]] = [
        {"id": "source", "trigger": "ledger-source/events", "fields": {"port": str(ledger.source_port)}},
        {"id": "middle", "after": "source", "action": "shape/pass", "input": shaped},
        {
            "id": "sink",
            "after": "middle",
            "action": "ledger-sink/arrived",
            "input": told,
            "fields": {"port": str(ledger.sink_port)},
        },
    ]
    return {"flow": FLOW, "type": "real-time", "steps": [{**step, "version": use[step["id"]]} for step in steps]}


async def measurements(hosts: Sequence[str], runs: int, seconds: float, console: Console) -> list[dict[str, Any]]:
    """A row per size, rate and kind of hosts: medians of the runs."""
    rows: list[dict[str, Any]] = []
    with platform() as running:
        revisions = push(running, hosts, console)
        for label, pad in SIZES.items():
            for rate in RATES:
                found: dict[str, list[dict[str, float]]] = {name: [] for name in hosts}
                for number in range(runs):
                    for name in hosts:
                        told = f"hosts: {name}, events of {label}, {rate_label(rate)}, run {number + 1} of {runs} …"
                        console.print(told)
                        found[name].append(await once(running, name, revisions, rate, seconds, pad=pad))
                rows += [{"hosts": name, "events": label, "rate": rate} | medians(found[name]) for name in hosts]
    return rows


async def once(
    running: Platform, hosts: str, revisions: Revisions, rate: float, seconds: float, *, pad: int = 0
) -> dict[str, float]:
    """One run: start the flow, let events pass, take stock, remove the flow."""
    use = {step: revisions[language][step] for step, language in HOSTS[hosts].items()}
    async with Ledger(order(pad)) as ledger:
        await asyncio.to_thread(running.publish, document(ledger, use))
        await asyncio.wait_for(ledger.connected.wait(), 30)
        found = await asyncio.to_thread(running.json, "flow", "show", FLOW)
        row = await measure(ledger, running.processes(FLOW), rate, seconds)
        await asyncio.to_thread(running.headrace, "flow", "stop", FLOW)
        await asyncio.to_thread(running.headrace, "flow", "remove", FLOW, "--purge", "--yes")
    return row | {"warm_up_ms": found["deployment"]["ready_ms"]}


def show(result: Mapping[str, Any], console: Console) -> None:
    """The tables: rows of one kind of events and one rate stand together."""
    speed = Table(title=f"5 steps (3 hosts, 2 mappers), medians of {result['runs']} runs")
    figures = ("p50 ms", "p95 ms", "p99 ms", "events/s", "lost", "repeats", "warm-up ms")
    for heading in ("events", "rate", "hosts", *figures):
        speed.add_column(heading, justify="right")
    costs = Table(title="CPU µs per event · memory MB loaded (idle)")
    for heading in ("events", "rate", "hosts", *(f"{part}" for part in PARTS), "flow and broker"):
        costs.add_column(heading, justify="right")
    for row in result["measurements"]:
        label = (row["events"], rate_label(row["rate"]), row["hosts"])
        speed.add_row(
            *label,
            *(f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
            f"{row['events_per_s']:,.0f}",
            *(f"{row[key]:.0f}" for key in ("lost", "repeats", "warm_up_ms")),
        )
        parts = [
            f"{row[f'cpu_us_{part}']:.0f} · {row[f'memory_mb_{part}']:.0f} ({row[f'memory_idle_mb_{part}']:.0f})"
            for part in PARTS
        ]
        flow = sum(row[f"memory_mb_{part}"] for part in RUN_PARTS)
        idle = sum(row[f"memory_idle_mb_{part}"] for part in RUN_PARTS)
        costs.add_row(*label, *parts, f"{flow:.0f} ({idle:.0f})")
    console.print(speed)
    console.print(costs)
