"""What passes flows now and in the last minutes, worked out from what workers count and say once a second.

Kept in memory alone: a server that was started again begins anew. Counters of a worker only grow; what they stood at
when a worker was first heard says nothing, as nobody knows since when it counts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headrace.bus.control import StepState, WorkerState
from headrace.bus.times import quantile, since

__all__ = ["EVERY", "KEPT", "Figures", "Pace", "Traffic"]

EVERY = 5
"""Seconds that one number of a flow's traffic stands for."""
KEPT = 180
"""Numbers kept: a quarter of an hour."""
LOOK_EVERY = 5.0
RATES_OVER, TIMES_OVER = 5.0, 60.0
"""Seconds over which messages a second, and the times they took, are told, at least and about."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a step goes: messages a second, and microseconds that half, and 99 of 100, did not exceed; `None` where
    nothing is known yet, or no message came."""

    received: float | None = None
    emitted: float | None = None
    failed: float | None = None
    p50_us: int | None = None
    p99_us: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events and errors in stretches of `EVERY` seconds, oldest first; the last one ended at `Figures.now`."""

    events: list[int]
    errors: list[int]


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    steps: Mapping[str, StepState]


@dataclass(slots=True)
class _Worker:
    """One worker of a deployment, and how often hosts were started again under those before it."""

    identity: tuple[int, float]
    looks: deque[_Look] = field(default_factory=deque)
    now: _Look = field(default_factory=lambda: _Look(0.0, {}))
    former: dict[str, int] = field(default_factory=dict)


class Figures:
    """Told of every heartbeat; asked by whoever shows a flow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._workers: dict[tuple[str, int], _Worker] = {}
        self._traffic: dict[str, dict[int, list[int]]] = {}
        self._began = int(wall() // EVERY)

    def note(self, state: WorkerState) -> None:
        """A worker has spoken."""
        key, identity = (state.flow_id, state.epoch), (state.pid, state.created)
        look = _Look(self._clock(), {step.id: step for step in state.steps})
        known = self._workers.get(key)
        if known is None or known.identity != identity:
            former = _restarts(known) if known is not None else {}
            self._workers[key] = _Worker(identity, deque([look]), look, former)
            return
        self._pass(state.flow_id, known.now, look)
        known.now = look
        if look.at - known.looks[-1].at >= LOOK_EVERY:
            known.looks.append(look)
        while len(known.looks) > 1 and look.at - known.looks[1].at >= TIMES_OVER:
            known.looks.popleft()

    def forget(self, keys: set[tuple[str, int]]) -> None:
        """Keep nothing of other workers than these, nor traffic that is too old to be shown."""
        for key in self._workers.keys() - keys:
            del self._workers[key]
        oldest = self._slot() - KEPT
        for flow_id, slots in list(self._traffic.items()):
            for slot in [each for each in slots if each < oldest]:
                del slots[slot]
            if not slots:
                del self._traffic[flow_id]

    def pace(self, flow_id: str, epoch: int, step: str) -> Pace:
        """How fast a step goes."""
        worker = self._workers.get((flow_id, epoch))
        now = worker.now.steps.get(step) if worker is not None else None
        if worker is None or now is None:
            return Pace()
        start = worker.looks[0].steps.get(step)
        times = since(start.times if start is not None else {}, now.times)
        p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
        base = _base(worker)
        before = base.steps.get(step) if base is not None else None
        if base is None or before is None:
            return Pace(p50_us=p50, p99_us=p99)
        seconds = worker.now.at - base.at
        return Pace(
            received=(now.received - before.received) / seconds,
            emitted=(now.emitted - before.emitted) / seconds,
            failed=(now.failed - before.failed) / seconds,
            p50_us=p50,
            p99_us=p99,
        )

    def restarts(self, flow_id: str, epoch: int, step: str) -> int:
        """How often its host was started again under earlier workers of the deployment, as far as was heard."""
        worker = self._workers.get((flow_id, epoch))
        return worker.former.get(step, 0) if worker is not None else 0

    def traffic(self, flow_id: str) -> Traffic:
        """Events and errors of the last quarter of an hour, or since the server began."""
        end = self._slot()
        slots = self._traffic.get(flow_id, {})
        wanted = range(max(self._began, end - KEPT), end)
        counts = [slots.get(slot, (0, 0)) for slot in wanted]
        return Traffic([each[0] for each in counts], [each[1] for each in counts])

    def now(self) -> int:
        """When the last stretch of time ended, milliseconds since the epoch."""
        return self._slot() * EVERY * 1000

    def _slot(self) -> int:
        return int(self._wall() // EVERY)

    def _pass(self, flow_id: str, before: _Look, now: _Look) -> None:
        """Add what came between two heartbeats to the flow's traffic."""
        events = failed = 0
        for id_, step in now.steps.items():
            last = before.steps.get(id_)
            if last is not None:
                failed += max(0, step.failed - last.failed)
                if step.trigger:
                    events = max(0, step.emitted - last.emitted)
        if events or failed:
            slot = self._traffic.setdefault(flow_id, {}).setdefault(self._slot(), [0, 0])
            slot[0] += events
            slot[1] += failed


def _base(worker: _Worker) -> _Look | None:
    """The newest look that is old enough to count messages from; else the first, when it is a second old."""
    for look in reversed(worker.looks):
        if worker.now.at - look.at >= RATES_OVER:
            return look
    return worker.looks[0] if worker.now.at - worker.looks[0].at >= 1.0 else None


def _restarts(worker: _Worker) -> dict[str, int]:
    return {id_: worker.former.get(id_, 0) + step.restarts for id_, step in worker.now.steps.items()}
