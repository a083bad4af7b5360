from __future__ import annotations

from headrace.control.hints import EVERY, Hint, Hints


def test_the_first_hint_is_given_at_once() -> None:
    hints = Hints()
    hints.note("f1", "x1", facts=3, errors=1)
    assert hints.due(100.0) == [Hint("f1", "x1", 3, 1)]
    assert hints.due(100.0) == []


def test_a_busy_flow_hints_twice_a_second_and_leaves_nothing_out() -> None:
    hints = Hints()
    given = []
    for step in range(40):
        now = 100 + step * 0.05
        hints.note("f1", f"x{step}", facts=1)
        given += hints.due(now)
    given += hints.due(103.0)
    assert len(given) == 5
    assert sum(hint.facts for hint in given) == 40
    assert given[-1].execution == "x39"


def test_flows_do_not_wait_for_each_other() -> None:
    hints = Hints()
    hints.note("f1", "x1")
    hints.due(100.0)
    hints.note("f1", "x2")
    hints.note("f2", "x3")
    assert [hint.flow_id for hint in hints.due(100.1)] == ["f2"]
    assert [hint.flow_id for hint in hints.due(100.0 + EVERY)] == ["f1"]
