"""What control remembers of workers, and what it makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.bus.control import Phase, WorkerState
from headrace.control.observe import Observer
from headrace.control.view import DeploymentView, Limits
from headrace.identity import Identity
from headrace.store.deployments import Deployment, State
from headrace.store.flows import Wish
from headrace.store.wishes import Wished

KEY = ("f", 1)
REF = Identity(7, 1.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(clock: Clock) -> Observer:
    return Observer(Limits(), clock=clock)


def heartbeat(phase: Phase, pid: int = 7, **more: Any) -> WorkerState:
    return WorkerState(flow_id="f", epoch=1, pid=pid, created=1.0, phase=phase, at=0, **more)


def row(state: State, epoch: int = 1) -> Deployment:
    return Deployment("f", epoch, 1, {}, state, "", 0, None, None, None, None, {}, None, 0)


def seen(observer: Observer, state: State = "live", wish: Wish = "running", resting: bool = False) -> DeploymentView:
    wished = Wished("f", "orders", wish, (row(state),))
    (view,) = observer.view(wished, {}, resting=resting).deployments
    return view


def test_a_worker_is_known_by_its_heartbeat(observer: Observer) -> None:
    observer.found(KEY, REF)
    worker = seen(observer).worker
    assert worker is not None
    assert worker.phase is None
    assert observer.heard(heartbeat("failed", reason="no disk"))
    assert not observer.heard(heartbeat("failed", reason="no disk")), "nothing new"
    worker = seen(observer).worker
    assert worker is not None
    assert (worker.phase, worker.reason) == ("failed", "no disk")


def test_another_process_is_not_listened_to(observer: Observer) -> None:
    observer.found(KEY, REF)
    assert not observer.heard(heartbeat("live", pid=8))
    assert seen(observer).phase is None


def test_a_heartbeat_that_comes_before_the_worker_is_found_counts(observer: Observer) -> None:
    observer.heard(heartbeat("ready"))
    assert seen(observer).worker is None
    observer.found(KEY, REF)
    assert seen(observer).phase == "ready"


def test_deaths_add_up_and_a_minute_of_health_forgets_them(observer: Observer, clock: Clock) -> None:
    for death in (1, 2):
        observer.found(KEY, REF)
        observer.gone(KEY, REF)
        observer.gone(KEY, REF)
        view = seen(observer)
        assert (view.worker, view.deaths, view.died) == (None, death, clock.now)
    observer.found(KEY, REF)
    observer.heard(heartbeat("live"))
    clock.now += 59
    assert seen(observer).deaths == 2
    clock.now += 1
    assert (seen(observer).deaths, seen(observer).died) == (0, None)


@pytest.mark.parametrize(("wish", "resting"), [("stopped", False), ("suspended", False), ("running", True)])
def test_an_end_that_was_wished_is_no_death(observer: Observer, wish: Wish, resting: bool) -> None:
    observer.found(KEY, REF)
    observer.gone(KEY, REF)
    seen(observer, wish=wish, resting=resting)
    assert (seen(observer).deaths, seen(observer).died, seen(observer).warming_since) == (0, None, None)


def test_silence_counts_only_while_the_broker_can_be_reached(observer: Observer, clock: Clock) -> None:
    observer.found(KEY, REF)
    observer.broker_lost()
    clock.now += 1000
    worker = seen(observer).worker
    assert worker is not None
    assert worker.heard == clock.now
    observer.broker_back()
    clock.now += 10
    worker = seen(observer).worker
    assert worker is not None
    assert worker.heard == clock.now - 10


def test_deaths_while_the_broker_was_away_are_excused(observer: Observer) -> None:
    observer.broker_lost()
    observer.found(KEY, REF)
    observer.gone(KEY, REF)
    observer.broker_back()
    assert (seen(observer).deaths, seen(observer).died) == (0, None)


def test_the_warm_up_of_a_challenger_goes_on_over_restarts(observer: Observer, clock: Clock) -> None:
    observer.starting(KEY, "warming")
    began = clock.now
    clock.now += 5
    observer.starting(KEY, "warming")
    assert seen(observer, "warming").warming_since == began
    observer.starting(KEY, "live")
    assert seen(observer).warming_since == clock.now


def test_an_adopted_worker_warms_up_from_when_it_was_found(observer: Observer, clock: Clock) -> None:
    observer.found(KEY, REF)
    assert seen(observer, "warming").warming_since == clock.now


def test_a_deployment_that_is_started_again_has_a_story_of_its_own(observer: Observer) -> None:
    seen(observer, "live")
    observer.attempt_failed(KEY)
    observer.cannot(KEY, "it does not compile")
    view = seen(observer, "warming")
    assert (view.deaths, view.cannot, view.warming_since) == (0, "", None)


def test_queues_of_unknown_completeness_are_prepared_again_unless_a_worker_runs_on_them(observer: Observer) -> None:
    observer.owning.add(KEY)
    assert not seen(observer).prepared
    observer.found(KEY, REF)
    assert seen(observer).prepared
    observer.prepared.add(KEY)
    observer.gone(KEY, REF)
    assert seen(observer).prepared


def test_ended_deployments_matter_while_they_have_queues_or_a_worker(observer: Observer) -> None:
    observer.owning.add(("f", 1))
    observer.found(("f", 2), REF)
    observer.owning.add(("g", 1))
    view = observer.view(Wished("f", "orders", "running", (row("live", 3),)), {("f", 1): "TakeOver"})
    by_epoch = {each.epoch: each for each in view.deployments}
    assert sorted(by_epoch) == [1, 2, 3]
    assert (by_epoch[1].ended, by_epoch[1].prepared, by_epoch[1].pending) == (True, True, "TakeOver")
    assert by_epoch[2].worker is not None


def test_what_belongs_to_flows_that_are_gone_is_forgotten(observer: Observer) -> None:
    observer.owning |= {("f", 1), ("g", 1)}
    observer.heard(heartbeat("live"))
    observer.forget({"g": Wished("g", "other", "running", ())})
    assert observer.owning == {("g", 1)}
    assert observer.state(KEY) is None


async def test_waiting_for_a_phase(observer: Observer) -> None:
    observer.found(KEY, REF)
    waiting = asyncio.create_task(observer.reaches(KEY, ("live", "failed"), 5))
    await asyncio.sleep(0)
    observer.heard(heartbeat("ready"))
    await asyncio.sleep(0)
    assert not waiting.done()
    observer.heard(heartbeat("live"))
    assert await waiting == "live"
    live: list[Phase] = ["live"]
    drained: list[Phase] = ["drained"]
    assert await observer.reaches(KEY, live, 0) == "live"
    with pytest.raises(TimeoutError):
        await observer.reaches(KEY, drained, 0.01)
    waiting = asyncio.create_task(observer.reaches(KEY, drained, 5))
    await asyncio.sleep(0)
    observer.gone(KEY, REF)
    assert await waiting is None
