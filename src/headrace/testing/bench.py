"""``headrace bench``: latency, throughput, CPU and memory of a real flow on a real platform.

The flow has three steps and two mappers (five steps). Events of about 300 bytes (and once 3 KB larger) come from a
ledger over TCP; age at arrival is measured in the last step's own process. Server, recorder and history are on, as
for any user. Figures are medians over the runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from headrace.testing.ledger import Ledger, percentile

__all__ = ["run"]

ROOT = Path(__file__).parents[3]
COMPONENTS = ROOT / "bench" / "components"
RESULTS = ROOT / "bench" / "results"
FLOW = "bench"
MAPPING = (
    '{{"n": body.n, "sent": body.sent, "customer": {customer}, '
    '"total": $sum(body.lines.(price * qty)), "lines": body.lines}}'
)
ORDER = {
    "customer": {"name": "Ada Lovelace", "email": "ada@example.org", "city": "London"},
    "lines": [{"sku": f"A-{number}", "price": 9.5 + number, "qty": number + 1} for number in range(4)],
}
PARTS = ("worker", "hosts", "broker", "server")


def run(argv: Sequence[str]) -> int:
    """Run the benchmark with command-line arguments ``argv``; the exit code."""
    parser = argparse.ArgumentParser(prog="headrace bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement; medians are shown (3)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one measurement (10)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--no-store", action="store_true", help="do not write a file under bench/results/")
    options = parser.parse_args(argv)
    if not COMPONENTS.is_dir():
        sys.stderr.write(f"the benchmark needs the source tree: {COMPONENTS} does not exist\n")
        return 1
    result = asyncio.run(_bench(options.runs, options.seconds, quiet=options.json))
    if not options.no_store:
        RESULTS.mkdir(parents=True, exist_ok=True)
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ.json")
        (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        _show(result)
    return 0 if not any(row["lost"] for row in result["measurements"]) else 1


@contextmanager
def platform(*options: str) -> Iterator[Platform]:
    """A Headrace of its own in a temporary folder, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  components run as users of their own
        running = Platform(Path(folder) / "data")
        try:
            running.headrace("up", "--no-demo", *options)
            yield running
        finally:
            running.headrace("down")


