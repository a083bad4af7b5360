from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from headrace.testing import bench, peers
from headrace.testing.ledger import Ledger
from headrace.testing.measure import ROOT

PARTS = ("worker", "hosts", "broker", "server")


def row(cpu: float, memory: float, *parts: str) -> dict[str, float]:
    figures = {"p50_ms": 2.0, "p99_ms": 8.0, "events_per_s": 4000.0, "lost": 0, "repeats": 0}
    for part in parts:
        figures |= {f"cpu_us_{part}": cpu, f"memory_idle_mb_{part}": memory, f"memory_mb_{part}": memory}
    return figures


def test_the_server_counts_only_where_it_says_so() -> None:
    found = peers.ratios(row(10, 20, *PARTS), row(15, 30, "node-red"))
    assert (found["cpu_us"], found["cpu_us_with_server"]) == (2.0, 2.667)
    assert (found["memory_mb"], found["memory_mb_with_server"]) == (2.0, 2.667)
    assert found["p50_ms"] == 1.0


def test_a_figure_of_nothing_has_no_ratio() -> None:
    assert "cpu_us" not in peers.ratios(row(10, 20, *PARTS), row(0, 30, "node-red"))


def test_the_output_says_what_the_figures_leave_out() -> None:
    sides = {"headrace": row(10, 20, *PARTS), "node-red": row(15, 30, "node-red")}
    measurements = [{"rate": rate, **sides, "ratios": peers.ratios(*sides.values())} for rate in (20.0, 0.0)]
    out = io.StringIO()
    peers.show({"runs": 1, "peer": "4 on Node.js 20", "measurements": measurements}, Console(file=out, width=200))
    text = out.getvalue()
    assert all(each in text for each in peers.DIFFERENCES)
    assert text.count("throughput") == text.count("latency p50") == 1


async def test_its_flow_has_the_same_steps_between_the_two_ends_of_the_ledger() -> None:
    async with Ledger() as ledger:
        tab, *nodes = peers.flow(ledger)
    assert [node["type"] for node in nodes] == [
        "tcp in",
        "json",
        "change",
        "function",
        "change",
        "function",
        "tcp out",
    ]
    assert (nodes[0]["port"], nodes[-1]["port"]) == (ledger.source_port, ledger.sink_port)
    assert all(node["z"] == tab["id"] for node in nodes)
    ids = [node["id"] for node in nodes]
    assert [node["wires"] for node in nodes] == [*([[each]] for each in ids[1:]), []]


def test_what_is_missing_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "PACKAGE", tmp_path)
    assert bench.run(["--peers"]) == 1
    assert "make bench-peers" in capsys.readouterr().err


def test_the_lock_names_no_registry_and_checks_every_package() -> None:
    lock = json.loads((ROOT / "bench" / "peers" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert not [name for name, package in packages.items() if "resolved" in package]
    checked = {name for name, package in packages.items() if "integrity" in package or "inBundle" in package}
    assert not packages.keys() - checked
