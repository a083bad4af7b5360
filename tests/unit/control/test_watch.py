"""When a new deployment does worse than the one before it."""

from __future__ import annotations

import pytest

from headrace.bus.control import Leak, StepState, WorkerState
from headrace.control.watch import Health, fault, health


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (Health(minutes=1, received=100), None),
        (Health(minutes=1, received=100, failed=2), None),
        (Health(minutes=1, received=2, failed=2), Health(minutes=60, received=1000)),
        (Health(minutes=1, received=100, failed=20), Health(minutes=60, received=1000, failed=150)),
        (Health(minutes=1, restarts=2), Health(minutes=60)),
        (Health(minutes=1, restarts=5), Health(minutes=10, restarts=40)),
        (Health(minutes=0.2, restarts=3), Health(minutes=0.5, restarts=1)),
        (Health(minutes=0.2, stopped="for a leak"), Health(minutes=5, stopped="for a leak")),
    ],
    ids=[
        "calm",
        "accidents",
        "too-few-to-judge",
        "no-worse",
        "forgiven",
        "restarts-as-usual",
        "both-young",
        "both-leak",
    ],
)
def test_what_is_no_worse_keeps_the_flow(new: Health, old: Health | None) -> None:
    assert fault(new, old) == ""


@pytest.mark.parametrize(
    ("new", "old", "told"),
    [
        (Health(minutes=1, received=3, failed=3), None, "3 of 3 messages failed"),
        (
            Health(minutes=1, received=100, failed=36),
            Health(minutes=60, received=1000, failed=150),
            "36 of 100 messages failed (150 of 1000 before)",
        ),
        (Health(minutes=0.1, restarts=3), Health(minutes=60, received=9), "started again 3 times (0 times before)"),
        (Health(minutes=1, restarts=7), Health(minutes=10, restarts=40), "started again 7 times"),
        (Health(minutes=1, received=0, failed=3), None, "3 of 0 messages failed"),
        (Health(minutes=1, received=10, stopped="stopped for a leak"), None, "its trigger was stopped for a leak"),
    ],
    ids=["all-fail", "twice-as-many", "crashes", "crashes-more", "a-trigger-that-fails", "a-trigger-that-leaks"],
)
def test_what_is_worse_gives_it_back_and_says_by_how_much(new: Health, old: Health | None, told: str) -> None:
    assert told in fault(new, old)


def test_health_is_that_of_all_steps_and_of_the_worker() -> None:
    steps = (
        StepState(id="a", host="ready", received=10, failed=1, restarts=1),
        StepState(id="b", host="ready", received=9, failed=2),
    )
    state = WorkerState(flow_id="f", epoch=1, pid=1, created=100.0, phase="live", at=160_000, steps=steps)
    assert health(state, deaths=2) == Health(minutes=1.0, received=19, failed=3, restarts=3)
    assert health(state).share == 3 / 19


@pytest.mark.parametrize("stopped", [False, True])
def test_a_leak_counts_when_the_trigger_was_stopped_for_it(stopped: bool) -> None:
    leak = Leak(kind="timers", growth=1, cure="keep one", stopped=stopped)
    steps = (StepState(id="a", host="stopped", leak=leak),)
    state = WorkerState(flow_id="f", epoch=1, pid=1, created=100.0, phase="live", at=160_000, steps=steps)
    assert health(state).stopped == (leak.found if stopped else "")
