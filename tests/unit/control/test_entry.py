"""Where a test of a draft begins."""

from __future__ import annotations

import pytest

from headrace.control.entry import Content, begin
from headrace.errors import NotFound, Refused
from headrace.flows.document import parse
from headrace.store.tests import Form

DRAFT = parse("""
flow: orders
steps:
  - {id: orders, trigger: shop/look}
  - {id: customer, after: orders, action: crm/find, input: '{"n": body.n}'}
  - {id: other, after: orders, action: crm/find}
  - {id: invoice, after: customer, action: erp/bill, input: '{"n": $steps.orders.body.n, "to": body.id}'}
""")
SAMPLES = {"orders": Content({"n": 1}), "customer": Content({"id": 2}, {"h": 3})}


def test_the_whole_draft_begins_with_the_triggers_sample() -> None:
    entry = begin(DRAFT, "whole", None, None, SAMPLES)
    assert (entry.at, entry.step, entry.content) == ("output", "orders", Content({"n": 1}))
    assert set(entry.only) == {"customer", "other", "invoice"}


def test_up_to_a_step_leaves_out_what_does_not_lead_there() -> None:
    entry = begin(DRAFT, "up-to", "invoice", Content({"n": 9}), SAMPLES)
    assert (entry.at, entry.content, set(entry.only)) == ("output", Content({"n": 9}), {"customer", "invoice"})


def test_one_step_gets_the_sample_before_it_and_those_it_reads() -> None:
    entry = begin(DRAFT, "step", "invoice", None, SAMPLES)
    assert (entry.at, entry.step, entry.before, entry.stage) == ("inbox", "invoice", "customer", "raw")
    assert (entry.content, entry.passthrough) == (SAMPLES["customer"], {"orders": SAMPLES["orders"]})
    assert entry.only == ("invoice",)


def test_an_input_that_is_given_is_not_mapped() -> None:
    entry = begin(DRAFT, "step", "invoice", Content({"n": 4}), {})
    assert (entry.stage, entry.content) == ("mapped", Content({"n": 4}))


def test_a_trigger_alone_is_called() -> None:
    forms: tuple[Form, ...] = ("step", "up-to")
    assert [begin(DRAFT, form, "orders", None, {}).at for form in forms] == ["trigger", "trigger"]


@pytest.mark.parametrize(
    ("form", "step", "samples", "lacks"),
    [
        ("whole", None, {}, "orders"),
        ("up-to", "customer", {}, "orders"),
        ("step", "customer", {}, "orders"),
        ("step", "invoice", {"orders": Content()}, "customer"),
        ("step", "invoice", {"customer": Content()}, "orders"),
    ],
)
def test_a_sample_that_is_missing_is_named(
    form: Form, step: str | None, samples: dict[str, Content], lacks: str
) -> None:
    with pytest.raises(Refused, match=f"`{lacks}` has no sample") as refused:
        begin(DRAFT, form, step, None, samples)
    assert refused.value.reason == "no-sample"


def test_a_step_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound) as refused:
        begin(DRAFT, "step", "nobody", None, SAMPLES)
    assert refused.value.reason == "no-such-step"
