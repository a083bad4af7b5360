"""What is said of each step while a deployment takes the place of another."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.unit.cli.samples import PLAN, deployment, step

from headrace.cli.progress import Display, Line, building_lines, lines

STATES = ("warming", "ready", "live", "draining", "standby", "stopped", "failed")
HOSTS = ("", "starting", "ready", "backoff", "stopping", "stopped", "failed")


def said(new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, str]:
    return {line.step: f"{line.state} {line.note}".strip() for line in lines(new, old)}


@pytest.mark.parametrize(
    ("state", "host", "expected"),
    [
        ("warming", "", "waiting"),
        ("warming", "starting", "starting"),
        ("warming", "backoff", "starting again"),
        ("warming", "ready", "ready 12 ms"),
        ("ready", "ready", "ready 12 ms"),
        ("live", "ready", "live 12 ms"),
        ("stopped", "stopped", "stopped"),
        ("failed", "stopped", "stopped"),
    ],
)
def test_a_first_deployment(state: str, host: str, expected: str) -> None:
    assert said(deployment(1, state, steps=[step("a", host)])) == {"a": expected}


def test_a_step_that_failed_says_why() -> None:
    failed = deployment(1, "warming", steps=[step("a", "failed", reason="no module")])
    assert said(failed) == {"a": "failed no module"}


@pytest.mark.parametrize(
    ("state", "waiting", "expected"),
    [
        ("draining", 3, "took over 12 ms, the old one drains (3 messages left)"),
        ("draining", 0, "took over 12 ms, the old one drains"),
        ("standby", 0, "took over 12 ms, the old one stands by"),
        ("stopped", 0, "took over 12 ms, the old one stopped"),
    ],
)
def test_a_step_that_took_over_tells_of_the_old_one(state: str, waiting: int, expected: str) -> None:
    old = deployment(1, state, steps=[step("a", waiting=waiting)])
    assert said(deployment(2, "live", steps=[step("a")]), old) == {"a": expected}


def test_steps_that_come_and_go() -> None:
    old = deployment(1, "draining", steps=[step("a"), step("gone")])
    assert said(deployment(2, "live", steps=[step("a"), step("new")]), old) == {
        "a": "took over 12 ms, the old one drains",
        "new": "live 12 ms",
        "gone": "drains goes",
    }


def test_a_restart_waits_for_the_old_one() -> None:
    new = deployment(2, "warming", strategy="restart", steps=[step("a", "")])
    assert said(new, deployment(1, "live", steps=[step("a")])) == {"a": "waiting deployment 1 stops first"}


def test_steps_whose_component_is_built() -> None:
    plan = {**PLAN, "building": [{"component": "erp", "revision": 5, "state": "building"}]}
    assert building_lines(plan) == [Line("erp", "building", "erp revision 5")]


DEPLOYMENTS = st.builds(
    lambda state, steps: deployment(2, state, steps=[step(*each) for each in steps]),
    st.sampled_from(STATES),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(HOSTS)), unique_by=lambda each: each[0]),
)


@given(DEPLOYMENTS, st.none() | DEPLOYMENTS)
def test_every_step_has_one_line_whatever_happens(new: dict[str, Any], old: dict[str, Any] | None) -> None:
    ids = [each["id"] for each in new["steps"]]
    gone = [each["id"] for each in old["steps"] if each["id"] not in ids] if old else []
    assert [line.step for line in lines(new, old)] == [*ids, *gone]


def display(terminal: bool) -> tuple[Display, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, markup=False, highlight=False)
    return Display(console, "orders, deployment 8"), written


def test_without_a_terminal_only_changes_are_written() -> None:
    shown, written = display(terminal=False)
    with shown:
        shown.show([Line("a", "starting"), Line("b", "starting")])
        shown.show([Line("a", "starting"), Line("b", "starting")])
        shown.show([Line("a", "ready", "9 ms"), Line("b", "starting")])
    assert written.getvalue().splitlines() == [
        "orders, deployment 8",
        "  a: starting",
        "  b: starting",
        "  a: ready 9 ms",
    ]


def test_on_a_terminal_the_steps_stay_in_place() -> None:
    shown, written = display(terminal=True)
    with shown:
        shown.show([Line("a", "starting")])
        shown.show([Line("a", "ready", "9 ms")])
    assert written.getvalue().count("orders, deployment 8") >= 2
    assert "\x1b[" in written.getvalue()
