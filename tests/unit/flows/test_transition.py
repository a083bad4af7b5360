"""What carries over from one version to the next, and what the source of events notices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from tests.unit.flows.strategies import documents

from headrace.flows.catalog import Field, Offer
from headrace.flows.deployment import Code, StepSpec
from headrace.flows.document import Document, Step, parse
from headrace.flows.transition import Hooks, Reset, carries_over, hooks, interruption, resets

OLD = parse("""
flow: f
steps:
  - {id: t, trigger: shop/hook, fields: {region: eu}}
  - {id: a, after: t, action: crm/find}
  - {id: b, after: a, action: crm/save}
""")
TRIGGER = OLD.steps[0]
OFFER = Offer("trigger", "hook", "hook.py", fields={"size": Field("size", default=10)})


def test_snapshots_go_with_a_step_as_long_as_its_code_stays() -> None:
    t, a, b = OLD.steps
    new = replace(OLD, steps=(t, replace(a, component="erp"), replace(b, version=3, fields={"n": 1})))
    assert resets(OLD, new) == (Reset("a", "crm/find", "erp/find"),)


def test_a_step_of_another_id_has_no_snapshot_to_lose() -> None:
    t, a, b = OLD.steps
    assert resets(OLD, replace(OLD, steps=(t, replace(a, id="c", function="other"), b))) == ()


@given(documents)
def test_what_stays_resets_nothing(document: Document) -> None:
    assume(len({step.id for step in document.steps}) == len(document.steps))
    assert resets(document, document) == ()


def test_the_first_start_of_a_trigger_runs_startup_alone() -> None:
    assert hooks(None, None, TRIGGER, OFFER) == Hooks(shutdown=False, startup=True)


def test_startup_carries_over_to_new_code_of_the_same_trigger() -> None:
    new = replace(TRIGGER, version=7, note="better", poll_interval=5.0)
    assert hooks(TRIGGER, OFFER, new, OFFER) == Hooks(shutdown=False, startup=False)


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", "u"), ("component", "erp"), ("function", "other"), ("fields", {"region": "us"}), ("credential", "c")],
)
def test_another_source_is_left_and_entered(key: str, value: object) -> None:
    new: Step = replace(TRIGGER, **{key: value})  # type: ignore[arg-type]
    assert hooks(TRIGGER, OFFER, new, OFFER) == Hooks(shutdown=True, startup=True, changed=(key,))


def test_a_default_that_changed_is_a_field_that_changed() -> None:
    larger = replace(OFFER, fields={"size": Field("size", default=20)})
    assert hooks(TRIGGER, OFFER, TRIGGER, larger).changed == ("fields",)
    written = replace(TRIGGER, fields={"region": "eu", "size": 10})
    assert hooks(TRIGGER, OFFER, written, larger).changed == ()


def test_a_webhook_notices_nothing_of_a_handover() -> None:
    assert interruption("webhook", "handover", runs=True).expected_ms == 0
    assert interruption("webhook", "restart", runs=True, warm_ups=[300, 500]).expected_ms == 500


def test_others_notice_what_was_measured_before() -> None:
    assert interruption("listener", "handover", runs=True).expected_ms == 100
    assert interruption("listener", "handover", runs=True, gaps=[12, 30]).expected_ms == 30
    assert "later" in interruption("polling", "handover", runs=True).text
    assert interruption("polling", "restart", runs=True).expected_ms is None


def test_nothing_is_interrupted_that_does_not_run() -> None:
    assert interruption("listener", "restart", runs=False).expected_ms == 0


RUNNING = StepSpec(
    id="source",
    kind="trigger",
    function="events",
    main="events.py",
    code=Code(component="shop", revision=1, commit="a" * 40, root="/x", interpreter="python3"),
    fields={"region": "eu"},
    credential="c1",
)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "other"},
        {"function": "orders"},
        {"fields": {"region": "us"}},
        {"credential": "c2"},
        {"code": msgspec.structs.replace(RUNNING.code, component="erp")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_source_does_not_serve_the_next_deployment(changed: dict[str, Any]) -> None:
    assert not carries_over(RUNNING, msgspec.structs.replace(RUNNING, **changed))


def test_new_code_of_the_same_trigger_goes_on_with_what_startup_prepared() -> None:
    newer = msgspec.structs.replace(RUNNING.code, revision=2, commit="b" * 40)
    assert carries_over(RUNNING, msgspec.structs.replace(RUNNING, code=newer, log_level="debug"))
