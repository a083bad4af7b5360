from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from headrace.bus.client import Done, Stored
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.worker.trace import LINES_A_SECOND, LINES_ON_THE_WAY, LONGEST_ENTRY, StepLog

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(id="s", kind="action", function="s", main="s.py", code=CODE)
SPEC = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(STEP,))


class Shelf:
    """Takes what is stored and answers when told to."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.open: list[Done] = []

    def store_nowait(self, subject: str, data: bytes, done: Done) -> None:
        self.lines.append(msgspec.json.decode(data))
        self.open.append(done)

    def answer(self) -> None:
        while self.open:
            self.open.pop()(Stored(1, False))


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def log(shelf: Shelf) -> StepLog:
    return StepLog(shelf, SPEC, "s", "info")  # type: ignore[arg-type]


def test_lines_beyond_what_the_broker_takes_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chatty component and a broker that is away for a night."""
    clock, shelf = Clock(monkeypatch), Shelf()
    step = log(shelf)
    for second in range(50):
        clock.now = 100.0 + second
        for _ in range(100):
            step.write("info", "chatter")
    assert len(shelf.lines) == LINES_ON_THE_WAY
    shelf.answer()
    clock.now += 1
    step.write("info", "later")
    assert [line["text"] for line in shelf.lines[-2:]] == [
        f"{50 * 100 - LINES_ON_THE_WAY} lines were dropped: there were too many at once",
        "later",
    ]


def test_lines_beyond_what_a_second_may_have_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, shelf = Clock(monkeypatch), Shelf()
    step = log(shelf)
    for _ in range(LINES_A_SECOND + 5):
        step.write("info", "chatter")
        shelf.answer()
    assert len(shelf.lines) == LINES_A_SECOND
    clock.now += 1
    step.write("info", "later")
    assert shelf.lines[-2]["text"].startswith("5 lines were dropped")


def test_fields_too_large_for_a_line_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    log(shelf).write("info", "look", fields={"much": "x" * LONGEST_ENTRY})
    assert shelf.lines[0]["text"] == "look" and "fields" not in shelf.lines[0]


def test_a_traceback_leaves_no_empty_line_behind() -> None:
    shelf = Shelf()
    log(shelf).platform("error", "Traceback …\nValueError: bad\n")
    assert shelf.lines[0]["text"] == "Traceback …\nValueError: bad"
