"""The planner: examples a person can read, and properties over a simulated world in which everything goes wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.control.world import Worker, World

from headrace.control.action import Action, Mark, Quiesce, Start, Stop, TakeOver
from headrace.control.plan import backoff, next_look, plan
from headrace.control.view import DeploymentView, FlowView, Limits, Phase, State, Strategy, Wish, WorkerView

NOW = 1000.0


def deployment(epoch: int, state: State, phase: Phase | None = None, **more: Any) -> DeploymentView:
    """A prepared deployment; with a phase, its worker says so."""
    worker = None if phase is None else WorkerView(phase=phase, heard=NOW)
    return DeploymentView(epoch=epoch, state=state, **({"worker": worker, "prepared": True} | more))


def planned(*deployments: DeploymentView, wish: Wish = "running", now: float = NOW) -> list[Action]:
    return list(plan(FlowView(flow_id="f", wish=wish, deployments=deployments), now))


def kinds(*deployments: DeploymentView, wish: Wish = "running", now: float = NOW) -> list[tuple[str, int]]:
    return [(type(each).__name__, each.epoch) for each in planned(*deployments, wish=wish, now=now)]


# -- one deployment -----------------------------------------------------------------------------------------------


def test_a_published_flow_is_prepared_started_marked_ready_and_activated() -> None:
    assert kinds(deployment(1, "warming", prepared=False)) == [("Prepare", 1)]
    assert kinds(deployment(1, "warming")) == [("Start", 1)]
    assert kinds(deployment(1, "warming", "warming")) == []
    assert kinds(deployment(1, "warming", "ready")) == [("Mark", 1)]
    assert kinds(deployment(1, "ready", "ready")) == [("Activate", 1)]
    assert kinds(deployment(1, "live", "live")) == []


def test_a_worker_not_heard_of_yet_is_waited_for() -> None:
    silent = WorkerView(phase=None, heard=NOW)
    mine: tuple[State, ...] = ("warming", "ready", "live")
    for state in mine:
        assert planned(deployment(1, state, worker=silent)) == []
    new = deployment(2, "ready", "ready", strategy="handover")
    old: tuple[State, ...] = ("live", "draining")
    for state in old:
        assert planned(deployment(1, state, worker=silent, changed=NOW), new) == []


def test_a_worker_that_died_is_started_again_after_a_pause() -> None:
    dead = deployment(1, "live", died=NOW, deaths=3)
    assert planned(dead) == []
    assert planned(dead, now=NOW + backoff(3)) == [Start(epoch=1, why="its worker died (3 times in a row)")]
    assert kinds(deployment(1, "live", "ready")) == [("Activate", 1)]


def test_pauses_double_up_to_thirty_seconds() -> None:
    assert [backoff(deaths) for deaths in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
    assert backoff(9) == backoff(10_000) == 30.0


def test_a_failed_warm_up_ends_the_deployment_with_its_reason() -> None:
    said = WorkerView(phase="failed", heard=NOW, reason="step a: no module named b")
    why = "step a: no module named b"
    assert planned(deployment(1, "warming", worker=said)) == [Mark(epoch=1, state="failed", reason=why, why=why)]
    assert kinds(deployment(1, "failed", worker=said)) == [("Stop", 1)]
    since = NOW - 76.0
    assert kinds(deployment(1, "warming", "warming", warming_since=since)) == [("Mark", 1)]
    (mark,) = planned(deployment(1, "warming", warming_since=since))
    assert mark == Mark(epoch=1, state="failed", reason="not ready within 75 s", why="not ready within 75 s")
    (mark,) = planned(deployment(1, "warming", deaths=4, died=NOW, warming_since=since))
    assert isinstance(mark, Mark)
    assert mark.reason == "its worker died 4 times while it warmed up"
    assert kinds(deployment(1, "failed")) == [], "only a person makes it run again"


def test_what_cannot_be_prepared_fails_at_once() -> None:
    (mark,) = planned(deployment(1, "warming", prepared=False, cannot="component erp 3 is gone"))
    assert isinstance(mark, Mark)
    assert (mark.state, mark.reason) == ("failed", "component erp 3 is gone")


def test_a_live_deployment_that_cannot_warm_up_again_is_tried_for_ever() -> None:
    assert kinds(deployment(1, "live", "failed")) == [("Stop", 1)]
    assert kinds(deployment(1, "live", "warming", warming_since=NOW - 76.0)) == [("Stop", 1)]
    assert kinds(deployment(1, "live", deaths=50, died=NOW - 31.0)) == [("Start", 1)]


def test_a_worker_that_hangs_is_killed() -> None:
    hung = deployment(1, "live", worker=WorkerView(phase="live", heard=NOW - 30.0))
    (stop,) = planned(hung)
    assert isinstance(stop, Stop)
    assert stop.force


def test_stop_ends_the_worker_and_keeps_the_queue() -> None:
    assert kinds(deployment(1, "live", "live"), wish="stopped") == [("Stop", 1)]
    assert planned(deployment(1, "live"), wish="stopped") == [Mark(epoch=1, state="stopped", why="the flow is stopped")]
    assert planned(deployment(1, "stopped"), wish="stopped") == []


def test_the_shutdown_hook_runs_only_where_startup_may_have_run() -> None:
    both = deployment(1, "live", "live"), deployment(2, "warming", "warming")
    finals = {each.epoch: each.final for each in planned(*both, wish="stopped") if isinstance(each, Stop)}
    assert finals == {1: True, 2: False}
    (stop,) = planned(both[0], deployment(2, "warming", strategy="restart"))
    assert isinstance(stop, Stop)
    assert (stop.final, stop.successor) == (False, 2), "whether the trigger is another one is for the carrying out"
    assert not any(each.final for each in planned(*both, wish="suspended") if isinstance(each, Stop))


def test_suspension_ends_workers_and_changes_no_state() -> None:
    both = deployment(1, "live", "live"), deployment(2, "warming", "warming")
    assert kinds(*both, wish="suspended") == [("Stop", 1), ("Stop", 2)]
    assert planned(deployment(1, "live"), deployment(2, "warming"), wish="suspended") == []


def test_a_started_flow_takes_over_what_its_last_deployment_left() -> None:
    left = deployment(1, "stopped")
    assert kinds(left, deployment(2, "warming", "warming")) == []
    assert planned(left, deployment(2, "ready", "ready")) == [
        TakeOver(epoch=1, to=2, why="deployment 2 runs in its place")
    ]
    assert kinds(deployment(1, "stopped", prepared=False), deployment(2, "ready", "ready")) == [("Activate", 2)]


def test_queues_are_taken_over_oldest_first() -> None:
    assert kinds(deployment(1, "stopped"), deployment(2, "failed"), deployment(3, "ready", "ready")) == [
        ("TakeOver", 1)
    ]
    moving = deployment(1, "stopped", pending="TakeOver")
    assert kinds(moving, deployment(2, "failed"), deployment(3, "ready", "ready")) == []


# -- a publish over a live deployment -----------------------------------------------------------------------------

OLD = deployment(1, "live", "live")


@pytest.mark.parametrize("worker", [None, "warming"])
def test_the_old_deployment_runs_while_the_new_one_warms(worker: Phase | None) -> None:
    new = deployment(2, "warming", worker)
    assert kinds(OLD, new) == ([("Start", 2)] if worker is None else [])
    dead = deployment(1, "live")
    assert ("Start", 1) in kinds(dead, new)
    assert ("Activate", 1) in kinds(deployment(1, "live", "ready"), new), "a restarted one goes live again"


def test_a_failed_new_deployment_leaves_the_old_one_alone() -> None:
    assert kinds(OLD, deployment(2, "warming", "failed")) == [("Mark", 2)]
    assert kinds(OLD, deployment(2, "failed", "failed")) == [("Stop", 2)]
    assert kinds(OLD, deployment(2, "failed")) == [("TakeOver", 2)], "its queues are empty; they go"
    assert kinds(OLD, deployment(2, "failed", prepared=False)) == []


def test_handover_silences_the_old_trigger_then_activates_the_new() -> None:
    new = deployment(2, "ready", "ready", strategy="handover")
    assert kinds(OLD, new) == [("Quiesce", 1)]
    assert kinds(replace(OLD, pending="Quiesce"), new) == []
    assert kinds(deployment(1, "draining", "live", changed=NOW), new) == [("Quiesce", 1)], (
        "the store knew, its worker did not"
    )
    assert kinds(deployment(1, "live", "draining"), new) == [("Mark", 1)], "its worker knew, the store did not"
    assert kinds(deployment(1, "draining", "draining", changed=NOW), new) == [("Activate", 2)]
    live = deployment(2, "live", "live", changed=NOW)
    assert kinds(deployment(1, "draining", "draining", changed=NOW), live) == []
    assert kinds(deployment(1, "draining", "drained", changed=NOW), live) == [("Stop", 1)]
    assert kinds(deployment(1, "draining"), live) == [("Mark", 1)]
    assert kinds(deployment(1, "stopped"), live) == [("TakeOver", 1)]


def test_what_does_not_drain_in_time_is_stopped_and_taken_over() -> None:
    live = deployment(2, "live", "live", changed=NOW - 60.0)
    assert kinds(deployment(1, "draining", "draining", changed=NOW - 60.0), live) == [("Stop", 1)]


def test_a_drained_deployment_stands_by_while_its_successor_is_watched() -> None:
    limits = Limits(watch_for=60.0)
    drained = deployment(1, "draining", "drained", changed=NOW)
    standby = deployment(1, "standby", "drained", changed=NOW)

    def with_new(old: DeploymentView, new: DeploymentView, now: float) -> list[str]:
        view = FlowView(flow_id="f", wish="running", deployments=(old, new), limits=limits)
        return [type(each).__name__ for each in plan(view, now)]

    live = deployment(2, "live", "live", changed=NOW)
    assert with_new(drained, live, NOW) == ["Mark"]
    assert with_new(standby, live, NOW + 1) == []
    later = replace(live, worker=WorkerView(phase="live", heard=NOW + 60.0))
    assert "Stop" in with_new(replace(standby, worker=later.worker), later, NOW + 60.0)


def test_hand_back_when_the_new_deployment_fails_before_its_activation() -> None:
    failed = deployment(2, "failed", strategy="handover", prepared=False)
    (mark,) = planned(deployment(1, "draining", "draining"), failed)
    assert isinstance(mark, Mark)
    assert mark.state == "live"
    assert kinds(deployment(1, "live", "draining"), failed) == [("Activate", 1)], "its trigger begins again"
    assert kinds(deployment(1, "live", "ready"), deployment(2, "failed", "live")) == [("Stop", 2)], "and waits for it"


def test_a_dead_old_worker_leaves_its_queue_to_the_new_one_before_that_begins() -> None:
    new = deployment(2, "ready", "ready")
    assert kinds(deployment(1, "live"), new) == [("Mark", 1)]
    assert kinds(deployment(1, "stopped"), new) == [("TakeOver", 1)]
    assert kinds(deployment(1, "stopped", prepared=False), new) == [("Activate", 2)]


def test_restart_stops_the_old_worker_only_when_the_new_one_could_be_prepared() -> None:
    unprepared = deployment(2, "warming", strategy="restart", prepared=False)
    assert kinds(OLD, unprepared) == [("Prepare", 2)]
    assert kinds(OLD, replace(unprepared, cannot="it does not compile")) == [("Mark", 2)]
    prepared = replace(unprepared, prepared=True)
    assert kinds(OLD, prepared) == [("Stop", 1)]
    assert kinds(deployment(1, "live"), prepared) == [("Mark", 1)]
    assert kinds(deployment(1, "stopped"), prepared) == [("Start", 2)]


def test_a_second_publish_supersedes_the_first() -> None:
    assert kinds(OLD, deployment(2, "warming", "warming"), deployment(3, "warming")) == [("Stop", 2), ("Start", 3)]
    (mark, start) = planned(OLD, deployment(2, "warming"), deployment(3, "warming"))
    assert isinstance(mark, Mark)
    assert (mark.state, mark.why) == ("stopped", "superseded by deployment 3")
    assert isinstance(start, Start)


@pytest.mark.parametrize("strategy", ["handover", "restart"])
@pytest.mark.parametrize("state", ["warming", "ready"])
def test_what_is_cancelled_before_the_switch_ends_and_the_old_one_runs_on(
    strategy: Strategy, state: Literal["warming", "ready"]
) -> None:
    new = deployment(2, state, state, strategy=strategy, cancelled="ada")
    assert kinds(OLD, new) == [("Stop", 2)]
    gone = deployment(2, state, strategy=strategy, cancelled="ada")
    assert planned(OLD, gone) == [
        Mark(epoch=2, state="stopped", reason="cancelled by ada", why="cancelled by ada"),
    ]
    assert kinds(OLD, deployment(2, "stopped")) == [("TakeOver", 2)], "and its queues go"


def test_what_is_cancelled_while_it_is_started_is_ended_afterwards() -> None:
    assert kinds(OLD, deployment(2, "warming", pending="Start", cancelled="ada")) == []
    assert kinds(OLD, deployment(2, "warming", "warming", cancelled="ada")) == [("Stop", 2)]


def test_a_publish_after_one_that_was_cancelled_does_not_wait_for_its_end() -> None:
    cancelled = deployment(2, "ready", "ready", cancelled="ada")
    assert kinds(OLD, cancelled, deployment(3, "warming")) == [("Stop", 2), ("Start", 3)]


def test_nothing_is_activated_while_another_worker_may_be_live() -> None:
    new = deployment(3, "ready", "ready", strategy="handover")
    unheard = WorkerView(phase=None, heard=NOW)
    for other in (
        deployment(2, "stopped", "live"),
        deployment(2, "failed", "failed"),
        deployment(2, "ready", "ready"),
        deployment(2, "draining", worker=unheard, changed=NOW),
        deployment(2, "warming", pending="Start"),
    ):
        assert ("Activate", 3) not in kinds(other, new), other


# -- time ---------------------------------------------------------------------------------------------------------


def test_the_next_look_is_when_time_alone_changes_the_plan() -> None:
    view = FlowView(flow_id="f", wish="running", deployments=(deployment(1, "live", died=NOW, deaths=2),))
    assert next_look(view, NOW) == NOW + 0.4
    assert next_look(view, NOW + 1) is None


# -- a world in which everything goes wrong -----------------------------------------------------------------------


class Faults(RuleBasedStateMachine):
    """People publish and stop, workers warm up, fail and die, heartbeats are late, servers crash in mid-action."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.cancelled: set[int] = set()

    @rule(
        strategy=st.sampled_from(["handover", "handover", "restart"]),
        fate=st.sampled_from(["good", "good", "good", "never", "fails", "cannot"]),
    )
    def publish(self, strategy: Strategy, fate: str) -> None:
        self.world.publish(strategy, fate)

    @rule()
    def cancel(self) -> None:
        self.cancelled |= {self.world.cancel()}

    @rule(wish=st.sampled_from(["stopped", "suspended", "running"]))
    def wish(self, wish: Wish) -> None:
        if wish == "running":
            self.world.start()
        else:
            self.world.wish = wish
            self.world.log.append(wish)

    @rule()
    def look(self) -> None:
        view = self.world.view()
        actions = self.world.look()
        check_plan(view, actions, self.world.now)

    @precondition(lambda self: self.world.under_way)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self.world.step(data.draw(st.sampled_from(sorted(self.world.under_way))))

    @precondition(lambda self: self.world.workers)
    @rule(data=st.data(), act=st.sampled_from(["work", "work", "beat", "beat", "kill"]))
    def worker(self, data: st.DataObject, act: str) -> None:
        getattr(self.world, act)(data.draw(st.sampled_from(sorted(self.world.workers))))

    @initialize(live=st.sampled_from([0, 1, 1]))
    def begin(self, live: int) -> None:
        """Most stories begin with a flow that runs."""
        if live:
            self.world.publish("handover", "good")
            self.world.calm()

    @rule(seconds=st.integers(1, 6), data=st.data())
    def everything_moves_on(self, seconds: int, data: st.DataObject) -> None:
        """Some quiet seconds, so that long stories happen too; what is under way goes on side by side."""
        for _ in range(seconds):
            for epoch in list(self.world.workers):
                self.world.work(epoch)
                self.world.beat(epoch)
            self.look()
            while self.world.under_way:
                self.world.step(data.draw(st.sampled_from(sorted(self.world.under_way))))
                self.one_live_trigger()
            self.world.now += 1.0

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @invariant()
    def one_live_trigger(self) -> None:
        live = [epoch for epoch, worker in self.world.workers.items() if worker.phase == "live"]
        assert len(live) <= 1, "\n".join(self.world.log)

    @invariant()
    def what_was_cancelled_beside_a_live_one_never_runs(self) -> None:
        for epoch in self.cancelled - {0}:
            row = self.world.rows[epoch]
            if not row.cancelled:
                self.cancelled.discard(epoch)  # a person started it again
            else:
                assert row.state not in ("live", "draining", "standby"), "\n".join(self.world.log)

    @invariant()
    def no_message_is_lost(self) -> None:
        waiting = sum(self.world.queues.values())
        assert self.world.accepted == self.world.processed + waiting

    def teardown(self) -> None:
        """Whatever happened: once the faults end, the world comes to rest where it was wished to."""
        world = self.world
        world.calm()
        assert plan(world.view(), world.now) == ()
        live = [epoch for epoch, row in world.rows.items() if row.state == "live"]
        if world.wish != "running":
            assert not world.workers
        if world.wish == "stopped":
            assert not live
        if world.wish == "running":
            assert len(live) <= 1
            assert sorted(world.workers) == live
            if live:
                assert sorted(world.queues) == live, "what others left was taken over"
                assert world.lease == live[0]


