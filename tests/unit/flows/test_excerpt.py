"""Parts of a document as they are written."""

from __future__ import annotations

from headrace.flows.excerpt import excerpt, written

DOCUMENT = """
flow: orders
steps:
  - id: orders
    trigger: shop/look
  - id: customer
    after: orders
    action: crm/find   # a person's remark
    fields: {level: gold}
  - {id: other, after: orders, action: crm/find, nonsense: 1}
  - id: invoice
    after: [customer, orders]
    action: erp/bill
"""


def test_only_the_step_and_those_before_it_are_kept_in_the_documents_order() -> None:
    assert [each["id"] for each in written(DOCUMENT, "invoice")] == ["orders", "customer", "invoice"]
    assert written(DOCUMENT, "customer")[1]["fields"] == {"level": "gold"}
    part = excerpt(DOCUMENT, "customer")
    assert [each["id"] for each in written(part)] == ["orders", "customer"]
    assert "nonsense" not in part


def test_mistakes_elsewhere_and_cycles_do_no_harm() -> None:
    assert len(written(DOCUMENT)) == 4
    loop = "flow: a\nsteps: [{id: one, after: two}, {id: two, after: [one, 7, gone]}, {id: 3}, text]\n"
    assert [each["id"] for each in written(loop, "one")] == ["one", "two"]


def test_what_cannot_be_told_is_left_as_it_is() -> None:
    for text in ("flow: [", "text", "flow: a", DOCUMENT):
        assert excerpt(text, "nobody") == text
        assert written(text, "nobody") == []
