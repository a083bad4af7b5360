from __future__ import annotations

import pytest

from headrace_host.context import HostContext, data_keys
from headrace_sdk import BodyError, Context, Message


def conforms(context: HostContext) -> Context:
    """Checked by mypy: the host's context is what the SDK promises."""
    return context


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"a": 1}, b'"body":{"a":1}'),
        (Message(None), b'"body":null'),
        (Message(1, {"h": "1"}, {"f": {}}, "x"), b'"body":1,"headers":{"h":"1"},"attachments":{"f":{}},"id":"x"'),
        (Message(1, id=""), b'"body":1'),
        (Message(1, metadata={"m": 1}), b'"body":1,"metadata":{"m":1}'),
        (Message(1, passthrough={"step": {"body": 2}}), b'"body":1'),
    ],
)
def test_only_what_a_message_has_is_sent(data: object, keys: bytes) -> None:
    assert data_keys(data) == keys


def test_headers_must_be_json_as_well() -> None:
    with pytest.raises(BodyError, match=r"headers\.h is bytes"):
        data_keys(Message(1, headers={"h": b"1"}))


def test_what_must_be_a_dict_is_named_when_it_is_none() -> None:
    with pytest.raises(BodyError, match="headers is list; it must be a dict"):
        data_keys(Message(1, headers=[("h", "1")]))  # type: ignore[arg-type]
