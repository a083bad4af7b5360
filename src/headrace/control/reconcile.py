"""The loop that makes the world match what people wished: look, plan, act, on every hint and every few seconds.

    hint, heartbeat, end of a worker, time ──▶ read wishes ──▶ view of each flow ──▶ plan ──▶ an action each, as a task
                                                   ▲                                                │
                                                   └───────────── a hint when it has ended ─────────┘

A lost hint costs one interval. What goes wrong with one flow is logged and tried again, and stops no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import msgspec
import structlog

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.control import decode_state
from headrace.control.action import Action, Start
from headrace.control.deploy import Deployer, ask
from headrace.control.observe import Key, Observer
from headrace.control.plan import backoff, next_look, plan
from headrace.control.specs import Specs
from headrace.control.view import Limits
from headrace.errors import HeadraceError
from headrace.runtime.base import Runtime
from headrace.settings import Settings
from headrace.store import wishes
from headrace.store.database import Database
from headrace.store.wishes import Wished

__all__ = ["Reconciler"]

WARMING_AT_ONCE = 8
"""Workers that warm up at the same time: starting everything at once makes each of them late."""
LONGEST_HOLD = 5.0
"""Seconds after which a failed action on a deployment is planned again, at most."""
CANCEL_AGAIN = 2.0
"""Seconds after which what was cancelled and goes on is cancelled again; not soon, since the store cleans up then."""
HOST_MARGIN = 15.0
"""Seconds a deployment has beyond its hosts' own deadline."""

ALL = ""
"""In place of a flow's id."""

log = structlog.get_logger("control")