def check_plan(view: FlowView, actions: tuple[Action, ...], now: float) -> None:
    """What must hold for every plan."""
    by_epoch = {each.epoch: each for each in view.deployments}
    assert len({action.epoch for action in actions}) == len(actions), "one action per deployment"
    assert not any(by_epoch[action.epoch].pending for action in actions), "nothing pending is touched"
    shuffled = random.Random(0).sample(view.deployments, len(view.deployments))
    assert plan(replace(view, deployments=tuple(shuffled)), now) == actions, "order is irrelevant"
    soon = next_look(view, now)
    between = now + 3600 if soon is None else max(now, soon - 0.001)
    assert plan(view, between) == actions, "the plan changes with time at the next look only"
    for action in actions:
        check_never_stopped_before_the_switch(view, action, now)


def check_never_stopped_before_the_switch(view: FlowView, action: Action, now: float) -> None:
    each, target = next(each for each in view.deployments if each.epoch == action.epoch), view.target
    if view.wish != "running" or each.state != "live" or each.phase != "live" or target is None:
        return
    if isinstance(action, Quiesce | Stop) and not (isinstance(action, Stop) and action.force):
        assert target.epoch != each.epoch
        if target.strategy == "restart":
            assert target.prepared
        else:
            assert target.state == "ready"
            assert target.phase == "ready"


Faults.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestFaults = Faults.TestCase


@pytest.mark.parametrize("strategy", ["handover", "restart"])
def test_fifty_publishes_leave_one_of_everything(strategy: Strategy) -> None:
    world = World()
    for _ in range(50):
        world.publish(strategy, "good")
        world.calm()
        for _ in range(3):
            world.work(max(world.workers))
    assert list(world.workers) == [50]
    assert list(world.queues) == [50]
    assert world.accepted == world.processed + world.queues[50] == 150


def test_the_world_itself_notices_two_live_triggers() -> None:
    machine = Faults()
    machine.world.workers = {1: Worker("live"), 2: Worker("live")}
    with pytest.raises(AssertionError):
        machine.one_live_trigger()
