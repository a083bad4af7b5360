"""What is known of workers: which live, what they last said, how often they died. Makes the views that `plan` reads.

All of it is in memory and can be lost: a new server finds living workers through the runtime and hears of them within
a second; deadlines then begin anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from headrace.bus.control import WorkerState
from headrace.control.handover import Silenced, is_measured
from headrace.control.view import ENDED, DeploymentView, FlowView, Limits, Phase, State, Wish, WorkerView
from headrace.control.watch import Health, fault, health
from headrace.runtime.base import WorkerRef
from headrace.store.deployments import Deployment
from headrace.store.wishes import Wished

__all__ = ["Key", "Observer"]

Key = tuple[str, int]
"""Flow id and epoch."""
HEALTHY_AFTER = 60.0
"""Seconds a worker must be live for its earlier deaths to be forgotten."""
REMEMBERED = 3
"""Deployments before those that have not ended, of which is known how they ended."""


@dataclass
class _Known:
    """What is remembered of one deployment."""

    ref: WorkerRef | None = None
    state: WorkerState | None = None
    heard: float = 0.0
    warming_since: float | None = None
    live_since: float | None = None
    died: float | None = None
    deaths: int = 0
    cannot: str = ""
    last: WorkerState | None = None
    """What its last worker last said; kept when that is gone."""
    silenced: int = 0
    """When its trigger fell silent, microseconds since the epoch; 0: it emits, or never did."""
    row_state: State | None = None
    changed: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Observer:
    """The memory of control. Never asks anybody; is told."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float], connected: bool = True) -> None:
        self._limits = limits
        self._clock = clock
        self._known: dict[Key, _Known] = {}
        self._away = not connected
        self._back_since = clock()
        self.owning: set[Key] = set()
        """Deployments that have a spec in the bus, and so may have queues."""
        self.prepared: set[Key] = set()
        """Those whose queues are known to be complete."""

    # -- what it is told ------------------------------------------------------------------------------------

    def found(self, key: Key, ref: WorkerRef) -> bool:
        """A worker lives. False when that was known."""
        known = self._of(key)
        if known.ref == ref:
            return False
        now = self._clock()
        known.ref, known.heard, known.live_since = ref, now, None
        if known.warming_since is None:
            known.warming_since = now
        if known.state is not None and known.state.pid != ref.pid:
            known.state = None
        return True

    def gone(self, key: Key, ref: WorkerRef) -> None:
        """That worker has ended. Counts as a death; whether it was wished is for `view` to say."""
        known = self._of(key)
        if known.ref == ref:
            self.silent(key)
            known.ref = known.state = known.live_since = None
            self.attempt_failed(key)
            self._tell(known)

    def heard(self, state: WorkerState) -> bool:
        """A heartbeat came; whether it says something new. One of a worker not yet found is kept for then."""
        known = self._of((state.flow_id, state.epoch))
        if known.ref is not None and known.ref.pid != state.pid:
            return False
        now = self._clock()
        new = known.state is None or (known.state.pid, known.state.phase) != (state.pid, state.phase)
        known.state, known.heard, known.last = state, now, state
        if state.phase == "live":
            known.silenced = 0
        elif state.phase in ("draining", "drained"):
            known.silenced = state.trigger_off
        if state.phase != "live":
            known.live_since = None
        elif known.live_since is None:
            known.live_since = now
        if new:
            self._tell(known)
        return new

    def silent(self, key: Key) -> None:
        """Its trigger emits no more from now on, if it did: its worker was told to stop, or is gone."""
        known = self._of(key)
        if self.phase(key) == "live" and not known.silenced:
            known.silenced = time.time_ns() // 1000

    def starting(self, key: Key, state: State) -> None:
        """A worker is about to be started: a warm-up begins. That of a challenger goes on if it has begun before."""
        known = self._of(key)
        if known.warming_since is None or state == "live":
            known.warming_since = self._clock()

    def attempt_failed(self, key: Key) -> None:
        """Its worker died, or could not be started: the next start waits."""
        known = self._of(key)
        known.deaths += 1
        known.died = self._clock()

    def cannot(self, key: Key, why: str) -> None:
        """It can never be prepared as it is."""
        self._of(key).cannot = why

    def broker_lost(self) -> None:
        """Nobody can be heard from now on; silence says nothing."""
        self._away = True

    def broker_back(self) -> None:
        """Workers can be heard again, and start again: that they could not meanwhile was no fault of theirs."""
        self._away = False
        self._back_since = self._clock()
        for known in self._known.values():
            known.deaths, known.died = 0, None

    def forget(self, wished: Mapping[str, Wished]) -> None:
        """Keep nothing of other flows, nor of deployments long past; except of workers that live."""
        self.owning = {key for key in self.owning if key[0] in wished}
        oldest = {
            flow_id: min((row.epoch for row in flow.deployments), default=0) - REMEMBERED
            for flow_id, flow in wished.items()
        }
        for key, known in list(self._known.items()):
            past = key[0] not in oldest or (key[1] < oldest[key[0]] and key not in self.owning)
            if past and known.ref is None:
                del self._known[key]
        self.prepared &= self.owning

    # -- what it tells --------------------------------------------------------------------------------------

    def worker(self, key: Key) -> WorkerRef | None:
        """The living worker of a deployment."""
        known = self._known.get(key)
        return known.ref if known else None

    def workers(self) -> dict[Key, WorkerRef]:
        """All living workers."""
        return {key: known.ref for key, known in self._known.items() if known.ref is not None}

    def state(self, key: Key) -> WorkerState | None:
        """What a deployment's worker last said."""
        known = self._known.get(key)
        return known.state if known else None

    def last(self, key: Key) -> WorkerState | None:
        """What a deployment's worker said last, also when it is gone."""
        known = self._known.get(key)
        return known.last if known else None

    def silenced_before(self, key: Key) -> Silenced | None:
        """The deployment whose place this one takes: the last other one of its flow whose trigger fell silent."""
        silent = [
            Silenced(epoch, known.silenced)
            for (flow_id, epoch), known in self._known.items()
            if flow_id == key[0] and epoch != key[1] and known.silenced
        ]
        return max(silent, key=lambda each: each.at, default=None)

    def phase(self, key: Key) -> Phase | None:
        """The phase its worker last told."""
        state = self.state(key)
        return state.phase if state and self.worker(key) else None

    def warming(self) -> int:
        """How many workers are warming up."""
        return sum(self.phase(key) in (None, "warming") for key in self.workers())

    async def reaches(self, key: Key, phases: Collection[Phase], within: float) -> Phase | None:
        """Wait until the worker is in one of these phases and return it; `None` when it ended. `TimeoutError`."""
        known = self._of(key)
        async with asyncio.timeout(within):
            while known.ref is not None and self.phase(key) not in phases:
                await known.news.wait()
        return self.phase(key)

    def view(self, wished: Wished, pending: Mapping[Key, str], *, resting: bool = False) -> FlowView:
        """The flow as `plan` sees it. ``resting``: as if it were suspended."""
        wish: Wish = "suspended" if resting and wished.wish == "running" else wished.wish
        deployments = [self._view(each, pending) for each in wished.deployments]
        epochs = {each.epoch for each in wished.deployments}
        deployments += [
            self._ended(key, pending)
            for key in {*self.owning, *self.workers()}
            if key[0] == wished.flow_id and key[1] not in epochs
        ]
        if wish != "running":
            self._excuse(wished.flow_id)
        return FlowView(
            flow_id=wished.flow_id,
            wish=wish,
            deployments=tuple(self._compared(each, wished.flow_id, deployments) for each in deployments),
            limits=self._limits,
        )

    def _compared(self, each: DeploymentView, flow_id: str, all_of_them: list[DeploymentView]) -> DeploymentView:
        """A live deployment, with why it does worse than the newest before it that still stands by."""
        older = [other.epoch for other in all_of_them if other.epoch < each.epoch and other.state not in ENDED]
        if each.state != "live" or not older:
            return each
        new, old = self._health((flow_id, each.epoch)), self._health((flow_id, max(older)))
        return each if new is None else replace(each, fault=fault(new, old))

    def _health(self, key: Key) -> Health | None:
        state = self.state(key)
        return None if state is None else health(state, self._of(key).deaths)

    def _view(self, row: Deployment, pending: Mapping[Key, str]) -> DeploymentView:
        key = row.flow_id, row.epoch
        known = self._of(key)
        now = self._clock()
        if known.row_state != row.state:
            if row.state == "warming" and known.row_state is not None:  # a person started it again: a new story
                known.deaths, known.died, known.warming_since, known.cannot = 0, None, None, ""
            known.row_state, known.changed = row.state, now
        if known.live_since is not None and now - known.live_since >= HEALTHY_AFTER:
            known.deaths, known.died = 0, None
        return DeploymentView(
            epoch=row.epoch,
            state=row.state,
            strategy=row.strategy,
            worker=self._worker(known, now),
            pending=pending.get(key, ""),
            prepared=key in self.owning and (key in self.prepared or known.ref is not None),
            cannot=known.cannot,
            warming_since=known.warming_since,
            died=known.died,
            deaths=known.deaths,
            changed=known.changed,
            cancelled=(row.cancelled_by or "") if row.state in ("warming", "ready") else "",
            measured=is_measured(row.handover),
        )

    def _ended(self, key: Key, pending: Mapping[Key, str]) -> DeploymentView:
        known = self._of(key)
        return DeploymentView(
            epoch=key[1],
            state="stopped",
            worker=self._worker(known, self._clock()),
            pending=pending.get(key, ""),
            prepared=key in self.owning,
        )

    def _worker(self, known: _Known, now: float) -> WorkerView | None:
        if known.ref is None:
            return None
        state = known.state
        return WorkerView(
            phase=state.phase if state else None,
            heard=now if self._away else max(known.heard, self._back_since),
            reason=state.reason if state else "",
        )

    def _excuse(self, flow_id: str) -> None:
        """Workers that end because nobody wants them did not die."""
        for (owner, _), known in self._known.items():
            if owner == flow_id and known.ref is None:
                known.deaths, known.died, known.warming_since = 0, None, None
                known.silenced = 0

    def _of(self, key: Key) -> _Known:
        return self._known.setdefault(key, _Known())

    def _tell(self, known: _Known) -> None:
        """Wake everyone who waits for news."""
        known.news.set()
        known.news = asyncio.Event()
