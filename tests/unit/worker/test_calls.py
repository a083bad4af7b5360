"""Which calls a host has, what becomes of them when it dies, and which are over their time."""

from __future__ import annotations

import msgspec

from headrace.bus.message import Message
from headrace.worker.call import Call, Held
from headrace.worker.calls import CANCEL_GRACE, Calls


def calls(count: int, *, concurrency: int = 1, now: float = 100.0) -> tuple[Calls, list[Call]]:
    made = Calls(concurrency, timeout=10.0)
    opened = []
    for key in range(count):
        call = Call(
            Held(key, "reply", b"", 0, ""),
            Message(id=str(key), execution="x", step="s", body=msgspec.Raw(b"{}"), at=0),
            0,
        )
        made.number(call)
        made.add(call, now, heavy=key == 0)
        opened.append(call)
    return made, opened


def test_as_many_run_as_may_and_the_next_one_begins_when_one_has_ended() -> None:
    made, (first, second, third) = calls(3, concurrency=2)
    assert [call.started for call in made] == [100.0, 100.0, 0.0]
    made.ended(first, 7, 101.0)
    assert (third.started, first.us, made.settling, made.at_work) == (101.0, 7, 1, 2)
    made.settled(first)
    assert list(made) == [second, third] and made.heavy == 0


def test_a_host_that_dies_loses_what_had_not_ended() -> None:
    made, (first, second, third) = calls(3)
    second.outputs = 4
    made.ended(first, 1, 101.0)
    lost, late = made.host_gone()
    assert (lost, late, list(made)) == ([second, third], [], [first])
    assert second.dropped and second.held.most == 4 and made.heavy == 1


def test_a_call_over_its_time_is_cancelled_once_and_then_its_host_is_killed() -> None:
    made, (first, _) = calls(2)
    assert made.overdue(110.0, stalled=False) == []
    assert made.overdue(110.1, stalled=False) == [first]
    assert made.overdue(110.2, stalled=False) == []
    assert made.overdue(110.1 + CANCEL_GRACE, stalled=False) is None


def test_time_in_which_the_journal_takes_nothing_is_not_counted() -> None:
    made, (first,) = calls(1)
    first.unconfirmed = 1
    made.overdue(100.0, stalled=True)
    assert made.overdue(109.0, stalled=True) == []
    assert made.overdue(118.0, stalled=False) == []
    assert made.overdue(119.5, stalled=False) == [first]


def test_one_that_ignored_its_cancellation_is_late_and_what_waited_behind_it_is_lost() -> None:
    made, (first, second) = calls(2)
    made.overdue(111.0, stalled=False)
    lost, late = made.host_gone()
    assert (lost, late) == ([second], [first])
    made.overran(first, 116.0)
    assert first.failure is not None and first.failure.reason == "timeout" and first.us == 16_000_000
    made.settled(first)
    assert len(made) == 0


def test_when_a_silent_host_had_several_nobody_knows_which_one_held_it() -> None:
    made, (first, second) = calls(2, concurrency=2)
    made.heard = 109.0
    made.overdue(111.0, stalled=False)
    assert made.host_gone() == ([first, second], [])
    made, (first, second) = calls(2, concurrency=2)
    made.overdue(111.0, stalled=False)
    made.heard = 111.5
    assert made.host_gone() == ([], [first, second])
