"""The same events through Node-RED, side by side with Headrace.

Node-RED is installed from npm into ``bench/peers/node_modules`` by ``make bench-peers``. It runs headless in a
temporary folder with a flow of the same shape: TCP in, mapping, function, mapping, function with TCP out.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from headrace.testing.ledger import Ledger
from headrace.testing.measure import ROOT, RUN_PARTS, Processes, mappings, rate_label

__all__ = ["DIFFERENCES", "compared", "flow", "missing", "node_red", "ratios", "show", "version"]

PACKAGE = ROOT / "bench" / "peers" / "node_modules" / "node-red"
READY_WITHIN = 60.0
STOP_WITHIN = 10.0

DIFFERENCES = (
    "Node-RED keeps messages in memory only: what is under way when it ends is lost. "
    "Headrace stores every message on disk between steps and acknowledges it when its outputs are stored.",
    "Node-RED runs everything in one process. Headrace runs each step's code in a sandboxed process of its own.",
    "Node-RED gives its source no acknowledgement. Headrace tells the source when an event is safe.",
    "Headrace records every message in its history; Node-RED records nothing.",
    "Node-RED runs without its editor; Headrace's server (API, history) is counted only where it says so.",
)
"""What the figures cannot show, so that nobody reads more out of the ratios than is in them."""

SETTINGS = """\
// The wall clock in nanoseconds, set by the edges of its milliseconds: Date.now() alone is too coarse for ages.
const { performance } = require("perf_hooks");
let offset = 0;
for (let round = 0; round < 5; round++) {
  const tick = Date.now();
  while (Date.now() === tick);
  offset = Math.max(offset, Date.now() - performance.now());
}
module.exports = {
  flowFile: "flows.json",
  credentialSecret: false,
  httpAdminRoot: false,
  httpNodeRoot: false,
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false },
  logging: { console: { level: "warn" } },
  functionGlobalContext: { now: () => (offset + performance.now()) * 1e6 },
};
"""
ARRIVED = """\
const age = Math.round(global.get("now")() - msg.payload.sent);
msg.payload = `${msg.payload.n} ${age} 1\\n`;
return msg;
"""


def missing() -> str | None:
    """Why Node-RED cannot be run here, with the cure; `None` when it can."""
    if shutil.which("node") is None:
        return "Node-RED needs Node.js 20 or newer: install it, then run `make bench-peers`"
    if not (PACKAGE / "red.js").exists():
        return "Node-RED is not installed: `make bench-peers` installs it from npm and runs this"
    return None


def version() -> str:
    """Node-RED's version and that of the Node.js it runs on."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{json.loads((PACKAGE / 'package.json').read_text())['version']} on Node.js {node.removeprefix('v')}"


def flow(ledger: Ledger) -> list[dict[str, Any]]:
    """The flow under test as Node-RED keeps it: the same steps in the same order as Headrace's."""
    first, second = mappings("payload")
    nodes: list[dict[str, Any]] = [
        {"type": "tcp in", "server": "client", "port": ledger.source_port, "datatype": "utf8", "newline": "\\n"},
        {"type": "json", "property": "payload", "action": "obj"},
        {"type": "change", "rules": [_set(first)]},
        {"type": "function", "func": "return msg;", "outputs": 1},
        {"type": "change", "rules": [_set(second)]},
        {"type": "function", "func": ARRIVED, "outputs": 1},
        {"type": "tcp out", "beserver": "client", "port": ledger.sink_port},
    ]
    wired = [
        node | {"id": f"node{number}", "z": "tab", "wires": [[f"node{number + 1}"]], "host": "127.0.0.1"}
        for number, node in enumerate(nodes)
    ]
    wired[-1]["wires"] = []
    return [{"id": "tab", "type": "tab", "label": "bench"}, *wired]


def _set(expression: str) -> dict[str, str]:
    return {"t": "set", "p": "payload", "pt": "msg", "to": expression, "tot": "jsonata"}


