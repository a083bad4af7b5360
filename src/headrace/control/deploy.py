"""Carrying out what `headrace.control.plan` decided, one function per kind of action.

Each may be cut off anywhere (the server dies) and done again: what it changes in the world is observed, and the row in
the store is written last, or, where a trigger is silenced, first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.control import Command, Verb, WorkerState, decode_state
from headrace.control import handover, snapshots
from headrace.control.action import Action, Activate, Mark, Measure, Prepare, Quiesce, Start, Stop, TakeOver
from headrace.control.compile import compile_row
from headrace.control.last_words import failing_step, last_words
from headrace.control.observe import Key, Observer
from headrace.control.specs import Specs
from headrace.errors import HeadraceError, NotFound, Unavailable
from headrace.flows.transition import carries_over
from headrace.ids import flow_of_test
from headrace.runtime.base import Runtime, WorkerRef
from headrace.settings import Settings
from headrace.store import deployments
from headrace.store.database import Database
from headrace.store.deployments import Deployment, Handover

__all__ = ["Deployer", "ask"]

ANSWER_WITHIN = 5.0
HOOK_WITHIN = 60.0
"""What ``startup`` and ``shutdown`` may take, as `headrace.worker.hooks` has it."""
ACTIVATE_WITHIN = HOOK_WITHIN + 15.0
KILL_MARGIN = 5.0
ASK_EVERY = 1.0

log = structlog.get_logger("control")
Changed = TypeVar("Changed")


async def ask(
    bus: Bus, key: Key, verb: Verb, *, final: bool = False, after: int = 0, within: float = 0.0
) -> WorkerState:
    """Tell a worker something and return its state at that moment; `Unavailable` (``no-answer``)."""
    command = msgspec.json.encode(Command(verb, final, after, within))
    return decode_state(await bus.request(subjects.worker_do(*key), command, ANSWER_WITHIN))


class Deployer:
    """Acts on stores, broker and workers. ``track`` is called with every worker that was started."""

    def __init__(
        self,
        *,
        db: Database,
        bus: Bus,
        runtime: Runtime,
        settings: Settings,
        observer: Observer,
        track: Callable[[Key], None],
    ) -> None:
        self._db = db
        self._bus = bus
        self._runtime = runtime
        self._settings = settings
        self._observer = observer
        self._track = track
        self._specs = Specs(bus)
        self._leases = Bucket(bus, subjects.LEASES)
        self._journals: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._does: dict[type[Any], Callable[[str, Any], Awaitable[None]]] = {
            Prepare: self._prepare,
            Start: self._start,
            Activate: self._activate,
            Measure: self._measure,
            Quiesce: self._quiesce,
            Stop: self._stop,
            TakeOver: self._take_over,
            Mark: self._mark,
        }

    async def carry_out(self, flow_id: str, action: Action) -> None:
        """Do it. Raises `HeadraceError` when something that is needed does not answer, or refuses."""
        await self._does[type(action)](flow_id, action)

    async def _prepare(self, flow_id: str, action: Prepare) -> None:
        key = flow_id, action.epoch
        try:
            async with self._db.read() as conn:
                spec = await compile_row(conn, self._settings, flow_id, action.epoch)
        except Unavailable:
            raise
        except HeadraceError as error:
            self._observer.cannot(key, f"{error.reason}: {error.message}")
            raise
        # The spec first: whatever is made after it is known to be somebody's, and goes when that has ended.
        await self._specs.put(spec)
        self._observer.owning.add(key)
        async with self._journal(flow_id):
            await journal.prepare(self._bus, spec)
        if (tested := flow_of_test(flow_id)) is not None:
            await snapshots.copy(self._bus, tested, spec)
        self._observer.prepared.add(key)

    async def _start(self, flow_id: str, action: Start) -> None:
        key = flow_id, action.epoch
        async with self._db.read() as conn:
            row = await deployments.get(conn, flow_id, action.epoch)
        self._observer.starting(key, row.state)
        ref = await self._runtime.start(flow_id, action.epoch)
        self._observer.found(key, ref)
        self._track(key)
        worker = ref.as_dict() | {"runtime": self._settings.runtime}
        restarts = row.restarts + (row.worker is not None)
        await self._update(key, worker=worker, restarts=restarts)

    async def _activate(self, flow_id: str, action: Activate) -> None:
        """The switch. What comes in by request goes to the new inbox before the old one is closed: its row says `live`
        early, without a ``live_at``, for its ``startup`` may still fail.

        Without an old one requests wait until that is over.
        """
        key = flow_id, action.epoch
        specs = {epoch: await self._specs.get(flow_id, epoch) for epoch in self._owning(flow_id)}
        mine = specs.pop(action.epoch, None)
        if mine is None:
            raise NotFound("no-deployment", f"the broker does not know deployment {action.epoch}")
        others = [spec for spec in specs.values() if spec is not None]
        requests = mine.trigger.trigger_type == "webhook"
        if requests and others:
            async with self._journal(flow_id):
                await journal.admit(self._bus, mine)
            if not action.again:
                await self._update(key, state="live", live_at=None)
        async with self._journal(flow_id):
            await journal.switch(self._bus, mine, others)
        await self._take_lease(flow_id, action.epoch)
        before = self._draining(flow_id, action.epoch)
        self._observer.heard(await ask(self._bus, key, "activate", after=before))
        try:
            phase = await self._observer.reaches(key, ("live", "failed"), ACTIVATE_WITHIN)
        except TimeoutError:
            raise Unavailable("no-answer", f"deployment {action.epoch} does not begin") from None
        if phase == "live":
            if not action.again:  # before it is live: a server that dies in between activates, and notes, again
                await self._note_switch(key, requests=requests)
            await self._update(key, state="live")
        elif not action.again:
            await self._update(key, state="ready")  # it never began: the flow is handed back, as before any switch

    def _owning(self, flow_id: str) -> list[int]:
        return sorted(epoch for owner, epoch in self._observer.owning if owner == flow_id)

    def _draining(self, flow_id: str, epoch: int) -> int:
        """The newest other deployment whose steps still finish what they have; 0 when there is none."""
        draining = [
            other
            for other in self._owning(flow_id)
            if other != epoch and self._observer.phase((flow_id, other)) in ("draining", "drained")
        ]
        return max(draining, default=0)

    async def _note_switch(self, key: Key, *, requests: bool) -> None:
        row, state = await self._row(key), self._observer.state(key)
        if row is not None and state is not None:
            before = self._observer.silenced_before(key)
            old = None if before is None else self._observer.last((row.flow_id, before.epoch))
            always_open = requests and row.strategy == "handover"
            await self._record(key, handover.switched(before, old, state, always_open=always_open))

    async def _measure(self, flow_id: str, action: Measure) -> None:
        await self._note_settled((flow_id, action.epoch))

    async def _note_settled(self, key: Key) -> None:
        """Write down how the switch to it went on, as far as that is known by now; once."""
        row = await self._row(key)
        if row is not None and row.handover is not None and not handover.is_measured(row.handover):
            state = await ask(self._bus, key, "status")
            self._observer.heard(state)
            old = self._observer.last((row.flow_id, row.handover.get("from_epoch", 0)))
            await self._record(key, handover.settled(row.handover, old, state))

    async def _row(self, key: Key) -> Deployment | None:
        """Its row; `None` when the flow was removed meanwhile."""
        try:
            async with self._db.read() as conn:
                return await deployments.get(conn, *key)
        except NotFound:
            return None

    async def _record(self, key: Key, measured: Handover) -> None:
        """Add to what is kept of the deployment's handover."""
        if measured:
            await self._write(lambda conn: deployments.record(conn, *key, measured))

    async def _take_lease(self, flow_id: str, epoch: int) -> None:
        """Compare and set: another server that decides on an older view does not get through."""
        wanted = str(epoch).encode()
        held = await self._leases.get(flow_id)
        if held is None:
            await self._leases.create(flow_id, wanted)
        elif held.data != wanted:
            await self._leases.update(flow_id, wanted, held.revision)

    async def _quiesce(self, flow_id: str, action: Quiesce) -> None:
        key = flow_id, action.epoch
        await self._note_settled(key)
        silenced = await self._write(lambda conn: deployments.silence(conn, *key, successor=action.successor))
        if silenced is None:
            return  # somebody wished for a newer one meanwhile: plan anew
        final = await self._trigger_changes(key, action.successor)
        self._observer.heard(await ask(self._bus, key, "quiesce", final=final))
        try:
            await self._observer.reaches(key, ("draining", "drained", "failed"), self._patience(final=final))
        except TimeoutError:
            raise Unavailable("no-answer", f"the trigger of deployment {action.epoch} does not fall silent") from None

    async def _stop(self, flow_id: str, action: Stop) -> None:
        key = flow_id, action.epoch
        ref = self._observer.worker(key)
        if ref is None:
            return
        if not action.force and not await self._stops(key, ref, action):
            log.warning("worker.killed", flow_id=flow_id, epoch=action.epoch, pid=ref.pid)
        await self._runtime.kill(ref)
        self._observer.gone(key, ref)
        await self._update(key, worker=None)
        await self._keep_log(key)

    async def _keep_log(self, key: Key) -> None:
        """Of one that has failed: what its worker has written up to its end."""
        row = await self._row(key)
        if row is not None and row.state == "failed" and row.log is None:
            await self._update(key, log=await last_words(self._bus, *key, failing_step(row.steps)))

    async def _stops(self, key: Key, ref: WorkerRef, action: Stop) -> bool:
        """Ask until it listens, and wait for its end; False when that does not come in time."""
        final = action.final or await self._trigger_changes(key, action.successor)
        with suppress(Unavailable):
            await self._note_settled(key)
        self._observer.silent(key)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience(final=final)
        while loop.time() < deadline:
            with suppress(Unavailable):  # it is just starting, or ending, or hangs
                await ask(self._bus, key, "stop", final=final)
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_EVERY):
                    await self._runtime.gone(ref)
                return True
        return False

    def _patience(self, *, final: bool) -> float:
        """Seconds in which a trigger falls silent, or a worker ends, with its ``shutdown`` hook when that is to run."""
        return 2 * self._settings.stop_within + (HOOK_WITHIN if final else 0) + KILL_MARGIN

    def _journal(self, flow_id: str) -> asyncio.Lock:
        """Held while the list of a journal's subjects is read, changed and written back."""
        return self._journals.setdefault(flow_id, asyncio.Lock())

    async def _trigger_changes(self, key: Key, successor: int) -> bool:
        """Whether what ``startup`` prepared does not carry over to the next deployment."""
        if not successor:
            return False
        old, new = await self._specs.get(*key), await self._specs.get(key[0], successor)
        return old is not None and new is not None and not carries_over(old.trigger, new.trigger)

    async def _take_over(self, flow_id: str, action: TakeOver) -> None:
        old, new = await self._specs.get(flow_id, action.epoch), await self._specs.get(flow_id, action.to)
        if new is None:
            raise NotFound("no-deployment", f"the broker does not know deployment {action.to}")
        if old is not None:
            async with self._journal(flow_id):
                taken = await journal.take_over(self._bus, old, new)
            emptied = await snapshots.reset(self._bus, old, new)
            told = {"moved": taken.moved, "parked": taken.parked, "snapshots_reset": emptied}
            log.info("taken over", flow_id=flow_id, epoch=action.epoch, to=action.to, **told)
            await self._note_take_over((flow_id, action.to), taken)
            await self._specs.delete(flow_id, action.epoch)
        self._observer.owning.discard((flow_id, action.epoch))

    async def _note_take_over(self, key: Key, taken: journal.TakenOver) -> None:
        row = await self._row(key)
        if row is not None:
            running = self._observer.phase(key) == "live"
            await self._record(key, handover.taken_over(row.handover, taken.moved, taken.parked, running=running))

    async def _mark(self, flow_id: str, action: Mark) -> None:
        key = flow_id, action.epoch
        changes: dict[str, Any] = {"state": action.state}
        if action.reason:
            changes["reason"] = action.reason
        state = self._observer.last(key)
        if action.state == "ready" and state is not None:
            changes["ready_ms"] = state.ready_ms
        if action.state in ("ready", "failed") and state is not None:
            changes["steps"] = _steps(state)
        await self._update(key, **changes)
        if action.handed_back:
            await self._record(key, {"handed_back": action.why})
        if self._observer.worker(key) is None:  # else when that has ended
            await self._keep_log(key)

    async def _update(self, key: Key, **changes: Any) -> None:
        """Change the row; nothing happens when the flow was removed meanwhile."""
        await self._write(lambda conn: deployments.update(conn, *key, **changes))

    async def _write(self, change: Callable[[AsyncConnection], Awaitable[Changed]]) -> Changed | None:
        """One writing transaction; `None` when the flow was removed meanwhile. Cancelled, it finishes first."""
        writing = asyncio.create_task(self._transact(change))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise

    async def _transact(self, change: Callable[[AsyncConnection], Awaitable[Changed]]) -> Changed | None:
        try:
            async with self._db.begin() as conn:
                return await change(conn)
        except NotFound:
            return None


def _steps(state: WorkerState) -> dict[str, Any]:
    return {
        step.id: {
            "host": step.host,
            "ready_ms": step.ready_ms,
            "reason": step.reason,
            "restarts": step.restarts,
            "failed": step.failed,
        }
        for step in state.steps
    }
