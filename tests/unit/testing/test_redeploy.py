"""What the benchmark of publishes makes of what it has seen."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.testing.ledger import Account, Change
from headrace.testing.redeploy import SIZES, Revisions, failed, figures

GOOD = {"strategy": "handover", "lost": 0, "repeats": 0, "doubled": 0, "overtaken": 0}


def result(**worse: Any) -> dict[str, Any]:
    return {"listener": [GOOD | worse], "webhook": [GOOD | {"refused": 0}], "backlog": [GOOD]}


def test_a_handover_that_harms_an_event_fails_the_benchmark() -> None:
    assert not failed(result())
    assert failed(result(lost=1))
    assert failed(result(overtaken=1))
    assert failed(result() | {"webhook": [GOOD | {"refused": 1}]})


def test_what_a_restart_costs_fails_nothing() -> None:
    assert not failed(result(strategy="restart", overtaken=3))


def test_every_step_gets_the_version() -> None:
    revisions = Revisions({1: {"source": 1, "middle": 2, "sink": 3}})
    assert revisions.use(1, 4) == {"source": 1, "middle": 2, "middle2": 2, "sink": 3}
    assert revisions.use(1, 3, webhook=True) == {"middle": 2, "sink": 3}


@pytest.mark.parametrize("steps", SIZES)
def test_hosts_and_mappers_add_up_to_the_steps(steps: int) -> None:
    assert sum(SIZES[steps]) == steps
    assert SIZES[steps][1] < SIZES[steps][0]


def test_figures_are_of_the_events_and_of_the_changes_at_the_source() -> None:
    account = Account(sent=4, arrivals={0: [1.0], 1: [2.0, 9.0], 2: [30.0]}, overtaken=1)
    account.changes = [Change(10.0, 10.02), Change(20.0, 20.05)]
    found = figures(account)
    assert (found["lost"], found["repeats"], found["overtaken"]) == (1, 1, 1)
    assert (found["age_p50_ms"], found["added_max_ms"]) == (2.0, 28.0)
    assert found["gap_max_ms"] == pytest.approx(50)
