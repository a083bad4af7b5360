from __future__ import annotations

from typing import Any

import pytest

from headrace_sdk import BodyError, Message
from headrace_sdk.outputs import outputs


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, []),
        ({"a": 1}, [{"a": 1}]),
        (0, [0]),
        ("", [""]),
        ([1, 2], [[1, 2]]),
        ([], [[]]),
        ((), [()]),
        (Message(None), [Message(None)]),
        ([Message(1), Message(2)], [Message(1), Message(2)]),
        ((Message(1),), [Message(1)]),
    ],
)
def test_what_a_returned_value_stands_for(returned: Any, expected: list[Any]) -> None:
    assert list(outputs(returned)) == expected


@pytest.mark.parametrize(
    ("returned", "odd"), [([Message(1), 2], "item 1 is int"), (["a", Message(1)], "item 0 is str")]
)
def test_messages_and_bodies_do_not_mix(returned: list[Any], odd: str) -> None:
    with pytest.raises(BodyError, match=odd):
        outputs(returned)
