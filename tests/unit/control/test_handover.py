"""What is kept of a switch, from what the workers said."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.bus.control import WorkerState
from headrace.control.handover import Silenced, is_measured, settled, switched, taken_over

AT = 1_700_000_000_000_000
"""Microseconds."""


def state(epoch: int, **more: Any) -> WorkerState:
    return WorkerState(flow_id="f", epoch=epoch, pid=1, created=0.0, phase="live", at=AT // 1000, **more)


def test_the_gap_lies_between_the_two_triggers_and_the_hooks_are_told_apart() -> None:
    old, new = state(1, hooks_us=30_000), state(2, trigger_on=AT + 80_000, hooks_us=20_000)
    facts = switched(Silenced(1, AT), old, new, always_open=False)
    assert facts == {"from_epoch": 1, "switched_at": (AT + 80_000) // 1000, "gap_ms": 30.0, "hooks_ms": 50.0}
    assert settled(facts, old, new)["longest_delay_ms"] == 80.0, "an event waits for the hooks too"


def test_an_inbox_that_is_always_open_has_no_gap() -> None:
    facts = switched(Silenced(1, AT), None, state(2, trigger_on=AT + 80_000), always_open=True)
    assert facts["gap_ms"] == 0
    assert settled(facts, None, state(2, longest_wait=4_000))["longest_delay_ms"] == 4


def test_clocks_that_differ_make_no_negative_gap() -> None:
    assert switched(Silenced(1, AT), None, state(2, trigger_on=AT - 5), always_open=False)["gap_ms"] == 0


def test_the_first_deployment_takes_nobodys_place() -> None:
    facts = switched(None, None, state(1), always_open=False)
    assert facts == {}
    assert is_measured(facts)
    assert is_measured(None)


def test_what_settles_is_the_sum_of_both_workers() -> None:
    known = switched(Silenced(1, AT), None, state(2, trigger_on=AT + 10_000), always_open=False)
    assert not is_measured(known)
    old, new = state(1, drained=7, repeats=1, longest_wait=60_000), state(2, repeats=2, longest_wait=50_000)
    facts = settled(known, old, new)
    assert facts == {
        "longest_delay_ms": 60.0,
        "repeats_removed": 3,
        "order": "kept",
        "taken_over": 0,
        "parked": 0,
        "drained": 7,
    }
    assert is_measured({**known, **facts})
    assert "drained" not in settled(known, None, new), "nobody heard the old one out"


@pytest.mark.parametrize(("running", "order"), [(True, "given up"), (False, None)])
def test_take_overs_add_up_and_give_up_order_behind_newer_messages(running: bool, order: str | None) -> None:
    first = taken_over(None, 3, 1, running=False)
    second = taken_over(first, 2, 0, running=running)
    assert (second["taken_over"], second["parked"], second.get("order")) == (5, 1, order)
    assert taken_over(second, 0, 0, running=True) == {}
    assert settled({**first, **second}, None, state(2))["taken_over"] == 5


def test_a_step_that_did_not_wait_gives_up_order() -> None:
    assert settled({}, None, state(2, order_kept=False))["order"] == "given up"
