"""Trying a draft from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.double import Refusal, Server, page
from tests.unit.cli.test_commands import Out

from headrace.cli import main

CALL: dict[str, Any] = {
    "state": "done",
    "input": {"body": {"n": 7}, "headers": {}, "large": None},
    "outputs": [{"body": {"found": 7}, "headers": {}, "large": None}],
    "error": None,
    "at": 1,
    "wait_us": 0,
    "map_us": 90,
    "call_us": 1200,
}
FAILED = {
    **CALL,
    "state": "failed",
    "outputs": [],
    "error": {"name": "ValueError", "message": "no [7]", "stack": "File x\nValueError: no [7]", "reason": "exception"},
}


def told(state: str = "done", call: dict[str, Any] = CALL, **changes: Any) -> dict[str, Any]:
    steps = [
        {"id": "orders", "state": "unreached", "calls": [], "count": 0, "log": []},
        {"id": "customer", "state": call["state"], "calls": [call], "count": 1, "log": []},
    ]
    known = {"number": 4, "flow": "orders", "form": "whole", "step": None, "state": state, "reason": "", "message": ""}
    return {**known, "ended_at": 5, "address": None, "until": None, "progress": [], "steps": steps, **changes}


STARTING = told("starting", ended_at=None, steps=[], progress=[{"step": "customer", "state": "building"}])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.cli.trial.LOOK_AGAIN", 0)


def test_progress_and_then_a_line_per_step(server: Server, capsys: Out) -> None:
    server.answers["POST /flows/orders/tests"] = STARTING
    server.answers["GET /flows/orders/tests/4"] = told()
    assert main(["flow", "test", "orders", "--up-to", "customer"]) == 0
    said = capsys.readouterr()
    assert "customer: building" in said.err
    assert [line.split() for line in said.out.splitlines()[1:]] == [
        ["orders", "not", "called"],
        ["customer", "done", "1", "1.2", "ms", '{"found":', "7}"],
    ]
    [asked] = server.bodies("POST /flows/orders/tests")
    assert asked == {"form": "up-to", "step": "customer", "fetch": False, "confirm": False}


def test_a_step_that_fails_is_1_with_its_own_words(server: Server, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "in.json").write_text('{"n": 7}')
    failed = told("failed", FAILED, reason="step-failed", message="step `customer` failed")
    server.answers["POST /flows/orders/tests"] = failed
    arguments = ["flow", "test", "orders", "--step", "customer", "--sample", str(tmp_path / "in.json")]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "ValueError: no [7]" in said.out
    assert "step `customer` failed (step-failed)" in said.err
    [asked] = server.bodies("POST /flows/orders/tests")
    assert (asked["form"], asked["input"]) == ("step", {"body": {"n": 7}})
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["steps"][1]["calls"][0]["error"]["name"] == "ValueError"


def test_a_fetch_that_may_write_is_asked_about_unless_told_not_to(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    refusal = Refusal(409, "may-write", "step `customer` may change something")
    server.answers["POST /flows/orders/tests"] = lambda request: (
        told() if json.loads(request.content)["confirm"] else refusal
    )
    monkeypatch.setattr("typer.confirm", lambda text, **_: None)
    assert main(["flow", "test", "orders", "--step", "customer", "--fetch"]) == 0
    assert [each["confirm"] for each in server.bodies("POST /flows/orders/tests")] == [False, True]
    assert main(["flow", "test", "orders", "--step", "customer", "--fetch", "--yes"]) == 0
    assert server.bodies("POST /flows/orders/tests")[-1]["confirm"] is True


def test_where_to_send_a_request_is_told_and_the_end_is_asked_for(server: Server, capsys: Out) -> None:
    waiting = told("waiting", ended_at=None, address="http://here/hooks/orders/test")
    server.answers["POST /flows/orders/tests"] = waiting
    server.answers["GET /flows/orders/tests/4"] = told()
    server.answers["DELETE /flows/orders/tests"] = None
    assert main(["flow", "test", "orders", "--step", "orders", "--fetch", "--end"]) == 0
    assert "send one to http://here/hooks/orders/test" in capsys.readouterr().err
    assert ("DELETE /flows/orders/tests", None) in server.asked


def test_samples_are_listed_shown_set_and_removed(server: Server, tmp_path: Path, capsys: Out) -> None:
    known = {"step": "customer", "body": {"n": 7}, "headers": {}, "source": "written", "made_at": 0}
    server.answers |= {
        "GET /flows/orders/samples": page(known),
        "GET /flows/orders/samples/customer": known,
        "PUT /flows/orders/samples/customer": known,
        "DELETE /flows/orders/samples/customer": None,
    }
    assert main(["flow", "sample", "orders"]) == 0
    assert "written" in capsys.readouterr().out
    assert main(["flow", "sample", "orders", "customer"]) == 0
    assert json.loads(capsys.readouterr().out) == {"n": 7}
    (tmp_path / "in.json").write_text("[1]")
    assert main(["flow", "sample", "orders", "customer", "--file", str(tmp_path / "in.json")]) == 0
    assert main(["flow", "sample", "orders", "customer", "--execution", "e1"]) == 0
    assert server.bodies("PUT /flows/orders/samples/customer") == [{"body": [1]}, {"execution": "e1"}]
    capsys.readouterr()
    assert main(["flow", "sample", "orders", "customer", "--remove"]) == 0
    assert capsys.readouterr().out == ""


def test_what_makes_no_sense_is_2_or_told(server: Server, tmp_path: Path, capsys: Out) -> None:
    assert main(["flow", "test", "orders", "--step", "a", "--up-to", "b"]) == 2
    assert main(["flow", "test", "orders", "--fetch"]) == 2
    assert main(["flow", "sample", "orders", "--remove"]) == 2
    assert main(["flow", "sample", "orders", "a", "--remove", "--execution", "e"]) == 2
    (tmp_path / "in.json").write_text("{")
    assert main(["flow", "test", "orders", "--sample", str(tmp_path / "in.json")]) == 1
    assert "is not JSON" in capsys.readouterr().err
    assert server.asked == []
