from __future__ import annotations

import datetime
import decimal
import json
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_sdk import BodyError, Message
from headrace_sdk.encoding import LARGEST, to_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=3) | st.integers(), inner)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_is_either_written_as_python_would_or_its_fault_is_named(value: Any) -> None:
    try:
        written = to_json(value, "body")
    except BodyError as problem:
        assert str(problem).startswith("body")
        with pytest.raises((TypeError, ValueError)):
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    else:
        assert json.loads(written) == json.loads(json.dumps(value, allow_nan=False))


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize("value", [OrderedDict(a=1), (1, 2), Level.HIGH, {1: "x", None: "y", False: "z"}, "", 10**30])
def test_what_json_can_hold_is_written(value: Any) -> None:
    assert json.loads(to_json(value, "body")) == json.loads(json.dumps(value))


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"a": [{}, {"when": datetime.datetime(2026, 1, 1)}]},
            "body.a[1].when is datetime.datetime, which is not JSON",
        ),
        ({"day": datetime.date(2026, 1, 1)}, "use .isoformat()"),
        (decimal.Decimal(1), "use float(…) or str(…)"),
        ({"two words": {1}}, "body['two words'] is set"),
        ({"n": float("inf")}, "body.n is inf, which JSON does not have; use None"),
        ({"k\ud800": 1}, "body (key) holds half a surrogate pair"),
        ([Message(1), 2], "emit it by itself"),
        (nested(5000), "is nested too deeply, or contains itself"),
        ("x" * LARGEST, "body is too large"),
    ],
)
def test_the_fault_names_path_and_type_and_cure(value: Any, text: str) -> None:
    with pytest.raises(BodyError) as raised:
        to_json(value, "body")
    assert text in str(raised.value)


def test_a_fault_leaves_nothing_behind() -> None:
    body: dict[str, Any] = {"bad": object()}
    with pytest.raises(BodyError):
        to_json(body, "body")
    body["bad"] = 1
    assert to_json(body, "body") == b'{"bad":1}'
