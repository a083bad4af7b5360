"""Which version a start or a rollback runs, and when a wish has to wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.control.choice import challenged, switching, to_cancel, to_roll_back_to, to_start
from headrace.errors import NotFound, Refused
from headrace.store.deployments import Deployment, State
from headrace.store.flows import FlowVersion

ACTIVE: tuple[State, ...] = ("warming", "ready", "live", "draining", "standby")


def row(
    epoch: int, state: State, *, version: int = 1, at: int = 0, until: int | None = None, **more: Any
) -> Deployment:
    known: dict[str, Any] = more | {"ready_at": None, "live_at": None, "ready_ms": None, "worker": None, "restarts": 0}
    return Deployment("f", epoch, version, {}, state=state, reason="", created_at=at, ended_at=until, steps={}, **known)


def version(number: int) -> FlowVersion:
    return FlowVersion("f", number, "", "", "", 0)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), False),
        (("warming",), False),
        (("live",), False),
        (("live", "warming"), False),
        (("live", "ready"), False),
        (("draining", "ready"), True),
        (("draining", "live"), False),
        (("standby", "live"), False),
        (("draining",), True),  # about to get its place back
        (("standby", "failed"), True),
    ],
)
def test_a_switch_is_under_way_while_one_fell_silent_and_none_is_live(
    states: tuple[State, ...], expected: bool
) -> None:
    assert switching([row(number, state) for number, state in enumerate(states, 1)]) is expected


@given(st.lists(st.sampled_from(ACTIVE), max_size=5))
def test_a_flow_that_has_a_live_deployment_never_makes_a_wish_wait(states: list[State]) -> None:
    rows = [row(number, state) for number, state in enumerate(states, 1)]
    if "live" in states:
        assert not switching(rows)


def test_only_the_newest_deployment_that_has_not_ended_challenges() -> None:
    assert not challenged([])
    assert not challenged([row(1, "live")])
    assert challenged([row(2, "ready"), row(1, "live")])
    assert not challenged([row(2, "ready", cancelled_by="ada"), row(1, "live")])
    assert challenged([row(1, "warming")])
    assert not challenged([row(3, "failed"), row(2, "live"), row(1, "draining")])


# -- start


def test_start_runs_the_newest_version_when_nothing_ran() -> None:
    assert to_start(version(3), []) == 3
    assert to_start(version(3), [row(1, "failed", version=3)]) == 3


def test_start_runs_what_was_published_and_never_tried() -> None:
    assert to_start(version(3), [row(1, "stopped", version=2, until=50)]) == 3


def test_start_goes_on_with_the_version_that_was_rolled_back_to() -> None:
    rows = [row(1, "stopped", version=2, until=20), row(2, "stopped", version=3, at=10, until=30)]
    assert to_start(version(3), [*rows, row(3, "stopped", version=2, at=25, until=90)]) == 2


def test_start_goes_on_with_what_kept_running_when_the_newest_failed() -> None:
    assert to_start(version(3), [row(1, "stopped", version=2, until=90), row(2, "failed", version=3, at=10)]) == 2


def test_start_tries_the_newest_again_when_nothing_else_ran_since() -> None:
    assert to_start(version(3), [row(1, "stopped", version=2, until=5), row(2, "failed", version=3, at=10)]) == 3


@dataclass
class Past:
    """A flow's life, played through without a server: what a person would say ran last, and what was not tried."""

    clock: int = 0
    newest: int = 0
    untried: bool = False
    running: int | None = None
    attempted: int | None = None
    rows: tuple[Deployment, ...] = ()

    def play(self, event: str, pick: int) -> None:
        self.clock += 10
        if event == "publish":
            self.newest += 1
            self.untried = True
        elif not self.newest:
            return
        elif event == "stop":
            self._end(self.clock)
            self.running = None
        else:
            self._try(1 + pick % self.newest if event == "rollback" else self.newest, good=event != "try-bad")

    def _try(self, number: int, *, good: bool) -> None:
        self.untried = self.untried and number != self.newest
        made = row(len(self.rows) + 1, "live" if good else "failed", version=number, at=self.clock)
        if good:
            self._end(self.clock + 1)
            self.running = number
        self.rows = (*self.rows, made if good else replace(made, ended_at=self.clock + 1))

    def _end(self, at: int) -> None:
        self.rows = tuple(
            replace(each, state="stopped", ended_at=at) if each.state == "live" else each for each in self.rows
        )


EVENTS = st.sampled_from(["publish", "try-good", "try-bad", "rollback", "stop"])


@given(st.lists(st.tuples(EVENTS, st.integers(0, 9)), min_size=1, max_size=14), st.randoms())
def test_start_runs_what_a_person_expects(story: list[tuple[str, int]], random: Any) -> None:
    past = Past()
    past.play("publish", 0)
    for event, pick in story:
        past.play(event, pick)
    rows = list(past.rows)
    random.shuffle(rows)
    chosen = to_start(version(past.newest), rows)
    if past.untried:
        assert chosen == past.newest
    elif past.running is not None:
        assert chosen == past.running
    else:
        assert chosen == past.newest or chosen in {each.version for each in rows if each.state != "failed"}


# -- rollback


def test_a_rollback_goes_to_the_version_before_the_one_that_runs() -> None:
    assert to_roll_back_to(3, [4, 3, 2, 1], None) == 2
    assert to_roll_back_to(3, [4, 3, 2, 1], 1) == 1


@pytest.mark.parametrize("running", [None, 1])
def test_there_may_be_nothing_to_roll_back_to(running: int | None) -> None:
    with pytest.raises(Refused) as caught:
        to_roll_back_to(running, [2, 1], None)
    assert caught.value.reason == "no-older-version"


# -- cancelling


def test_what_is_on_its_way_is_cancelled_by_number_or_without() -> None:
    rows = [row(2, "ready"), row(1, "live")]
    assert to_cancel("orders", rows, None) == to_cancel("orders", rows, 2) == rows[0]
    with pytest.raises(NotFound, match="no deployment 7"):
        to_cancel("orders", rows, 7)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "nothing-to-cancel"),
        ([row(2, "stopped"), row(1, "live")], "nothing-to-cancel"),
        ([row(2, "failed"), row(1, "live")], "nothing-to-cancel"),
        ([row(2, "live"), row(1, "draining")], "switched"),
        ([row(2, "ready"), row(1, "draining")], "switched"),
        ([row(2, "ready", strategy="restart", at=5), row(1, "stopped", until=6)], "switched"),
    ],
)
def test_what_has_switched_or_ended_is_not_cancelled(rows: list[Deployment], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        to_cancel("orders", rows, None)
    assert refused.value.reason == reason


def test_a_start_by_restart_is_cancelled_as_nothing_was_stopped_for_it() -> None:
    rows = [row(2, "warming", strategy="restart", at=5), row(1, "stopped", until=4)]
    assert to_cancel("orders", rows, None) == rows[0]


def test_a_start_after_a_cancelled_publish_runs_what_ran_before() -> None:
    cancelled = row(2, "stopped", version=2, at=5, until=7, cancelled_by="ada")
    assert to_start(version(2), [cancelled, row(1, "stopped", version=1, until=9)]) == 1
    assert to_start(version(2), [cancelled]) == 2, "nothing else ever ran"
