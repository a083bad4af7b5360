"""Differences by step and key."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.flows.strategies import documents

from headrace.flows.diff import Change, diff
from headrace.flows.document import Document, Step, parse

OLD = parse("""
flow: f
title: Orders
journal: {keep: 1h}
steps:
  - {id: t, trigger: shop/hook}
  - {id: a, after: t, action: x/y, fields: {n: 1, deep: {k: [1]}}, timeout: 5s}
  - {id: b, after: a, action: x/z, input: body}
""")


def test_nothing_changed() -> None:
    assert diff(OLD, OLD) == ()


def test_keys_of_the_flow() -> None:
    new = parse("flow: f\ntype: ordinary\njournal: {keep: 2h}\nsteps: []")
    assert diff(replace(OLD, steps=()), new) == (
        Change("changed", None, "type", "real-time", "ordinary"),
        Change("removed", None, "title", "Orders", None),
        Change("changed", None, "journal.keep", "1h", "2h"),
    )


def test_keys_of_a_step() -> None:
    t, a, b = OLD.steps
    changed = replace(a, fields={"n": True, "deep": {"k": [1.0], "m": None}}, timeout=None, when="1", component="q")
    assert diff(OLD, replace(OLD, steps=(t, changed, b))) == (
        Change("changed", "a", "action", "x/y", "q/y"),
        Change("changed", "a", "fields.n", 1, True),
        Change("added", "a", "fields.deep.m", None, None),
        Change("removed", "a", "timeout", "5s", None),
        Change("added", "a", "when", None, "1"),
    )


def test_steps_that_come_and_go() -> None:
    t, a, b = OLD.steps
    c = Step("c", "action", "x", "y", after=("t",))
    assert diff(OLD, replace(OLD, steps=(t, c, b))) == (
        Change("added", "c", "", None, {"id": "c", "action": "x/y", "after": "t"}),
        Change(
            "removed",
            "a",
            "",
            {"id": "a", "action": "x/y", "fields": dict(a.fields), "after": "t", "timeout": "5s"},
            None,
        ),
    )


def test_only_the_order_in_the_text() -> None:
    t, a, b = OLD.steps
    assert diff(OLD, replace(OLD, steps=(t, b, a))) == (
        Change("changed", None, "steps", ["t", "a", "b"], ["t", "b", "a"]),
    )


def test_a_draft_may_repeat_an_id() -> None:
    t, a, _ = OLD.steps
    doubled = replace(OLD, steps=(t, a, a))
    assert [(change.kind, change.step) for change in diff(OLD, doubled)] == [("added", "a (2)"), ("removed", "b")]


@given(documents, documents)
def test_the_other_way_round_is_the_same_backwards(old: Document, new: Document) -> None:
    backwards = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {(change.step, change.path): change for change in diff(old, new)}
    back = {(change.step, change.path): change for change in diff(new, old)}
    assert there.keys() == back.keys()
    for place, change in there.items():
        assert back[place].kind == backwards[change.kind]
        assert repr((back[place].before, back[place].after)) == repr((change.after, change.before))


@given(documents, st.data())
def test_empty_exactly_when_equal(old: Document, data: st.DataObject) -> None:
    assert diff(old, old) == ()
    new = data.draw(documents)
    assert diff(old, new) or old == new
