"""Expressions: what they read, what they give, how they fail."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.flows.mapping import EMPTY_BODY, TIMEOUT, Expression, MappingError

ORDER = {
    "body": {
        "id": "o-1",
        "customer": {"email": "ada@example.com"},
        "lines": [{"price": 2.5, "qty": 4}, {"price": 1, "qty": 1}],
        "blocked": False,
    },
    "headers": {"x-shop": "eu"},
    "attachments": {},
}
CONTEXT = json.dumps(ORDER).encode()


def value(source: str, steps: dict[str, Any] | None = None, context: bytes | str = CONTEXT) -> Any:
    result = Expression(source).evaluate(context, steps)
    assert result is not None
    return json.loads(result)


def failure(source: str, context: bytes | str = CONTEXT) -> MappingError:
    with pytest.raises(MappingError) as caught:
        Expression(source).evaluate(context)
    assert caught.value.reason == "mapping"
    return caught.value


class TestResult:
    def test_builds_an_object_from_the_message(self) -> None:
        source = '{"email": body.customer.email, "total": $sum(body.lines.(price * qty)), "shop": headers.`x-shop`}'
        assert value(source) == {"email": "ada@example.com", "total": 11, "shop": "eu"}

    def test_reads_earlier_outputs(self) -> None:
        steps = {"first-one": {"body": {"n": 7}, "headers": {"h": 1}, "attachments": {}}}
        assert value("$steps.`first-one`.(body.n + headers.h)", steps) == 8

    def test_takes_text_as_well_as_bytes(self) -> None:
        assert value("body.id", context=CONTEXT.decode()) == "o-1"

    def test_undefined_is_none_and_null_is_null(self) -> None:
        assert Expression("body.nothing").evaluate(CONTEXT) is None
        assert Expression("null").evaluate(CONTEXT) == b"null"

    def test_a_missing_field_is_left_out_of_an_object(self) -> None:
        assert Expression('{"a": body.nothing}').evaluate(CONTEXT) == EMPTY_BODY

    def test_a_step_that_did_not_run_is_undefined(self) -> None:
        assert Expression("$steps.other.body").evaluate(CONTEXT, {}) is None
        assert Expression("$steps.other.body").evaluate(CONTEXT, None) is None

    @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53), 2**53)))
    def test_body_alone_gives_the_body_back(self, body: dict[str, int]) -> None:
        assert value("body", context=json.dumps({"body": body})) == body


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("body.blocked = false", True),
        ("body.blocked", False),
        ("body.nothing", False),
        ("body.lines", True),
        ("null", False),
        ("0", False),
        ('""', False),
        ("[0]", False),
        ("[0, 1]", True),
        ("{}", False),
        ("$sum", False),
        ('"x" /* reason */', True),
        ("$steps.s.body.ok", True),
        ("/a/", False),
        ("[[], [0, [{}]]]", False),
        ("[[], [0, [{'a': 0}]]]", True),
        ("-0.0", False),
        ("'false'", True),
    ],
)
def test_conditions_follow_jsonata(source: str, truth: bool) -> None:
    steps = {"s": {"body": {"ok": True}}}
    assert Expression(source).test(CONTEXT, steps) is truth
    if not source.startswith("/"):  # which JSONata itself does not read after a bracket
        assert Expression(f"({source}\n) ? true : false").evaluate(CONTEXT, steps) == json.dumps(truth).encode()


class TestReferences:
    @pytest.mark.parametrize(
        ("source", "steps"),
        [
            ("body.id", set()),
            ("$steps.orders.body.lines", {"orders"}),
            ('{"a": $steps.a.body, "b": $steps.`b-2`.headers}', {"a", "b-2"}),
            ("($s := $steps; $s.a.body)", {"a"}),
            ('$lookup($steps, "a")', {"a"}),
            ("$exists($steps.a)", {"a"}),
            ("body.lines.(price * $steps.a.body.rate)", {"a"}),
        ],
    )
    def test_known_when_they_are_written_out(self, source: str, steps: set[str]) -> None:
        expression = Expression(source)
        assert expression.references == frozenset(steps)
        assert expression.reads_steps is bool(steps)

    @pytest.mark.parametrize(
        "source", ["$steps", "$steps.*.body", "$keys($steps)", "$lookup($steps, body.id)", '$eval("$steps.a")']
    )
    def test_none_when_any_step_may_be_read(self, source: str) -> None:
        expression = Expression(source)
        assert expression.references is None
        assert expression.reads_steps

    def test_fields_of_the_message(self) -> None:
        assert Expression("body.id & headers.x").fields == frozenset({"body", "headers"})
        assert Expression("customer.email").fields == frozenset({"customer"})
        assert Expression("$").fields is None

    def test_variables_nobody_defines(self) -> None:
        assert Expression("($x := 1; $x + $step.a.body)").variables == {"step"}


class TestFailure:
    @pytest.mark.parametrize(
        ("source", "position"), [("body.", 5), ("foo bar", 4), ("", 0), ('{"a": }', 6), ("$sum(", 5), ('"abc', 0)]
    )
    def test_source_that_does_not_compile_names_the_place(self, source: str, position: int) -> None:
        with pytest.raises(MappingError) as caught:
            Expression(source)
        assert caught.value.position == position
        assert f"column {position + 1}" in caught.value.message

    def test_several_lines_name_the_line(self) -> None:
        with pytest.raises(MappingError, match=r"line 2, column 12"):
            Expression('{"a": 1,\n "b": $sum(}')

    def test_half_a_character_is_refused(self) -> None:
        with pytest.raises(MappingError, match="surrogate"):
            Expression("\ud800")

    @pytest.mark.parametrize("method", ["evaluate", "test"])
    def test_names_the_part_to_blame(self, method: str) -> None:
        with pytest.raises(MappingError) as caught:
            getattr(Expression('{"a": 1,\n "b": $sum(body.id)}'), method)(CONTEXT)
        error = caught.value
        assert (error.code, error.position, error.part) == ("T0412", 15, "$sum(body.id)")
        assert "`$sum(body.id)` (line 2, column 7, T0412)" in error.message

    def test_error_function_keeps_its_words(self) -> None:
        assert failure('$error("no such customer")').message.startswith("no such customer")

    @pytest.mark.parametrize(
        "context",
        [b"{", b"\xff", b'{"body": "\\ud800"}', b'{"body": NaN}', b'{"body":' + b"[" * 200 + b"]" * 200 + b"}"],
    )
    def test_a_message_that_cannot_be_read_says_so(self, context: bytes) -> None:
        error = failure("body", context)
        assert error.code == "input"
        assert error.message.startswith("The message")


FRAGMENTS = """body headers $steps . .a `x-y` [ 0 ] ( ) { } : , 's' + - * / % & = < and in ? ~> | := ; function $x $ **
^ @ # .. 1e308 null true /r+/ λ $sum $map $eval $string $now $error"""
fragments = st.sampled_from(FRAGMENTS.split())


@given(st.lists(fragments, max_size=9).map("".join) | st.text())
@example("/r+/i")
def test_any_source_compiles_or_is_explained(source: str) -> None:
    try:
        expression = Expression(source)
    except MappingError:
        return
    for evaluate in (expression.evaluate, expression.test):
        with contextlib.suppress(MappingError):
            evaluate(CONTEXT, {"a": {"body": 1}})


class TestLimits:
    def test_endless_loop_is_stopped(self) -> None:
        started = time.monotonic()
        assert failure("($f := function($x) { $f($x) }; $f(1))").code == "D1012"
        assert time.monotonic() - started < TIMEOUT * 10

    @pytest.mark.parametrize(
        "source",
        [
            "($f := function($x) { 1 + $f($x) }; $f(1))",
            "$reduce([1..100], function($a, $b) { $a & $a }, 'abcdef')",
            "$reduce([1..100], function($a, $b) { $append($a, $a) }, [1, 2])",
            "$reduce([1..100], function($a, $b) { {'a': $a, 'b': $a} }, {})",
        ],
    )
    def test_growth_without_end_is_stopped(self, source: str) -> None:
        assert failure(source).code in {"D1011", "U1001"}
