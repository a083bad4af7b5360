"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.quantity import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("1s", 1),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86_400),
        ("1.5 h", 5400),
        (3, 3),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("1KB", 1024), ("256MB", 256 << 20), ("256MiB", 256 << 20), ("2gb", 2 << 30), ("12B", 12), (4096, 4096)],
)
def test_sizes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "5", "m", "5 parsecs", "-1s", "1s2m", True, None, [], float("nan"), float("inf"), -1, "1e3s", "٣s"]
)
def test_anything_else_is_neither(written: object) -> None:
    assert parse_duration(written) is None
    assert parse_size(written) is None


@given(st.floats(0, 1e15) | st.integers(0, 10**9).map(float) | st.integers(0, 10**9).map(lambda n: n / 1000))
def test_durations_read_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, 1 << 52) | st.integers(0, 4096).map(lambda n: n << 20))
def test_sizes_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_written_in_the_largest_unit_that_fits() -> None:
    assert [format_duration(seconds) for seconds in (0.25, 90, 300, 86_400, 0, 1 / 3)] == [
        "250ms",
        "90s",
        "5m",
        "1d",
        0,
        1 / 3,
    ]
    assert [format_size(size) for size in (256 << 20, 1 << 30, 1000, 0)] == ["256MB", "1GB", 1000, 0]
