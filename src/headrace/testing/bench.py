"""``headrace bench``: latency, throughput, CPU and memory of a real flow on a real platform.

The flow has three steps and two mappers (five steps). Events of about 300 bytes (and once 3 KB larger) come from a
ledger over TCP; age at arrival is measured in the last step's own process. Server, recorder and history are on, as
for any user. Figures are medians over the runs. Then the same flow is published under load: see
`headrace.testing.redeploy`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from headrace.testing import peers, redeploy
from headrace.testing.ledger import Ledger
from headrace.testing.measure import ROOT, RUN_PARTS, mappings, measure, medians, order, rate_label
from headrace.testing.platform import Platform, platform
from headrace.testing.versions import FOLDERS, folder

__all__ = ["run"]

RESULTS = ROOT / "bench" / "results"
FLOW = "bench"
RATES = (20.0, 200.0, 0.0)
PARTS = (*RUN_PARTS, "server")


def run(argv: Sequence[str]) -> int:
    """Run the benchmark with command-line arguments ``argv``; the exit code."""
    parser = argparse.ArgumentParser(prog="headrace bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement; medians are shown (3)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one measurement (10)")
    parser.add_argument(
        "--redeploy", action=argparse.BooleanOptionalAction, help="only, or without, what publishes cost a live flow"
    )
    parser.add_argument("--peers", action="store_true", help="the same events through Node-RED as well")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--no-store", action="store_true", help="do not write a file under bench/results/")
    options = parser.parse_args(argv)
    lacking = _lacking(with_peers=options.peers)
    if lacking:
        sys.stderr.write(f"{lacking}\n")
        return 1
    results = [_one(part, options) for part in _parts(options)]
    if options.json:
        whole = results[0][0] if len(results) == 1 else {"speed": results[0][0], "redeploy": results[1][0]}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    return int(any(failed for _, failed in results))


def _parts(options: argparse.Namespace) -> list[Part]:
    if options.peers:
        return [Part("-peers", _compare, peers.show, _any_lost)]
    parts = [Part("", _bench, _show, _any_lost), Part("-redeploy", _redeploy, redeploy.show, redeploy.failed)]
    return parts if options.redeploy is None else [parts[options.redeploy]]


def _one(part: Part, options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Measure, store and show one part; whether it failed comes with its result."""
    result = asyncio.run(part.measure(options.runs, options.seconds, Console(stderr=True, quiet=options.json)))
    if not options.no_store:
        _store(result, part.suffix)
    if not options.json:
        part.show(result, _console())
    return result, part.failed(result)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark; ``suffix`` is that of its file."""

    suffix: str
    measure: Callable[[int, float, Console], Coroutine[Any, Any, dict[str, Any]]]
    show: Callable[[dict[str, Any], Console], None]
    failed: Callable[[dict[str, Any]], bool]


def _lacking(*, with_peers: bool) -> str | None:
    components = ROOT / "bench" / "components"
    if not components.is_dir():
        return f"the benchmark needs the source tree: {components} does not exist"
    return peers.missing() if with_peers else None


def _store(result: dict[str, Any], suffix: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime(f"%Y-%m-%dT%H%M%SZ{suffix}.json")
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n")


def _any_lost(result: dict[str, Any]) -> bool:
    rows = (row.get("headrace", row) for row in result["measurements"])
    return any(row["lost"] for row in rows)


def document(ledger: Ledger) -> dict[str, Any]:
    """The flow under test."""
    shaped, told = mappings("body")
    return {
        "flow": FLOW,
        "type": "real-time",
        "steps": [
            {"id": "source", "trigger": "ledger-source/events", "fields": {"port": str(ledger.source_port)}},
            {
                "id": "shape",
                "after": "source",
                "action": "shape/pass",
                "input": shaped,
            },
            {
                "id": "sink",
                "after": "shape",
                "action": "ledger-sink/arrived",
                "input": told,
                "fields": {"port": str(ledger.sink_port)},
            },
        ],
    }


@contextmanager
def _prepared(console: Console) -> Iterator[Platform]:
    """A platform with the benchmark's components."""
    with platform() as running:
        for step, name in FOLDERS.items():
            console.print(f"building {name} …")
            running.headrace("component", "push", str(folder(step)))
        yield running