class Platform:
    """A running Headrace, used through its command line."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def headrace(self, *arguments: str, text: str | None = None) -> str:
        """Run a command; its output. `RuntimeError` with what it said when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "headrace.cli", *arguments],
            input=text,
            env=os.environ | {"HEADRACE_DATA": str(self.data)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"headrace {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a reading command; what it prints with ``--json``."""
        return json.loads(self.headrace(*arguments, "--json"))

    def publish(self, document: dict[str, Any]) -> None:
        """Make a flow of ``document`` and have it run."""
        file = self.data.parent / f"{document['flow']}.json"
        file.write_text(json.dumps(document))
        self.headrace("flow", "apply", str(file), "--publish", "--start")

    def pid(self, part: str) -> int:
        """Process id of the server or the broker."""
        return int(json.loads((self.data / "run" / f"{part}.json").read_text())["pid"])

    def processes(self, flow: str) -> dict[str, list[psutil.Process]]:
        """The processes of a flow and of the platform, by `PARTS`."""
        from headrace import sandbox

        show = self.json("flow", "show", flow)
        worker = psutil.Process(int(show["deployment"]["worker_pid"]))
        hosts = [inner for child in worker.children() for inner in sandbox.family(child.pid)]
        return {
            "worker": [worker],
            "hosts": hosts,
            "broker": [psutil.Process(self.pid("broker"))],
            "server": [psutil.Process(self.pid("server"))],
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds spent so far and memory held now (proportional set size, MB), by part."""

    cpu: dict[str, float]
    memory: dict[str, float]


def usage(processes: dict[str, list[psutil.Process]]) -> Usage:
    """Look at ``processes`` once."""
    cpu = {part: sum(sum(each.cpu_times()[:2]) for each in found) for part, found in processes.items()}
    memory = {part: sum(each.memory_full_info().pss for each in found) / 1e6 for part, found in processes.items()}
    return Usage(cpu, memory)


def document(ledger: Ledger) -> dict[str, Any]:
    """The flow under test."""
    return {
        "flow": FLOW,
        "type": "real-time",
        "steps": [
            {"id": "source", "trigger": "ledger-source/events", "fields": {"port": str(ledger.source_port)}},
            {
                "id": "shape",
                "after": "source",
                "action": "shape/pass",
                "input": MAPPING.format(customer="body.customer.name"),
            },
            {
                "id": "sink",
                "after": "shape",
                "action": "ledger-sink/arrived",
                "input": MAPPING.format(customer="body.customer"),
                "fields": {"port": str(ledger.sink_port)},
            },
        ],
    }


async def _bench(runs: int, seconds: float, *, quiet: bool) -> dict[str, Any]:
    console = Console(stderr=True, quiet=quiet)
    with platform() as running:
        for name in ("ledger-source", "shape", "ledger-sink"):
            console.print(f"building {name} …")
            running.headrace("component", "push", str(COMPONENTS / name))
        measurements = []
        for pad, label in ((0, "300 B"), (3_000, "3.3 KB")):
            for rate in (20.0, 200.0, 0.0):
                rows = []
                for number in range(runs):
                    console.print(f"events of {label}, {_rate(rate)}, run {number + 1} of {runs} …")
                    rows.append(await _measure(running, rate, seconds, pad))
                measurements.append({"events": label, "rate": rate} | _medians(rows))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "processor": machine.processor() or machine.machine()},
        "python": machine.python_version(),
        "runs": runs,
        "seconds": seconds,
        "measurements": measurements,
    }


async def _measure(running: Platform, rate: float, seconds: float, pad: int) -> dict[str, float]:
    """One run: start the flow, let events pass, take stock, remove the flow."""
    async with Ledger(ORDER | ({"pad": "x" * pad} if pad else {})) as ledger:
        await asyncio.to_thread(running.publish, document(ledger))
        await asyncio.wait_for(ledger.connected.wait(), 30)
        show = await asyncio.to_thread(running.json, "flow", "show", FLOW)
        processes = running.processes(FLOW)
        idle = usage(processes)
        await ledger.at_rate(100, 0.5)  # caches and code paths are warm afterwards
        await ledger.all_arrived()
        warm, before, began = ledger.account.sent, usage(processes), time.perf_counter()
        await (ledger.at_rate(rate, seconds) if rate else ledger.flat_out(seconds))
        complete = await ledger.all_arrived()
        took, after = time.perf_counter() - began, usage(processes)
        await asyncio.to_thread(running.headrace, "flow", "stop", FLOW)
        await asyncio.to_thread(running.headrace, "flow", "remove", FLOW, "--purge", "--yes")
    account = ledger.account
    count = account.sent - warm
    ages = sorted(ages[0] for number, ages in account.arrivals.items() if number >= warm)
    row = {
        "p50_ms": percentile(ages, 0.5),
        "p95_ms": percentile(ages, 0.95),
        "p99_ms": percentile(ages, 0.99),
        "events_per_s": count / took,
        "lost": len(account.lost) + (0 if complete else account.sent - len(account.arrivals)),
        "repeats": account.repeats,
        "warm_up_ms": show["deployment"]["ready_ms"],
    }
    for part in PARTS:
        row[f"cpu_us_{part}"] = (after.cpu[part] - before.cpu[part]) / count * 1e6
        row[f"memory_idle_mb_{part}"] = idle.memory[part]
        row[f"memory_mb_{part}"] = after.memory[part]
    return row


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    worst = {"lost", "repeats"}
    return {
        key: max(row[key] for row in rows) if key in worst else round(statistics.median(row[key] for row in rows), 2)
        for key in rows[0]
    }


def _rate(rate: float) -> str:
    return f"{rate:.0f}/s" if rate else "flat out"


def _show(result: dict[str, Any]) -> None:
    console = Console()
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
            _rate(row["rate"]),
            *(f"{row[key]:.2f}" if key != "events_per_s" else f"{row[key]:,.0f}" for key in keys),
            *(f"{row[key]:.0f}" for key in ("lost", "repeats", "warm_up_ms")),
        )
        parts = [
            f"{row[f'cpu_us_{part}']:.0f} · {row[f'memory_mb_{part}']:.0f} ({row[f'memory_idle_mb_{part}']:.0f})"
            for part in PARTS
        ]
        flow = sum(row[f"memory_mb_{part}"] for part in ("worker", "hosts", "broker"))
        idle = sum(row[f"memory_idle_mb_{part}"] for part in ("worker", "hosts", "broker"))
        costs.add_row(row["events"], _rate(row["rate"]), *parts, f"{flow:.0f} ({idle:.0f})")
    console.print(speed)
    console.print(costs)
