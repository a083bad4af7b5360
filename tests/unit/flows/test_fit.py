"""Whether expressions fit what components say of their steps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.fit import misfits, unknown_reads
from headrace.flows.mapping import Expression

INVOICE = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "required": True},
        "total": {"type": "number"},
        "kind": {"enum": ["a", "b"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
    },
}


@pytest.mark.parametrize(
    ("value", "path", "reason", "severity"),
    [
        ({}, "email", "missing", "error"),
        ({"email": 1}, "email", "type", "error"),
        ({"email": "a", "total": "12"}, "total", "type", "error"),
        ({"email": "a", "kind": "c"}, "kind", "choice", "error"),
        ({"email": "a", "lines": [{"price": 1}, {"price": "x"}]}, "lines[1].price", "type", "error"),
        ({"email": "a", "totla": 1}, "totla", "unknown-field", "warning"),
        ({"email": "a", "lines": [{"prise": 1}]}, "lines[0].prise", "unknown-field", "warning"),
    ],
)
def test_what_does_not_fit_names_the_field(value: object, path: str, reason: str, severity: str) -> None:
    (found,) = misfits(value, INVOICE)
    assert (found.path, found.reason, found.severity) == (path, reason, severity)


def test_what_fits_is_not_told() -> None:
    assert misfits({"email": "a", "total": 1.5, "kind": "a", "lines": [{"price": 1}]}, INVOICE) == ()
    assert misfits({"a": 1}, {"type": "object"}) == ()
    assert misfits({"a": 1}, {"properties": {"b": {}}, "additionalProperties": True}) == ()
    assert misfits(12, None) == ()


def test_mistakes_say_their_cure() -> None:
    (found,) = misfits({"email": "a", "total": "12"}, INVOICE)
    assert str(found) == "total: must be a number, and is text ($number(…) makes a number of text)"
    (found,) = misfits({"email": "a", "totla": 1}, INVOICE)
    assert found.suggestion == "did you mean `total`?"


def test_fields_that_are_forbidden_are_told_once() -> None:
    (found,) = misfits({"a": 1, "b": 2}, {"properties": {"a": {}}, "additionalProperties": False})
    assert (found.reason, found.severity) == ("additionalProperties", "error")


def test_references_within_the_schema_are_followed_and_others_never_fetched() -> None:
    person = {"properties": {"name": {"type": "string"}}}
    schema = {"properties": {"to": {"$ref": "#/definitions/person"}}, "definitions": {"person": person}}
    (found,) = misfits({"to": {"name": 1}}, schema)
    assert found.path == "to.name"
    (found,) = misfits({"to": {}}, {"properties": {"to": {"$ref": "http://127.0.0.1:9/person.json"}}})
    assert (found.reason, found.severity) == ("bad-schema", "error")


def test_what_is_no_schema_is_told_and_never_raised() -> None:
    (found,) = misfits({}, {"type": "tex"})
    assert found.reason == "bad-schema"


def test_a_schema_that_holds_itself_in_many_ways_is_read_once() -> None:
    itself: dict[str, Any] = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"properties": {"a": {"$ref": "#"}}}]}
    reads = {"input": {"body": {"a": {"a": {"b": True}}}}}
    assert [each.path for each in unknown_reads(reads, {"s": itself}, ["s"])] == ["body.a.a.b"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["type", "properties", "items", "required", "enum", "anyOf", "$ref", "additionalProperties", "a", "b"]
SCHEMA = st.recursive(
    st.sampled_from([True, False, "string", "object", "array", "#", "#/a", [], {}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, SCHEMA)
def test_no_schema_and_no_value_raises(value: Any, schema: Any) -> None:
    assert all(each.message for each in misfits(value, schema))
    reads = {"input": {"body": {"a": {"b": True}}}, "bindings": {}}
    assert all(each.severity == "warning" for each in unknown_reads(reads, {"s": schema}, ["s"]))


ORDER = {
    "properties": {
        "id": {"type": "string"},
        "customer": {"properties": {"email": {"type": "string"}}},
        "lines": {"type": "array", "items": {"properties": {"price": {}, "qty": {}}}},
        "free": {"type": "object"},
    }
}


def unknown(expression: str, gives: dict[str, object] | None = None, after: tuple[str, ...] = ("order",)) -> list[str]:
    found = unknown_reads(Expression(expression).reads, gives or {"order": ORDER}, after)
    assert {each.severity for each in found} <= {"warning"}
    return [each.path for each in found]


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("body.customer.email", []),
        ("body.customer.emial", ["body.customer.emial"]),
        ("$sum(body.lines.(price * quantity))", ["body.lines.quantity"]),
        ("body.free.anything.at.all", []),
        ("body.*", []),
        ('{"a": body.nope, "b": headers.nope}', ["body.nope"]),
        ("$steps.order.body.nope", ["$steps.order.body.nope"]),
        ("$steps.other.body.nope", []),
        ("$", []),
    ],
)
def test_what_no_step_gives_is_a_warning(expression: str, paths: list[str]) -> None:
    assert unknown(expression) == paths


def test_one_of_several_steps_before_is_enough() -> None:
    gives: dict[str, object] = {"order": ORDER, "other": {"properties": {"nope": {}}}}
    assert unknown("body.nope & body.id", gives, ("order", "other")) == []
    assert unknown("body.never", gives, ("order", "other")) == ["body.never"]
    assert unknown("body.never", gives, ("order", "silent")) == []


def test_a_misspelt_name_is_suggested() -> None:
    (found,) = unknown_reads(Expression("body.custmer").reads, {"order": ORDER}, ["order"])
    assert found.suggestion == "did you mean `customer`?"
