"""What is nested deeper than an answer can say is clipped; all else is as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.clip import CLIPPED, LEVELS, clipped

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_what_can_be_shown_is_as_it_was(value: Any) -> None:
    assert clipped(value) == value


def test_what_lies_deeper_is_told_to_be_clipped() -> None:
    value: Any = "deep"
    for _ in range(LEVELS + 5):
        value = {"in": [value]}
    shown, levels = clipped(value), 0
    while shown != CLIPPED:
        shown, levels = shown["in"] if isinstance(shown, dict) else shown[0], levels + 1
    assert levels == LEVELS
