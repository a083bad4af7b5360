"""How many messages are still to come, and when all that was on its way through a lost connection has come again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.backlog import Depth, Left
from headrace.worker.deliveries import Deliveries


def taken_up(waiting: int = 0, held: int = 0, floor: int = 0) -> Deliveries:
    made = Deliveries(session=1)
    made.take_up(Left(Depth(waiting, held, floor, floor + held), None), session=1)
    return made


def test_what_was_left_and_what_was_stored_since_is_awaited() -> None:
    made = taken_up(waiting=3, held=2, floor=10)
    made.expect(16)
    made.expect(9)
    assert made.awaited == 6
    made.came(11, pending=4, first=True, session=1)
    assert made.awaited == 4
    made.expect(11)
    assert made.awaited == 4


def test_a_new_connection_casts_doubt_until_all_has_come_again() -> None:
    made = taken_up()
    made.came(1, pending=2, first=True, session=1)
    made.came(2, pending=1, first=True, session=1)
    assert not made.came(3, pending=0, first=False, session=2) and not made.certain
    assert not made.came(1, pending=2, first=True, session=2)
    assert made.came(3, pending=0, first=True, session=2)


@given(st.integers(1, 20), st.integers(0, 20))
def test_the_last_one_handed_out_before_is_the_one_that_completes(handed_out: int, more: int) -> None:
    made = taken_up()
    for seq in range(1, handed_out + 1):
        made.came(seq, pending=handed_out + more - seq, first=True, session=1)
    made.doubt(2)
    again = [
        made.came(seq, pending=handed_out + more - seq, first=True, session=2)
        for seq in range(1, handed_out + more + 1)
    ]
    assert again.index(True) == handed_out - 1