async def _bench(runs: int, seconds: float, console: Console) -> dict[str, Any]:
    with _prepared(console) as running:
        measurements = []
        for pad, label in ((0, "300 B"), (3_000, "3.3 KB")):
            for rate in RATES:
                rows = []
                for number in range(runs):
                    console.print(f"events of {label}, {rate_label(rate)}, run {number + 1} of {runs} …")
                    rows.append(await _measure(running, rate, seconds, pad))
                measurements.append({"events": label, "rate": rate} | medians(rows))
    return _conditions(runs, seconds) | {"measurements": measurements}


async def _redeploy(runs: int, seconds: float, console: Console) -> dict[str, Any]:
    """Publishes take a while: each run lasts twice as long."""
    with platform() as running:
        console.print("building two versions of the components …")
        measured = await redeploy.measure(running, runs, 2 * seconds, console)
    return _conditions(runs, 2 * seconds) | measured


async def _compare(runs: int, seconds: float, console: Console) -> dict[str, Any]:
    """Both sides, taking turns, so that a machine that changes its speed changes it for both."""
    with _prepared(console) as running:
        measurements = []
        for rate in RATES:
            ours, theirs = [], []
            for number in range(runs):
                console.print(f"Headrace, then Node-RED, {rate_label(rate)}, run {number + 1} of {runs} …")
                ours.append(await _measure(running, rate, seconds))
                theirs.append(await _measure_peer(rate, seconds))
            row = {"headrace": medians(ours), "node-red": medians(theirs)}
            measurements.append({"rate": rate, **row, "ratios": peers.ratios(row["headrace"], row["node-red"])})
    conditions = _conditions(runs, seconds) | {"peer": peers.version(), "differences": peers.DIFFERENCES}
    return conditions | {"measurements": measurements}


def _conditions(runs: int, seconds: float) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "processor": machine.processor() or machine.machine()},
        "python": machine.python_version(),
        "runs": runs,
        "seconds": seconds,
    }


async def _measure(running: Platform, rate: float, seconds: float, pad: int = 0) -> dict[str, float]:
    """One run: start the flow, let events pass, take stock, remove the flow."""
    async with Ledger(order(pad)) as ledger:
        await asyncio.to_thread(running.publish, document(ledger))
        await asyncio.wait_for(ledger.connected.wait(), 30)
        show = await asyncio.to_thread(running.json, "flow", "show", FLOW)
        row = await measure(ledger, running.processes(FLOW), rate, seconds)
        await asyncio.to_thread(running.headrace, "flow", "stop", FLOW)
        await asyncio.to_thread(running.headrace, "flow", "remove", FLOW, "--purge", "--yes")
    return row | {"warm_up_ms": show["deployment"]["ready_ms"]}


async def _measure_peer(rate: float, seconds: float) -> dict[str, float]:
    """One run of Node-RED."""
    async with Ledger(order()) as ledger, peers.node_red(ledger) as processes:
        return await measure(ledger, processes, rate, seconds)


def _console() -> Console:
    """Standard output; wide enough for the tables where there is no terminal to say how wide it is."""
    return Console() if sys.stdout.isatty() else Console(width=120)


def _show(result: dict[str, Any], console: Console) -> None:
    speed = Table(title=f"5 steps (3 Python hosts, 2 mappers), medians of {result['runs']} runs")
    for heading in ("events", "rate", "p50 ms", "p95 ms", "p99 ms", "events/s", "lost", "repeats", "warm-up ms"):
        speed.add_column(heading, justify="right")
    costs = Table(title="CPU µs per event · memory MB loaded (idle)")
    for heading in ("events", "rate", *PARTS, "flow and broker"):
        costs.add_column(heading, justify="right")
    for row in result["measurements"]:
        keys = ("p50_ms", "p95_ms", "p99_ms", "events_per_s")
        speed.add_row(
            row["events"],
            rate_label(row["rate"]),
            *(f"{row[key]:.2f}" if key != "events_per_s" else f"{row[key]:,.0f}" for key in keys),
            *(f"{row[key]:.0f}" for key in ("lost", "repeats", "warm_up_ms")),
        )
        parts = [
            f"{row[f'cpu_us_{part}']:.0f} · {row[f'memory_mb_{part}']:.0f} ({row[f'memory_idle_mb_{part}']:.0f})"
            for part in PARTS
        ]
        flow = sum(row[f"memory_mb_{part}"] for part in RUN_PARTS)
        idle = sum(row[f"memory_idle_mb_{part}"] for part in RUN_PARTS)
        costs.add_row(row["events"], rate_label(row["rate"]), *parts, f"{flow:.0f} ({idle:.0f})")
    console.print(speed)
    console.print(costs)
