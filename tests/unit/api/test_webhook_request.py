"""An HTTP request as a trigger's message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.api.webhook_request import MASK, body_of, headers_of
from headrace.errors import Invalid

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def body(data: bytes, content_type: str = "") -> Any:
    raw = bytes(body_of(data, content_type))
    assert b"\n" not in raw
    return json.loads(raw)


@given(values, st.sampled_from([None, 2]), st.sampled_from(["application/json", "application/vnd.x+json", ""]))
def test_any_json_value_arrives_as_it_is(value: Any, indent: int | None, content_type: str) -> None:
    assert body(json.dumps(value, indent=indent, ensure_ascii=True).encode(), content_type) == value


@given(
    st.binary(), st.sampled_from(["", "text/plain", "image/png", "application/x-www-form-urlencoded", "x; charset=y"])
)
def test_any_bytes_become_some_json(data: bytes, content_type: str) -> None:
    body(data, content_type)


def test_nothing_is_an_empty_object() -> None:
    assert body(b"", "application/json") == {}


@pytest.mark.parametrize("data", [b"{", b'{"a":1}}', b"{'a':1}", b'"\xff"', b'"\\ud800"', b"NaN", b"[" * 100_000])
def test_broken_json_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        body_of(data, "application/json; charset=utf-8")
    assert refused.value.reason == "invalid-json"


def test_a_form_becomes_an_object_and_repeated_fields_a_list() -> None:
    assert body(b"a=1&b=x+y&a=2&a=3&c=", "application/x-www-form-urlencoded") == {
        "a": ["1", "2", "3"],
        "b": "x y",
        "c": "",
    }


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"a,b\n1,2\n", "text/csv", "a,b\n1,2\n"),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"<a/>", "application/soap+xml", "<a/>"),
        (b"plain words", "", "plain words"),
    ],
)
def test_text_becomes_a_string(data: bytes, content_type: str, expected: str) -> None:
    assert body(data, content_type) == expected


@pytest.mark.parametrize("content_type", ["image/png", "", "text/plain", "text/plain; charset=no-such"])
def test_what_is_no_text_becomes_base64(content_type: str) -> None:
    found = body(b"\x89\xff\xfe", content_type)
    assert found == {"content_type": content_type.partition(";")[0], "base64": "if/+"}


def test_headers_are_joined_and_secrets_masked() -> None:
    sent = [(b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"c=1"), (b"authorization", b"Bearer hr_x")]
    found = headers_of(sent, "PUT", "/hooks/orders", b"page=2&tag=a&tag=b&empty=")
    assert found == {
        "accept": "a, b",
        "cookie": MASK,
        "authorization": MASK,
        ":method": "PUT",
        ":path": "/hooks/orders",
        ":query": {"page": "2", "tag": ["a", "b"], "empty": ""},
    }
