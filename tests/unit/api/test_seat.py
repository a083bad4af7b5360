"""Who edits a draft: taking it, leaving it, and what becomes of it when a browser crashes."""

from __future__ import annotations

import pytest

from headrace.api.seat import HELD_FOR, Seats


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_who_comes_first_has_it_and_keeps_it_by_asking(clock: Clock) -> None:
    seats = Seats(clock)
    first = seats.ask("f", "one", "ada")
    clock.now += HELD_FOR - 1
    assert seats.ask("f", "one", "ada").since == first.since
    clock.now += HELD_FOR - 1
    assert seats.ask("f", "two", "bob").author == "ada"


def test_a_browser_that_crashed_leaves_it_by_itself(clock: Clock) -> None:
    seats = Seats(clock)
    seats.ask("f", "one", "ada")
    seats.ask("f", "two", "bob")
    clock.now += HELD_FOR
    assert seats.of("f") is None
    assert seats.ask("f", "two", "bob").author == "bob"


def test_asking_in_vain_does_not_keep_it_for_another(clock: Clock) -> None:
    seats = Seats(clock)
    seats.ask("f", "one", "ada")
    clock.now += HELD_FOR / 2
    assert seats.ask("f", "two", "bob").holder == "one"
    clock.now += HELD_FOR / 2
    assert seats.of("f") is None


def test_it_is_taken_only_by_who_says_so(clock: Clock) -> None:
    seats = Seats(clock)
    seats.ask("f", "one", "ada")
    assert seats.ask("f", "two", "bob", take=True).holder == "two"
    assert seats.ask("f", "one", "ada").holder == "two"
    assert seats.leave("f", "one"), "it looks on no longer"
    assert not seats.leave("f", "one")
    assert seats.leave("f", "two")
    assert not seats.leave("f", "two")
    assert seats.of("f") is None


def test_who_looks_on_is_known_until_they_leave_or_crash(clock: Clock) -> None:
    seats = Seats(clock)
    seats.ask("f", "one", "ada")
    assert seats.onlookers("f") == ()
    for page, author in (("two", "bob"), ("three", "bob"), ("four", "cy")):
        seats.ask("f", page, author)
    assert seats.onlookers("f") == ("bob", "cy")
    assert seats.leave("f", "four")
    assert seats.onlookers("f") == ("bob",)
    seats.ask("f", "two", "bob", take=True)
    assert seats.onlookers("f") == ("bob",), "the other page of his"
    seats.ask("f", "one", "ada")
    assert seats.onlookers("f") == ("ada", "bob")
    clock.now += HELD_FOR
    assert seats.onlookers("f") == ()


def test_each_flow_has_its_own(clock: Clock) -> None:
    seats = Seats(clock)
    seats.ask("f", "one", "ada")
    assert seats.ask("g", "two", "bob").holder == "two"
