from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.deployment import REBOUND, Retry


def test_rebounds_double_from_fifteen_seconds_to_a_day() -> None:
    assert [REBOUND.delay(attempt) for attempt in (1, 2, 3, 4)] == [15, 30, 60, 120]
    assert REBOUND.delay(REBOUND.attempts - 1) == 86_400


@given(st.integers(1, 10_000), st.floats(0.01, 100), st.floats(1, 10), st.floats(1, 10_000))
def test_a_retry_never_waits_longer_than_its_most(attempt: int, first: float, factor: float, most: float) -> None:
    retry = Retry(attempts=attempt, first=first, factor=factor, max=most)
    assert 0 < retry.delay(attempt) <= most
    assert retry.delay(attempt) <= retry.delay(attempt + 1)
