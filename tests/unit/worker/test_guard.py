"""The leak guard's decisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.control import Leak
from headrace.worker.guard import CALLS, MOMENT, Guard


def told(numbers: list[int], kind: str = "sockets") -> list[tuple[int, Leak]]:
    """Warnings of a guard to which ``numbers`` were counted, call by call, with the call."""
    guard = Guard("python")
    found = [(call, guard.census(call, {kind: number})) for call, number in enumerate(numbers, 1)]
    return [(call, leak) for call, leak in found if leak is not None]


@given(st.integers(0, 1000), st.lists(st.integers(0, CALLS - 2), min_size=200, max_size=200))
def test_what_stays_within_bounds_is_silent(base: int, series: list[int]) -> None:
    assert told([base + number for number in series]) == []


@given(st.lists(st.booleans(), min_size=200, max_size=200), st.integers(1, 50))
def test_a_count_that_does_not_grow_at_every_call_is_silent(falls: list[bool], most: int) -> None:
    """A pool of any size that fills up with pauses, a cache that is emptied."""
    number, series = 0, []
    for call, fall in enumerate(falls):
        number = 0 if fall or number > most else number + (call % (CALLS - 1) != 0)
        series.append(number)
    assert told(series) == []


@given(st.integers(0, 100), st.lists(st.integers(1, 20), min_size=10, max_size=60))
def test_one_more_at_every_call_is_told_at_the_tenth_and_once(base: int, growths: list[int]) -> None:
    series = [base := base + growth for growth in growths]
    ((call, leak),) = told(series)
    assert call == 10
    assert leak.growth >= 1


def test_a_pool_that_grew_and_then_leaks_is_told_within_ten_calls_of_the_leak() -> None:
    ((call, _),) = told([3] * 50 + list(range(4, 30)))
    assert call <= 50 + CALLS


def test_calls_between_two_censuses_count() -> None:
    guard = Guard("node")
    assert all(guard.census(call * 3, {"timers": call}) is None for call in range(1, 100))


def test_what_grows_together_is_one_warning_with_the_cure_in_the_components_language() -> None:
    guard = Guard("node")
    found = [guard.census(call, {"sockets": call, "timers": 2 * call}) for call in range(1, 40)]
    (leak,) = [each for each in found if each is not None]
    assert (leak.kind, leak.growth) == ("timers", 2)
    assert "exports.listen" in leak.cure
    assert "write-a-node-component.md#" in leak.cure


def test_one_event_from_more_and_more_calls_is_told() -> None:
    guard = Guard("python")
    found = [guard.late(call, b"%d" % n, n) for n in range(1, 11) for call in range(1, n + 1)]
    (leak,) = [each for each in found if each is not None]
    assert leak.kind == "events"


@given(st.lists(st.tuples(st.integers(1, 4), st.binary(max_size=1)), max_size=200))
def test_a_few_sources_that_say_the_same_are_silent(emitted: list[tuple[int, bytes]]) -> None:
    guard = Guard("python")
    assert not any(guard.late(call, event, n * MOMENT / 10) for n, (call, event) in enumerate(emitted))


def test_one_listener_that_repeats_itself_and_calls_that_follow_one_another_are_silent() -> None:
    guard = Guard("python")
    assert not any(guard.late(1, b"same", n / 1000) for n in range(1000))
    assert not any(guard.late(call, b"same", call * 2 * MOMENT) for call in range(2, 200))
