"""Messages a second, times, restarts and traffic out of heartbeats."""

from __future__ import annotations

from typing import Any

from headrace.api.figures import EVERY, KEPT, Figures, Pace
from headrace.bus.control import StepState, WorkerState
from headrace.bus.times import bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0 * EVERY

    def __call__(self) -> float:
        return self.now


def step(id_: str = "hook", **counted: Any) -> StepState:
    return StepState(id=id_, trigger=id_ == "hook", host="ready", **counted)


class Flow:
    """A flow whose worker speaks once a second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.figures = Figures(self.clock, self.clock)

    def says(self, *steps: StepState, pid: int = 1, after: float = 1.0) -> None:
        self.clock.now += after
        self.figures.note(
            WorkerState(flow_id="f", epoch=1, pid=pid, created=float(pid), phase="live", at=0, steps=steps)
        )

    def pace(self, id_: str = "hook") -> Pace:
        return self.figures.pace("f", 1, id_)


def test_what_stood_when_the_worker_was_first_heard_counts_for_nothing() -> None:
    flow = Flow()
    flow.says(step(received=1000, emitted=1000, times={bucket(900): 1000}))
    assert flow.pace() == Pace()
    flow.says(step(received=1010, emitted=1030, failed=5, times={bucket(900): 1000, bucket(100): 10}))
    pace = flow.pace()
    assert (pace.received, pace.emitted, pace.failed) == (10.0, 30.0, 5.0)
    assert pace.p50_us == pace.p99_us
    assert pace.p50_us is not None
    assert abs(pace.p50_us - 100) < 13


def test_rates_follow_in_seconds_and_times_over_a_minute() -> None:
    flow = Flow()
    received, times = 0, {bucket(50_000): 0, bucket(100): 0}
    for _ in range(30):  # slow ones first
        received += 10
        times = {bucket(50_000): times[bucket(50_000)] + 10, bucket(100): 0}
        flow.says(step(received=received, times=times))
    assert flow.pace().received == 10.0
    for _ in range(12):
        flow.says(step(received=received, times=times))
    assert flow.pace().received == 0.0
    assert flow.pace().p50_us is not None  # of the last minute
    for _ in range(60):
        flow.says(step(received=received, times=times))
    assert flow.pace().p50_us is None


def test_a_new_worker_begins_anew_and_restarts_add_up() -> None:
    flow = Flow()
    flow.says(step(received=5, restarts=1))
    flow.says(step(received=50, restarts=2))
    flow.says(step(received=1, restarts=0), pid=2)
    assert flow.pace() == Pace()
    assert flow.figures.restarts("f", 1, "hook") == 2
    flow.says(step(received=3, restarts=4), pid=2)
    flow.says(step(received=0, restarts=0), pid=3)
    assert flow.figures.restarts("f", 1, "hook") == 6


def test_traffic_counts_events_of_the_trigger_and_errors_of_all() -> None:
    flow = Flow()
    flow.says(step("work", emitted=9, failed=1), step(emitted=100))
    for number in range(1, EVERY * 3 + 1):
        flow.says(step("work", emitted=900 * number, failed=1 + number), step(emitted=100 + 2 * number))
    traffic = flow.figures.traffic("f")
    assert len(traffic.events) == len(traffic.errors)
    assert traffic.events[-2:] == [2 * EVERY, 2 * EVERY]
    assert traffic.errors[-2:] == [EVERY, EVERY]


def test_traffic_of_a_quarter_of_an_hour_is_kept_and_no_more() -> None:
    flow = Flow()
    flow.says(step(emitted=1))
    flow.says(step(emitted=2))
    for _ in range(KEPT + 5):
        flow.says(step(emitted=2), after=EVERY)
    assert flow.figures.traffic("f").events == [0] * KEPT
    flow.figures.forget(set())
    assert flow.figures.traffic("f").events == [0] * KEPT
    assert flow.pace() == Pace()
