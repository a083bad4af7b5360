"""What the benchmark of speed runs, and how it shows what it found."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tests.unit.testing.test_peers import PARTS, row

from headrace.components import node
from headrace.errors import Unavailable
from headrace.flows import document
from headrace.testing import bench, speed
from headrace.testing.ledger import Ledger
from headrace.testing.versions import FOLDERS, folder


def _nothing() -> node.Node:
    raise Unavailable("no-node")


async def test_the_flow_is_the_same_whatever_language_its_hosts_are_in() -> None:
    async with Ledger() as ledger:
        made = speed.document(ledger, {"source": 1, "middle": 4, "sink": 2})
    written = document.parse(json.dumps(made))
    assert written.step_count == 5
    assert {step.id: step.version for step in written.steps} == {"source": 1, "middle": 4, "sink": 2}


def test_each_kind_of_hosts_has_a_component_for_each_step() -> None:
    for languages in speed.HOSTS.values():
        assert set(languages) == set(FOLDERS)
        assert all((folder(step, language) / "component.json").is_file() for step, language in languages.items())
    assert {len(set(languages.values())) for languages in speed.HOSTS.values()} == {1, 2}


def test_without_nodejs_only_python_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(node, "find", _nothing)
    assert speed.possible() == ("python",)
    assert bench.run(["--hosts", "python,mixed"]) == 1
    assert "no Node.js" in capsys.readouterr().err


def test_hosts_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.run(["--hosts", "python,ruby"])
    assert "'ruby' is none of python, node, mixed" in capsys.readouterr().err


def test_kinds_of_hosts_stand_together_in_one_table() -> None:
    figures = row(10, 20, *PARTS) | {"p95_ms": 4.0, "warm_up_ms": 100}
    rows = [{"hosts": name, "events": "300 B", "rate": 20.0} | figures for name in speed.HOSTS]
    out = io.StringIO()
    speed.show({"runs": 3, "measurements": rows}, Console(file=out, width=200))
    text = out.getvalue()
    assert "5 steps (3 hosts, 2 mappers), medians of 3 runs" in text
    assert all(text.count(name) == 2 for name in ("python", "mixed"))


def test_one_lost_event_fails_the_benchmark() -> None:
    assert not bench._any_lost({"measurements": [row(1, 1, *PARTS)]})
    assert bench._any_lost({"measurements": [row(1, 1, *PARTS), row(1, 1, *PARTS) | {"lost": 1}]})
