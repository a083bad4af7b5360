"""Pages and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from headrace.api.shapes import Paging, Text, known_cursor, paged
from headrace.errors import Invalid


@given(st.lists(st.text(max_size=60), unique=True), st.integers(1, 7))
def test_pages_together_are_the_whole_list(items: list[str], limit: int) -> None:
    found: list[str] = []
    cursor: str | None = None
    while True:
        part, cursor = paged(items, str, Paging(cursor=cursor, limit=limit))
        assert len(part) <= limit
        found += part
        if cursor is None:
            break
        assert part
    assert found == items


@given(st.text(max_size=60))
def test_a_cursor_of_somebody_else_is_refused_or_starts_the_list(cursor: str) -> None:
    try:
        part, _ = paged(["a", "b"], str, Paging(cursor=cursor))
    except Invalid as error:
        assert error.reason == "bad-cursor"
    else:
        assert part


@pytest.mark.parametrize("cursor", ["", "x", "12", "1.a b", "-1.a", "1" * 20 + ".a"])
def test_a_timed_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        known_cursor(cursor)
    assert known_cursor("1700000000000.0190ab") == "1700000000000.0190ab"
    assert known_cursor(None) is None


def test_a_limit_over_the_most_counts_as_the_most() -> None:
    assert Paging(limit=10_000).limit == 1000
    with pytest.raises(ValidationError):
        Paging(limit=0)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_no_database_takes_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Text).validate_python(text)
