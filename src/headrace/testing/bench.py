"""``headrace bench``: latency, throughput, CPU and memory of a real flow on a real platform.

The flow has three steps and two mappers (five steps), with hosts of Python, of Node.js, and of both. Events of about
300 bytes (and once 3 KB larger) come from a ledger over TCP; age at arrival is measured in the last step's own process.
Server, recorder and history are on, as for any user. Figures are medians over the runs. Then a flow is published under
load: see `headrace.testing.redeploy`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from headrace.components import node
from headrace.errors import Unavailable
from headrace.testing import peers, redeploy, speed
from headrace.testing.ledger import Ledger
from headrace.testing.measure import ROOT, measure, medians, order, rate_label
from headrace.testing.platform import platform

__all__ = ["run"]

RESULTS = ROOT / "bench" / "results"


def run(argv: Sequence[str]) -> int:
    """Run the benchmark with command-line arguments ``argv``; the exit code."""
    parser = argparse.ArgumentParser(prog="headrace bench", description=__doc__)
    parser.add_argument("--runs", type=int, help="runs of each measurement; medians are shown (3; of publishes 1)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (5; of publishes 16)")
    parser.add_argument(
        "--hosts", type=_hosts, help=f"which languages, of {', '.join(speed.HOSTS)}: all that run here by default"
    )
    parser.add_argument(
        "--redeploy", action=argparse.BooleanOptionalAction, help="only, or without, what publishes cost a live flow"
    )
    parser.add_argument("--peers", action="store_true", help="the same events through Node-RED as well")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--no-store", action="store_true", help="do not write a file under bench/results/")
    options = parser.parse_args(argv)
    lacking = _lacking(options)
    if lacking:
        sys.stderr.write(f"{lacking}\n")
        return 1
    results = [_one(part, options) for part in _parts(options)]
    if options.json:
        whole = results[0][0] if len(results) == 1 else {"speed": results[0][0], "redeploy": results[1][0]}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    return int(any(failed for _, failed in results))


def _hosts(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for each in chosen:
        if each not in speed.HOSTS:
            raise argparse.ArgumentTypeError(f"{each!r} is none of {', '.join(speed.HOSTS)}")
    return chosen


def _parts(options: argparse.Namespace) -> list[Part]:
    if options.peers:
        return [Part("-peers", _compare, peers.show, _any_lost, 3, 10.0)]
    parts = [
        Part("", _speed, speed.show, _any_lost, 3, 5.0),
        Part("-redeploy", _redeploy, redeploy.show, redeploy.failed, 1, 16.0),
    ]
    return parts if options.redeploy is None else [parts[options.redeploy]]


def _one(part: Part, options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Measure, store and show one part; whether it failed comes with its result."""
    plan = Plan(
        runs=part.runs if options.runs is None else options.runs,
        seconds=part.seconds if options.seconds is None else options.seconds,
        hosts=options.hosts or speed.possible(),
        console=Console(stderr=True, quiet=options.json),
    )
    result = asyncio.run(part.measure(plan))
    if not options.no_store:
        _store(result, part.suffix)
    if not options.json:
        part.show(result, _console())
    return result, part.failed(result)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure; ``console`` tells how far it is."""

    runs: int
    seconds: float
    hosts: Sequence[str]
    console: Console


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark; ``suffix`` is that of its file, ``runs`` and ``seconds`` are what is usual."""

    suffix: str
    measure: Callable[[Plan], Coroutine[Any, Any, dict[str, Any]]]
    show: Callable[[dict[str, Any], Console], None]
    failed: Callable[[dict[str, Any]], bool]
    runs: int
    seconds: float


def _lacking(options: argparse.Namespace) -> str | None:
    components = ROOT / "bench" / "components"
    if not components.is_dir():
        return f"the benchmark needs the source tree: {components} does not exist"
    lacking = set(options.hosts or ()) - set(speed.possible())
    if lacking:
        return "there is no Node.js to measure: `headrace doctor` says what is missing"
    return peers.missing() if options.peers else None


def _store(result: dict[str, Any], suffix: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = datetime.now(UTC).strftime(f"%Y-%m-%dT%H%M%SZ{suffix}.json")
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n")


def _any_lost(result: dict[str, Any]) -> bool:
    rows = (row.get("headrace", row) for row in result["measurements"])
    return any(row["lost"] for row in rows)


async def _speed(plan: Plan) -> dict[str, Any]:
    if "node" not in plan.hosts:
        plan.console.print(f"hosts that are measured: {', '.join(plan.hosts)}")
    found = await speed.measurements(plan.hosts, plan.runs, plan.seconds, plan.console)
    return _conditions(plan.runs, plan.seconds) | {"measurements": found}


async def _redeploy(plan: Plan) -> dict[str, Any]:
    with platform() as running:
        plan.console.print("building two versions of the components …")
        measured = await redeploy.measure(running, plan.runs, plan.seconds, plan.console)
    return _conditions(plan.runs, plan.seconds) | measured


async def _compare(plan: Plan) -> dict[str, Any]:
    """Both sides, taking turns, so that a machine that changes its speed changes it for both."""
    hosts = plan.hosts[0]
    with platform() as running:
        revisions = speed.push(running, [hosts], plan.console)
        measurements = []
        for rate in speed.RATES:
            ours, theirs = [], []
            for number in range(plan.runs):
                told = f"Headrace, then Node-RED, {rate_label(rate)}, run {number + 1} of {plan.runs} …"
                plan.console.print(told)
                ours.append(await speed.once(running, hosts, revisions, rate, plan.seconds))
                theirs.append(await _measure_peer(rate, plan.seconds))
            row = {"headrace": medians(ours), "node-red": medians(theirs)}
            measurements.append({"rate": rate, **row, "ratios": peers.ratios(row["headrace"], row["node-red"])})
    conditions = _conditions(plan.runs, plan.seconds) | {"hosts": hosts, "peer": peers.version()}
    return conditions | {"differences": peers.DIFFERENCES, "measurements": measurements}


def _conditions(runs: int, seconds: float) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "processor": machine.processor() or machine.machine()},
        "python": machine.python_version(),
        "node": _node_version(),
        "runs": runs,
        "seconds": seconds,
    }


def _node_version() -> str | None:
    try:
        return node.find().version
    except Unavailable:
        return None


async def _measure_peer(rate: float, seconds: float) -> dict[str, float]:
    """One run of Node-RED."""
    async with Ledger(order()) as ledger, peers.node_red(ledger) as processes:
        return await measure(ledger, processes, rate, seconds)


def _console() -> Console:
    """Standard output; wide enough for the tables where there is no terminal to say how wide it is."""
    return Console() if sys.stdout.isatty() else Console(width=140)
