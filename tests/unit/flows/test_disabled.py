"""Disabled steps: what runs is the document as if they, and what only they led to, were not in it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.flows.components import CATALOG, FILES, SHOP, code
from tests.unit.flows.strategies import documents
from tests.unit.flows.test_lint import good

from headrace.flows.deployment import DeploymentSpec
from headrace.flows.diff import diff
from headrace.flows.disabled import left_out, running
from headrace.flows.document import Document, parse, to_value, to_yaml
from headrace.flows.lint import check
from headrace.flows.publish import Resolved, compile_deployment

DIAMOND = """
flow: f
steps:
  - {id: t, trigger: shop/hook}
  - {id: a, after: t, action: shop/find-order, disabled: true}
  - {id: behind, after: a, action: shop/find-order}
  - {id: b, after: t, action: shop/find-order}
  - {id: joined, after: [behind, b], action: shop/find-order}
"""


@st.composite
def partly_disabled(draw: st.DrawFn) -> Document:
    """A good document with some of its actions disabled."""
    document = draw(good())
    ids = [step.id for step in document.steps if step.kind == "action"]
    chosen = draw(st.sets(st.sampled_from(ids)))
    return replace(document, steps=tuple(replace(step, disabled=step.id in chosen) for step in document.steps))


def problems(text: str) -> list[tuple[str, str, str]]:
    return [(each.path, each.reason, each.severity) for each in check(parse(text), CATALOG)]


def spec(document: Document) -> DeploymentSpec:
    described = {"shop": SHOP, "files": FILES}
    resolved = {step.id: Resolved(code(step.component), described[step.component]) for step in document.steps}
    return compile_deployment(
        document,
        resolved,
        flow_id="f1",
        version=1,
        epoch=1,
        journal_bytes=1,
        journal_keep=1,
        message_limit=1,
        queue_limit=1,
        step_memory=1,
        ready_within=1,
        stop_within=1,
        runtime_folder="",
    )


def test_what_only_a_disabled_step_leads_to_goes_with_it() -> None:
    document = parse(DIAMOND)
    assert left_out(document) == {"a", "behind"}
    assert {step.id: step.after for step in running(document).steps} == {"t": (), "b": ("t",), "joined": ("b",)}


def test_without_disabled_steps_a_document_runs_as_it_is() -> None:
    document = parse(DIAMOND.replace("disabled: true", "disabled: false"))
    assert running(document) is document


def test_it_is_written_and_shown_as_a_change() -> None:
    document = parse(DIAMOND)
    assert to_value(document)["steps"][1]["disabled"] is True
    before = parse(DIAMOND.replace(", disabled: true", ""))
    assert [(each.kind, each.step, each.path) for each in diff(before, document)] == [("added", "a", "disabled")]


def test_a_trigger_cannot_be_disabled() -> None:
    text = DIAMOND.replace("trigger: shop/hook", "trigger: shop/hook, disabled: true")
    assert problems(text) == [("steps[0].disabled", "trigger-key", "error")]
    assert left_out(parse(text)) == {"a", "behind"}


def test_a_step_that_runs_cannot_read_one_that_does_not() -> None:
    text = DIAMOND.replace("[behind, b], action", "[behind, b], input: $steps.behind.body, action")
    assert problems(text) == [("steps[4].input", "step-left-out", "error")]
    of_idle = DIAMOND.replace("id: behind, after: a,", "id: behind, after: a, input: $steps.a.body,")
    assert problems(of_idle) == []


def test_what_is_wrong_within_a_step_that_does_not_run_is_a_warning() -> None:
    broken = DIAMOND.replace("after: a, action: shop/find-order", "after: a, action: ghost/x, when: body.")
    assert [each[1:] for each in problems(broken)] == [("component-not-found", "warning"), ("expression", "warning")]


def test_the_way_to_a_step_is_judged_as_it_runs() -> None:
    """`joined` can read `b` always, as the other way to it is left out."""
    text = DIAMOND.replace("[behind, b], action", "[behind, b], input: $steps.b.body, action")
    assert problems(text) == []
    assert problems(text.replace("disabled: true", "disabled: false")) == [
        ("steps[4].input", "step-not-always", "warning")
    ]


@given(partly_disabled())
def test_what_runs_is_whole(document: Document) -> None:
    runs = running(document)
    ids = {step.id for step in runs.steps}
    assert not any(step.disabled for step in runs.steps)
    assert running(runs) is runs
    assert ids | left_out(document) == {step.id for step in document.steps}
    for step in runs.steps:
        assert set(step.after) <= ids
        assert step.after or step.kind == "trigger"
    assert not [each for each in check(runs, CATALOG) if each.severity == "error"]


@given(partly_disabled())
def test_nothing_more_is_left_out_than_must_be(document: Document) -> None:
    """A step that is not disabled is left out only when each step before it is."""
    gone = left_out(document)
    for step in document.steps:
        if step.kind == "action" and not step.disabled:
            assert (step.id in gone) == all(before in gone for before in step.after)


@given(partly_disabled())
def test_it_is_published_as_if_the_steps_were_not_there(document: Document) -> None:
    assert spec(document) == spec(running(document))
    assert parse(to_yaml(document)) == document


@given(documents)
def test_any_document_has_something_that_runs(document: Document) -> None:
    assert {step.id for step in running(document).steps}.isdisjoint(left_out(document))