class Reconciler:
    """`run` it; `hint` wakes it; `stop` ends it and leaves workers running; `rest` ends the workers first."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        runtime: Runtime,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._bus = bus
        self._runtime = runtime
        self._interval = settings.reconcile_interval
        self._clock = clock
        limits = Limits(
            ready_within=settings.ready_within + HOST_MARGIN,
            drain_within=settings.drain_within,
            watch_for=settings.watch_for,
        )
        self._observer = Observer(limits, clock=clock)
        self._deployer = Deployer(
            db=db, bus=bus, runtime=runtime, settings=settings, observer=self._observer, track=self._track
        )
        self._pending: dict[Key, str] = {}
        self._failures: dict[Key, int] = {}
        self._tasks: dict[asyncio.Task[None], Key] = {}
        self._followers: dict[Key, asyncio.Task[None]] = {}
        self._due: dict[str, float] = {}
        self._hinted: set[str] = set()
        self._held_back: set[str] = set()
        self._look_at_all = True
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()
        self._stopping = False
        self._resting = False
        self._reread = True
        bus.on_reconnect(self._on_reconnect)

    def hint(self, flow_id: str | None = None) -> None:
        """Look at this flow, or at all, now. Safe at any time."""
        if flow_id is None:
            self._look_at_all = True
        else:
            self._hinted.add(flow_id)
        self._wake.set()

    def stop(self) -> None:
        """Ask `run` to return. Workers go on; actions under way are cut off, and finished by the next server."""
        self._stopping = True
        self._wake.set()

    async def rest(self) -> None:
        """End all workers and return when they are gone. Wishes and states stay: the next server starts them again.

        Needs `run` to be running. Cancelled, it goes on in the background.
        """
        self._resting = True
        self.hint()
        while not self._stopping and (self._observer.workers() or self._pending):
            self._turned.clear()
            await self._turned.wait()

    async def idle(self, flow_id: str) -> None:
        """Return when the flow has no worker and nothing is under way on it: a while after it was wished to stop.

        Needs `run` to be running; returns early when it stops.
        """
        self.hint(flow_id)
        while not self._stopping and any(key[0] == flow_id for key in (*self._observer.workers(), *self._pending)):
            self._turned.clear()
            await self._turned.wait()

    async def run(self) -> None:
        """Find the workers that live, then keep wish and reality together until `stop`."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._let_go)
            stack.push_async_callback(await self._bus.subscribe("worker.*.*.state", self._on_heartbeat))
            await self._adopt()
            self.hint()
            while not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):  # wait_for may swallow a cancellation before Python 3.12
                        await self._wake.wait()
                await self._turn()

    # -- looking --------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        await self._find_workers()
        workers = self._observer.workers()
        answers = await asyncio.gather(*(ask(self._bus, key, "status") for key in workers), return_exceptions=True)
        for key, answer in zip(workers, answers, strict=True):
            if isinstance(answer, BaseException):
                log.warning("worker.silent", flow_id=key[0], epoch=key[1], why=str(answer))
            else:
                self._observer.heard(answer)
                log.info("worker.adopted", flow_id=key[0], epoch=key[1], pid=answer.pid, phase=answer.phase)

    async def _find_workers(self) -> None:
        for worker in await self._runtime.list():
            key = worker.flow_id, worker.epoch
            self._observer.found(key, worker.ref)
            self._track(key)

    async def _turn(self) -> None:
        """One pass over the flows that are due."""
        self._wake.clear()
        now = self._clock()
        hinted, self._hinted = self._hinted, set()
        everything = self._look_at_all or now >= self._due.get(ALL, 0.0)
        self._look_at_all = False
        hinted |= self._held_back
        self._held_back = set()
        try:
            if everything:
                await self._look_around()
            async with self._db.read() as conn:
                wished = await wishes.read(conn)
        except HeadraceError as error:
            log.warning("cannot look", reason=error.reason, why=error.message)
            self._due = {ALL: now + self._interval}
            return
        self._due = {flow_id: due for flow_id, due in self._due.items() if flow_id in wished or flow_id == ALL}
        if everything:
            self._due[ALL] = now + self._interval
            self._observer.forget(wished)
        for flow_id, flow in wished.items():
            if everything or flow_id in hinted or now >= self._due.get(flow_id, now + 1):
                self._plan(flow)
        self._stop_strays(wished)
        self._turned.set()

    async def _look_around(self) -> None:
        """Check what is usually told: nobody may have told it."""
        if not self._bus.connected:
            self._observer.broker_lost()
        elif self._reread:
            self._observer.owning = await Specs(self._bus).keys()
            self._reread = False
        await self._find_workers()
        for key, ref in self._observer.workers().items():
            if not await self._runtime.alive(ref):
                self._observer.gone(key, ref)

    def _pause(self) -> float:
        """Seconds until the next thing is due."""
        return max(0.0, min(self._due.values(), default=0.0) - self._clock())

    # -- planning and acting --------------------------------------------------------------------------------

    def _plan(self, flow: Wished) -> None:
        now = self._clock()
        view = self._observer.view(flow, self._pending, resting=self._resting)
        for action in plan(view, now):
            if isinstance(action, Start) and self._crowded():
                self._held_back.add(flow.flow_id)
                continue
            self._act(flow, action)
        due = next_look(view, now)
        if due is None:
            self._due.pop(flow.flow_id, None)
        else:
            self._due[flow.flow_id] = due

    def _crowded(self) -> bool:
        starting = sum(kind == "Start" for kind in self._pending.values())
        return self._observer.warming() + starting >= WARMING_AT_ONCE

    def _act(self, flow: Wished, action: Action) -> None:
        key = flow.flow_id, action.epoch
        self._pending[key] = type(action).__name__
        task = asyncio.create_task(self._carry_out(flow, action), name=f"{type(action).__name__} {key}")
        self._tasks[task] = key
        task.add_done_callback(self._acted)

    async def _carry_out(self, flow: Wished, action: Action) -> None:
        key = flow.flow_id, action.epoch
        kind = type(action).__name__.lower()
        log.info(f"deployment.{kind}", flow=flow.name, flow_id=flow.flow_id, epoch=action.epoch, why=action.why)
        try:
            await self._deployer.carry_out(flow.flow_id, action)
            self._failures.pop(key, None)
        except Exception as error:
            expected = isinstance(error, HeadraceError)
            why = error.message if isinstance(error, HeadraceError) else repr(error)
            log.warning(f"deployment.{kind}.failed", flow=flow.name, epoch=action.epoch, why=why, exc_info=not expected)
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            if isinstance(action, Start):
                self._observer.attempt_failed(key)
            await asyncio.sleep(min(backoff(failures), LONGEST_HOLD))
        self._announce(flow, action)

    def _acted(self, task: asyncio.Task[None]) -> None:
        key = self._tasks.pop(task)
        self._pending.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an action crashed", action=task.get_name(), exc_info=error)
        self.hint(key[0])

    def _announce(self, flow: Wished, action: Action) -> None:
        """A hint for open browsers."""
        what = {"flow": flow.name, "flow_id": flow.flow_id, "epoch": action.epoch, "why": action.why}
        what["action"] = type(action).__name__.lower()
        self._bus.publish(subjects.live("flow"), msgspec.json.encode(what))

    def _stop_strays(self, wished: dict[str, Wished]) -> None:
        """Workers of flows that were removed are nobody's."""
        for key, ref in self._observer.workers().items():
            if key[0] not in wished and key not in self._pending:
                log.warning("worker.stray", flow_id=key[0], epoch=key[1], pid=ref.pid)
                self._pending[key] = "Stop"
                task = asyncio.create_task(self._runtime.kill(ref), name=f"stray {key}")
                self._tasks[task] = key
                task.add_done_callback(self._acted)

    # -- hearing --------------------------------------------------------------------------------------------

    async def _on_heartbeat(self, subject: str, data: bytes, reply: str) -> None:
        try:
            state = decode_state(data)
        except msgspec.MsgspecError:
            return  # a worker of another version of Headrace; silent, to us
        if self._observer.heard(state):
            self.hint(state.flow_id)

    def _on_reconnect(self) -> None:
        self._observer.broker_back()
        self._reread = True
        self.hint()

    def _track(self, key: Key) -> None:
        """Be told when this deployment's worker ends. A second call changes nothing."""
        if key not in self._followers:
            self._followers[key] = asyncio.create_task(self._follow(key), name=f"follow {key}")

    async def _follow(self, key: Key) -> None:
        try:
            while (ref := self._observer.worker(key)) is not None:
                await self._runtime.gone(ref)
                self._observer.gone(key, ref)
        finally:
            self._followers.pop(key, None)
        self.hint(key[0])

    async def _let_go(self) -> None:
        tasks = {*self._tasks, *self._followers.values()}
        while tasks:  # again and again: before Python 3.12 `asyncio.wait_for`, in libraries too, may swallow one
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)
        self._pending.clear()
        self._turned.set()
