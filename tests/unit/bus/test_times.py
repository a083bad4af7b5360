"""Histograms of times: exact enough, and what lies between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.times import Counts, bucket, edge, noted, quantile, since

times = st.integers(min_value=0, max_value=10**12)


def counted(values: list[int]) -> Counts:
    counts: Counts = {}
    for value in values:
        noted(counts, value)
    return counts


@given(times)
def test_a_time_lies_in_its_bucket_which_is_at_most_an_eighth_wide(us: int) -> None:
    low, high = edge(bucket(us)), edge(bucket(us) + 1)
    assert low <= us < high
    assert high - low <= max(1, low // 8)


@given(st.lists(times, min_size=1), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_within_an_eighth_of_the_real_one(values: list[int], share: float) -> None:
    real = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    told = quantile(counted(values), share)
    assert told is not None
    assert abs(told - real) <= max(1, real / 8)


@given(st.lists(times), st.lists(times))
def test_what_lies_between_two_looks_is_their_difference(first: list[int], then: list[int]) -> None:
    assert since(counted(first), counted(first + then)) == counted(then)


def test_nothing_came() -> None:
    assert quantile({}, 0.5) is None