@asynccontextmanager
async def node_red(ledger: Ledger) -> AsyncIterator[Processes]:
    """Node-RED connected to both ends of ``ledger``, ended afterwards; `RuntimeError` when it does not get there."""
    with tempfile.TemporaryDirectory(prefix="headrace-peer-") as name:
        folder = Path(name)
        (folder / "flows.json").write_text(json.dumps(flow(ledger)))
        (folder / "settings.js").write_text(SETTINGS)
        process = await _start(folder)
        try:
            if not await _connected(ledger, process):
                raise RuntimeError(f"Node-RED did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            yield {"node-red": [psutil.Process(process.pid)]}
        finally:
            await _end(process)


async def _start(folder: Path) -> asyncio.subprocess.Process:
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            "node",
            str(PACKAGE / "red.js"),
            *("--userDir", str(folder), "--settings", str(folder / "settings.js")),
            env=os.environ | {"NODE_RED_DISABLE_TELEMETRY": "1", "NODE_ENV": "production"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


async def _connected(ledger: Ledger, process: asyncio.subprocess.Process) -> bool:
    """Wait for both connections; `False` when the process ends first or takes too long."""

    async def both() -> None:
        await ledger.connected.wait()
        await ledger.hearing.wait()

    ready, gone = asyncio.ensure_future(both()), asyncio.ensure_future(process.wait())
    await asyncio.wait({ready, gone}, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    connected = ready.done()
    for task in (ready, gone):
        task.cancel()
    await asyncio.gather(ready, gone, return_exceptions=True)
    return connected


async def _end(process: asyncio.subprocess.Process) -> None:
    for signal in (process.terminate, process.kill):
        if process.returncode is None:
            signal()
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN)
            except TimeoutError:
                continue


def compared(row: Mapping[str, float], parts: Sequence[str]) -> dict[str, float]:
    """The figures of one side that both sides have: ``parts`` run the flow; all that was measured is the total."""
    everything = [key.removeprefix("cpu_us_") for key in row if key.startswith("cpu_us_")]
    return {
        "p50_ms": row["p50_ms"],
        "p99_ms": row["p99_ms"],
        "events_per_s": row["events_per_s"],
        "cpu_us": sum(row[f"cpu_us_{part}"] for part in parts),
        "cpu_us_with_server": sum(row[f"cpu_us_{part}"] for part in everything),
        "memory_idle_mb": sum(row[f"memory_idle_mb_{part}"] for part in parts),
        "memory_mb": sum(row[f"memory_mb_{part}"] for part in parts),
        "memory_mb_with_server": sum(row[f"memory_mb_{part}"] for part in everything),
    }


def ratios(headrace: Mapping[str, float], peer: Mapping[str, float]) -> dict[str, float]:
    """Headrace's figures as multiples of the peer's: 2.0 is twice as much."""
    ours, theirs = compared(headrace, RUN_PARTS), compared(peer, ("node-red",))
    return {key: round(ours[key] / theirs[key], 3) for key in ours if theirs[key]}


LINES = {
    "p50_ms": "latency p50, ms",
    "p99_ms": "latency p99, ms",
    "events_per_s": "throughput, events/s",
    "cpu_us": "CPU per event, µs",
    "cpu_us_with_server": "  with the server",
    "memory_idle_mb": "memory idle, MB",
    "memory_mb": "memory loaded, MB",
    "memory_mb_with_server": "  with the server",
}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print both sides, the ratios, and what they leave out."""
    table = Table(title=f"medians of {result['runs']} runs, Node-RED {result['peer']}")
    for heading in ("rate", "", "Headrace", "Node-RED", "ratio"):
        table.add_column(heading, justify="left" if heading in ("rate", "") else "right")
    for row in result["measurements"]:
        ours, theirs = compared(row["headrace"], RUN_PARTS), compared(row["node-red"], ("node-red",))
        for number, key in enumerate(_lines(row["rate"])):
            rate = "" if number else rate_label(row["rate"])
            ratio = row["ratios"].get(key, math.nan)
            table.add_row(rate, LINES[key], _figure(ours[key]), _figure(theirs[key]), f"{ratio:.2f}")
        table.add_section()
    console.print(table)
    console.print("What differs:", *(f"- {each}" for each in DIFFERENCES), sep="\n")


def _lines(rate: float) -> list[str]:
    """At a given rate the throughput says nothing; flat out the latency is that of a full queue."""
    return [key for key in LINES if key not in (("events_per_s",) if rate else ("p50_ms", "p99_ms"))]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
