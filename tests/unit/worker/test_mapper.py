from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headrace.bus.message import Message, Output
from headrace.flows.deployment import Code, StepSpec
from headrace.flows.mapping import MappingError
from headrace.worker.mapper import Mapper, carried


def step(**options: Any) -> StepSpec:
    code = Code(component="c", revision=1, commit="0" * 40, root="/c", interpreter="python3")
    return StepSpec(id="me", kind="action", function="f", main="f.py", code=code, **options)


def message(body: Any, **options: Any) -> Message:
    raw = msgspec.Raw(msgspec.json.encode(body))
    known: dict[str, Any] = {"id": "m", "execution": "e", "step": "before", "body": raw, "at": 0}
    return Message(**(known | options))


def output(body: Any) -> Output:
    return Output(body=msgspec.Raw(msgspec.json.encode(body)))


def test_without_a_mapper_the_body_passes_as_it_is() -> None:
    mapped = Mapper(step()).apply(message({"a": 1}))
    assert (mapped.body, mapped.us) == (b'{"a":1}', -1)


def test_an_expression_sees_body_headers_and_earlier_steps() -> None:
    mapper = Mapper(step(input='{"n": body.n, "h": headers.x, "first": $steps.first.body, "b": $steps.before.body.n}'))
    mapped = mapper.apply(message({"n": 1}, headers={"x": "y"}, passthrough={"first": output("one")}))
    assert msgspec.json.decode(mapped.body or b"") == {"n": 1, "h": "y", "first": "one", "b": 1}
    assert mapped.us >= 0


def test_a_mapping_that_finds_nothing_gives_an_empty_body() -> None:
    assert Mapper(step(input="body.nothing")).apply(message({})).body == b"{}"


def test_a_false_condition_gives_no_body() -> None:
    mapper = Mapper(step(when="body.n > 1", input="body.n"))
    assert mapper.apply(message({"n": 1})).body is None
    assert mapper.apply(message({"n": 2})).body == b"2"


def test_a_mapped_message_is_not_mapped_again() -> None:
    mapper = Mapper(step(when="false", input="{}"))
    assert mapper.apply(message({"kept": 1}, stage="mapped")).body == b'{"kept":1}'


def test_an_expression_that_fails_names_its_part() -> None:
    with pytest.raises(MappingError, match=r"body\.n"):
        Mapper(step(input="body.n + 1")).apply(message({"n": "x"}))


def test_only_outputs_asked_for_are_carried() -> None:
    incoming = message({"n": 1}, passthrough={"first": output(1), "second": output(2)})
    assert carried(step(), incoming) == {}
    assert set(carried(step(carry=("first", "before", "unseen")), incoming)) == {"first", "before"}
    assert set(carried(step(carry=("*",)), incoming)) == {"first", "second", "before"}


def test_a_request_to_the_step_itself_is_no_earlier_output() -> None:
    assert carried(step(carry=("*",)), message({}, step="me")) == {}
