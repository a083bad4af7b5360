"""The leak guard's decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.control import Leak
from headrace.worker.guard import CALLS, MOMENT, REMEMBERED, STEADY, Guard, Language


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


def test_what_grows_together_is_one_warning_that_names_its_cause_and_the_cure_in_the_components_language() -> None:
    guard = Guard("node")
    found = [guard.census(call, {"timers": 3 * call, "pipes": call, "servers": 2 * call}) for call in range(1, 40)]
    (leak,) = [each for each in found if each is not None]
    assert (leak.kind, leak.growth) == ("servers", 2)
    assert "exports.listen" in leak.cure
    assert "write-a-node-component.md#" in leak.cure


@pytest.mark.parametrize(("language", "words"), [("python", "`async with`"), ("node", "return a function that closes")])
def test_a_listener_that_ends_again_and_again_is_told_to_close_what_it_opened(language: Language, words: str) -> None:
    guard = Guard(language, "listen")
    found = [guard.census(call, {"sockets": call}) for call in range(1, 40)]
    (leak,) = [each for each in found if each is not None]
    assert "`listen` is called again" in leak.cure
    assert f"{words}" in leak.cure and "connection" in leak.cure


def test_one_mistake_is_told_once_whatever_it_shows_in() -> None:
    guard = Guard("python")
    found = [guard.census(call, {"sockets": call, "threads": max(call - 5, 0)}) for call in range(1, 40)]
    found += [guard.late(call, b"{}", float(n)) for n in range(40, 60) for call in range(1, n)]
    assert [leak.kind for leak in found if leak] == ["sockets"]


def test_emitters_are_told_when_ten_calls_in_a_row_have_left_one() -> None:
    assert told([0] * 9 + [9, 0, 5] + [0] * 100, "emitters") == []
    ((call, leak),) = told([0] * 9 + [10, 11, 12], "emitters")
    assert (call, leak.growth) == (10, 1)


def test_what_grows_with_those_who_come_in_is_silent_but_not_one_more_server() -> None:
    """A server whose clients stay: a connection, a task and an emitter for each."""
    guard = Guard("python")
    rush = {"clients": 0, "tasks": 0, "sockets": 0, "emitters": 0}
    for call in range(1, 200):
        rush = {kind: number + 1 for kind, number in rush.items()}
        assert guard.census(call, rush) is None
    counted: list[dict[str, int]] = [rush | {"servers": call, "clients": 200 + call} for call in range(20)]
    found = [guard.census(200 + call, each) for call, each in enumerate(counted)]
    assert [leak.kind for leak in found if leak] == ["servers"]


def test_what_grows_while_others_come_and_go_is_told() -> None:
    guard = Guard("python")
    found = [guard.census(call, {"clients": call % 4, "tasks": call}) for call in range(1, 20)]
    assert [(call, leak.kind) for call, leak in enumerate(found, 1) if leak] == [(10, "tasks")]


def test_work_that_waits_because_emissions_do_is_silent_and_connections_are_not() -> None:
    guard = Guard("python")
    found = [guard.census(call, {"tasks": call, "sockets": call - 1}, waiting=call <= 50) for call in range(1, 60)]
    assert [(call, leak.kind) for call, leak in enumerate(found, 1) if leak] == [(10, "sockets")]


def late(moments: list[tuple[float, list[int]]], event: bytes = b"{}") -> list[tuple[float, Leak]]:
    """Warnings when the same event is emitted at those times by those calls."""
    guard = Guard("python")
    found = [(now, guard.late(call, event, now)) for now, calls in moments for call in calls]
    return [(now, leak) for now, leak in found if leak is not None]


def test_one_event_from_more_and_more_calls_is_told_within_ten() -> None:
    """A call a second, an event half a second after each."""
    ((now, leak),) = late([(n + 0.5, list(range(1, n + 1))) for n in range(1, 30)])
    assert leak.kind == "events"
    assert now <= CALLS


def test_the_first_event_is_enough_when_ten_calls_emit_it() -> None:
    ((now, _),) = late([(3600.0, list(range(1, 3600))), (7200.0, list(range(1, 7200)))])
    assert now == 3600.0


def test_answers_that_come_late_and_together_are_silent() -> None:
    """Each call asks and does not wait; the source answers five of them at once, over and over."""
    assert late([(n * 50.0, list(range(5 * n, 5 * n + 9))) for n in range(1, 100)]) == []


def test_listeners_that_took_the_place_of_others_are_silent() -> None:
    """A reconnect each hour; for a moment the old one still emits."""
    assert late([(n * 10.0, [n // 360, n // 360 + 1]) for n in range(1, 5000)]) == []


@given(st.lists(st.tuples(st.integers(1, STEADY - 1), st.binary(max_size=1)), max_size=200))
def test_a_few_sources_that_say_the_same_are_silent(emitted: list[tuple[int, bytes]]) -> None:
    guard = Guard("python")
    assert not any(guard.late(call, event, n * MOMENT / 10) for n, (call, event) in enumerate(emitted))


def test_one_listener_that_repeats_itself_and_calls_that_follow_one_another_are_silent() -> None:
    guard = Guard("python")
    assert not any(guard.late(1, b"same", n / 1000) for n in range(1000))
    assert not any(guard.late(call, b"same", call * 2 * MOMENT) for call in range(2, 2 * REMEMBERED))
