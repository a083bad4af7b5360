"""A small simulated world for the planner: rows, workers that warm up, fail and die, messages, servers that crash.

An action is carried out in the same small steps as in `headrace.control.deploy`; a crash of the server may come between
any two of them. What workers really do and what was heard of it are kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from headrace.control.action import Action, Activate, Mark, Measure, Prepare, Quiesce, Start, Stop, TakeOver
from headrace.control.plan import plan
from headrace.control.view import ENDED, DeploymentView, FlowView, Limits, Phase, State, Strategy, Wish, WorkerView

LIMITS = Limits(ready_within=60.0, silent_within=30.0, drain_within=20.0, watch_for=5.0)

Fate = str
"""What becomes of a worker left alone: ``good``, ``never`` ready, ``fails`` to get ready."""


@dataclass
class Worker:
    phase: Phase = "warming"
    fate: Fate = "good"
    heard: Phase | None = None
    heard_at: float = 0.0
    reason: str = ""


@dataclass
class Row:
    state: State
    strategy: Strategy
    fate: Fate
    changed: float
    measured: bool = True
    cancelled: bool = False


@dataclass
class Memory:
    """What a server remembers of a deployment and loses when it crashes."""

    warming_since: float | None = None
    died: float | None = None
    deaths: int = 0
    had_worker: bool = False


@dataclass
class World:
    wish: Wish = "stopped"
    now: float = 1000.0
    rows: dict[int, Row] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    queues: dict[int, int] = field(default_factory=dict)
    """Messages waiting, by epoch, for each deployment that is prepared."""
    lease: int = 0
    accepted: int = 0
    processed: int = 0
    under_way: dict[int, tuple[Action, Iterator[None]]] = field(default_factory=dict)
    memory: dict[int, Memory] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    # -- what people do

    def publish(self, strategy: Strategy, fate: Fate) -> None:
        self.rows[len(self.rows) + 1] = Row("warming", strategy, fate, self.now)
        self.wish = "running"
        self.log.append(f"publish {len(self.rows)} {strategy} {fate}")

    def start(self) -> None:
        """As `headrace.control.desire.start` does when nothing moved."""
        if self.rows and all(row.state in ENDED for row in self.rows.values()):
            newest = max(self.rows)
            self.rows[newest] = replace(self.rows[newest], state="warming", changed=self.now, cancelled=False)
        if self.rows:
            self.wish = "running"
        self.log.append("start")

    def cancel(self) -> int:
        """As `headrace.control.desire.cancel` does; the epoch, 0 when refused. What runs goes on, or all stops."""
        active = sorted(epoch for epoch, row in self.rows.items() if row.state not in ENDED)
        states = {self.rows[epoch].state for epoch in active}
        if not active or self.rows[active[-1]].state not in ("warming", "ready"):
            return 0
        if "live" not in states and not states.isdisjoint({"draining", "standby"}):
            return 0
        self.rows[active[-1]].cancelled = True
        if "live" not in states:
            self.wish = "stopped"
        self.log.append(f"cancel {active[-1]}")
        return active[-1] if "live" in states else 0

    # -- what is seen

    def view(self) -> FlowView:
        deployments = []
        for epoch, row in self.rows.items():
            memory = self.memory.setdefault(epoch, Memory())
            worker = self.workers.get(epoch)
            self._notice_death(epoch, memory, worker)
            pending = type(self.under_way[epoch][0]).__name__ if epoch in self.under_way else ""
            if not self._matters(epoch, row):
                continue
            deployments.append(
                DeploymentView(
                    epoch=epoch,
                    state=row.state,
                    strategy=row.strategy,
                    worker=WorkerView(phase=worker.heard, heard=worker.heard_at, reason=worker.reason)
                    if worker
                    else None,
                    pending=pending,
                    prepared=epoch in self.queues,
                    cannot="it does not compile" if row.fate == "cannot" and epoch not in self.queues else "",
                    warming_since=memory.warming_since,
                    died=memory.died,
                    deaths=memory.deaths,
                    changed=row.changed,
                    cancelled="ada" if row.cancelled and row.state in ("warming", "ready") else "",
                    measured=row.measured,
                )
            )
        return FlowView(flow_id="f", wish=self.wish, deployments=tuple(deployments), limits=LIMITS)

    def _matters(self, epoch: int, row: Row) -> bool:
        return row.state not in ENDED or epoch in self.workers or epoch in self.queues or epoch in self.under_way

    def _notice_death(self, epoch: int, memory: Memory, worker: Worker | None) -> None:
        if memory.had_worker and worker is None and epoch not in self.under_way:
            memory.deaths += 1
            memory.died = self.now
        memory.had_worker = worker is not None
        if worker is not None and memory.warming_since is None:
            memory.warming_since = self.now  # adopted
        if worker is None and (self.rows[epoch].state in ENDED or self.wish != "running"):
            self.memory[epoch] = Memory()

    # -- what control does

    def look(self) -> tuple[Action, ...]:
        """Plan, and begin what is planned."""
        actions = plan(self.view(), self.now)
        for action in actions:
            self.log.append(f"{self.now:g}: {action}")
            self.under_way[action.epoch] = (action, self._carry_out(action))
        return actions

    def step(self, epoch: int) -> None:
        """One small step of what is under way on a deployment."""
        action, steps = self.under_way[epoch]
        try:
            next(steps)
        except StopIteration:
            del self.under_way[epoch]
            if isinstance(action, Start | Prepare):
                self.memory.setdefault(epoch, Memory()).had_worker = epoch in self.workers

    def crash(self) -> None:
        """The server dies and a new one starts: nothing is under way, nothing remembered; workers live on."""
        self.under_way.clear()
        self.memory.clear()
        for worker in self.workers.values():
            worker.heard, worker.heard_at = None, self.now
        self.log.append("crash")

    def _carry_out(self, action: Action) -> Iterator[None]:
        does: dict[type, Callable[..., Iterator[None]]] = {
            Prepare: self._prepare,
            Start: self._start,
            Activate: self._activate,
            Measure: self._measure,
            Quiesce: self._quiesce,
            Stop: self._stop,
            TakeOver: self._take_over,
            Mark: self._mark,
        }
        return does[type(action)](action)

    def _prepare(self, action: Prepare) -> Iterator[None]:
        yield
        if self.rows[action.epoch].fate != "cannot":
            self.queues.setdefault(action.epoch, 0)

    def _start(self, action: Start) -> Iterator[None]:
        memory = self.memory.setdefault(action.epoch, Memory())
        if memory.warming_since is None or self.rows[action.epoch].state == "live":
            memory.warming_since = self.now
        yield
        assert action.epoch in self.queues, "started without queues"
        row = self.rows[action.epoch]
        fate = "good" if row.state == "live" else row.fate
        self.workers.setdefault(action.epoch, Worker(fate=fate, heard_at=self.now))
        yield

    def _activate(self, action: Activate) -> Iterator[None]:
        self.lease = action.epoch
        yield
        worker = self.workers.get(action.epoch)
        if worker is None or worker.phase not in ("ready", "live"):
            return
        worker.phase = worker.heard = "live"
        worker.heard_at = self.now
        yield
        self._set_state(action.epoch, "live")
        if not action.again:
            self.rows[action.epoch].measured = False
        yield

    def _measure(self, action: Measure) -> Iterator[None]:
        yield
        self.rows[action.epoch].measured = True

    def _quiesce(self, action: Quiesce) -> Iterator[None]:
        if self.rows[action.successor].cancelled:
            return  # as `headrace.store.deployments.silence` looks
        self._set_state(action.epoch, "draining")
        yield
        worker = self.workers.get(action.epoch)
        if worker is not None and worker.phase == "live":
            worker.phase = worker.heard = "draining"
            worker.heard_at = self.now
        yield

    def _stop(self, action: Stop) -> Iterator[None]:
        yield
        self.workers.pop(action.epoch, None)
        yield

    def _take_over(self, action: TakeOver) -> Iterator[None]:
        assert action.epoch not in self.workers, "taken over from a running worker"
        while self.queues.get(action.epoch, 0):
            self.queues[action.epoch] -= 1
            self.queues[action.to] += 1
            yield
        self.queues.pop(action.epoch, None)
        yield

    def _mark(self, action: Mark) -> Iterator[None]:
        yield
        self._set_state(action.epoch, action.state)

    def _set_state(self, epoch: int, state: State) -> None:
        self.rows[epoch] = replace(self.rows[epoch], state=state, changed=self.now)

    # -- what workers do

    def work(self, epoch: int) -> None:
        """A worker left to itself moves on: gets ready, takes an event in, processes one, is drained."""
        worker = self.workers[epoch]
        if worker.phase == "warming":
            worker.phase = {"good": "ready", "fails": "failed"}.get(worker.fate, worker.phase)  # type: ignore[assignment]
            worker.reason = "a step failed to import" if worker.phase == "failed" else ""
        elif worker.phase == "live" and self.lease == epoch:
            self.accepted += 1
            self.queues[epoch] += 1
        if worker.phase in ("live", "draining") and self.queues[epoch]:
            self.queues[epoch] -= 1
            self.processed += 1
        elif worker.phase == "draining":
            worker.phase = "drained"

    def beat(self, epoch: int) -> None:
        """A heartbeat arrives."""
        worker = self.workers[epoch]
        worker.heard, worker.heard_at = worker.phase, self.now

    def kill(self, epoch: int) -> None:
        del self.workers[epoch]
        self.log.append(f"kill {epoch}")

    # -- towards rest

    def calm(self, rounds: int = 400) -> int:
        """Let everything take its course, without faults. How many rounds it took; fails when it never rests."""
        for count in range(rounds):
            for epoch in list(self.workers):
                if self.workers[epoch].phase != "live":
                    self.work(epoch)
                self.beat(epoch)
            actions = self.look()
            if not actions and not self.under_way and self._settled():
                return count
            for epoch in list(self.under_way):
                while epoch in self.under_way:
                    self.step(epoch)
            self.now += 1.0
        raise AssertionError("no rest:\n" + "\n".join(self.log[-40:]))

    def _settled(self) -> bool:
        """Nothing is on its way by itself either: no warm-up, draining, back-off or watch."""
        if self.wish == "suspended":
            return not self.workers
        return (
            all(row.state in (*ENDED, "live") for row in self.rows.values())
            and all(row.measured for row in self.rows.values() if row.state == "live")
            and all(
                self.rows[epoch].state == "live" and worker.phase == "live" for epoch, worker in self.workers.items()
            )
            and all(epoch in self.workers for epoch, row in self.rows.items() if row.state == "live")
        )
