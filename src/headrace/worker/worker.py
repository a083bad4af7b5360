"""One deployment at work: its steps, their phases, and what control tells it.

The phases are drawn in `headrace.bus.control`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.control import Command, Phase, WorkerState
from headrace.errors import HeadraceError, NotFound, Refused
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.worker.delay import Delays
from headrace.worker.gates import Gates
from headrace.worker.hooks import Hooks
from headrace.worker.host import now_us
from headrace.worker.purge import Purge
from headrace.worker.step import Shared, Step
from headrace.worker.trace import Trace
from headrace.worker.trigger import Trigger

__all__ = ["Worker"]

HEARTBEAT = 1.0
TICK = 0.5
IN_PROGRESS = 10.0
SETTLE_WITHIN = 5.0
"""Seconds beyond the hosts' own for what they emitted to reach the journal; the rest is redelivered one day."""
TRIGGER_SHARE = 0.7
"""Part of the journal's budget that new events may fill; the rest lets what is inside drain."""


class Worker:
    """Runs one deployment until it is told to stop."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._spec = spec
        self._trace = Trace(bus, spec)
        shared = Shared(bus, spec, self._trace, Delays(bus, spec))
        self._steps: dict[str, Step] = {}
        self._source: Trigger | None = None
        self._build(shared)
        self._hooks = Hooks(bus, spec)
        self._purge = Purge(bus, spec)
        self._began = time.monotonic()
        self._created = _created()
        self.phase: Phase = "warming"
        self._reason = ""
        self._ready_ms = 0
        self._journal_bytes = 0
        self._stop = asyncio.Event()
        self._final = False
        self._changing = asyncio.Lock()
        self._hosts: list[asyncio.Task[None]] = []
        self._taking_due: Callable[[], Awaitable[None]] | None = None
        self._off_at = self._on_at = 0
        self._processed_before = 0
        self._order_kept = True

    def _build(self, shared: Shared) -> None:
        for step in self._spec.steps:
            if journal.reads_messages(step):
                self._steps[step.id] = Step(shared, step)
            else:
                self._source = Trigger(shared, step, self._has_room)
        for step in self._spec.steps:
            producer = self._of(step)
            producer.successors = [self._steps[after] for after in step.successors]
            for successor in producer.successors:
                successor.producers.append(producer)

    def _of(self, step: StepSpec) -> Step | Trigger:
        if self._source is not None and self._source.step.id == step.id:
            return self._source
        return self._steps[step.id]

    @property
    def _all(self) -> list[Step | Trigger]:
        return [self._of(step) for step in self._spec.steps]

    def _has_room(self) -> bool:
        return self._journal_bytes < self._spec.journal_bytes * TRIGGER_SHARE

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Warm up, obey, and return when stopped and everything is handed over."""
        undo = await self._bus.subscribe(subjects.worker_do(self._spec.flow_id, self._spec.epoch), self._obey)
        self._bus.on_reconnect(self._reconnected)
        try:
            async with asyncio.TaskGroup() as group:
                self._hosts = [group.create_task(each.host.run(), name=f"host {each.step.id}") for each in self._all]
                clocks = [group.create_task(self._warm())]
                clocks += [group.create_task(clock) for clock in (self._beat(), self._tick(), self._keep())]
                self._group = group
                await self._stop.wait()
                await self._end()
                await asyncio.wait(self._hosts)
                for clock in clocks:
                    clock.cancel()
        finally:
            await undo()
        if self._final:
            await self._shutdown()
        await self._trace.close()
        self._enter("stopped")
        await self._bus.flush()

    def stop(self) -> None:
        """Ask for the end; `run` returns when it is reached. Safe twice, safe early."""
        self._stop.set()

    async def _warm(self) -> None:
        """Follow the hosts until all are ready, or one has failed."""
        while self.phase == "warming":
            states = {each.step.id: each.host.state for each in self._all}
            failed = [name for name, state in states.items() if state == "failed"]
            if failed:
                reasons = [f"step `{name}`: {self._of(self._spec.step(name)).host.reason}" for name in failed]
                self._fail("; ".join(reasons))
            elif all(state == "ready" for state in states.values()):
                self._ready_ms = int((time.monotonic() - self._began) * 1000)
                self._enter("ready")
            else:
                await asyncio.sleep(0.01)

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self._enter("failed")
        for each in self._all:
            each.host.stop()

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._publish_state()

    async def _end(self) -> None:
        """Finish what is in progress, leave the rest unacknowledged, end the hosts."""
        self._trigger_off()
        for step in self._steps.values():
            step.deactivate()
        for each in self._all:
            each.host.stop()
        waits = [asyncio.ensure_future(each.settled()) for each in self._all if self.phase != "failed"]
        if waits:
            _, late = await asyncio.wait(waits, timeout=self._spec.stop_within + SETTLE_WITHIN)
            for wait in late:
                wait.cancel()

    def _trigger_off(self) -> None:
        if self._source is not None:
            self._source.deactivate()
            self._source.host.stop()

    async def _shutdown(self) -> None:
        try:
            await self._hooks.shutdown()
        except HeadraceError as error:
            self._of(self._spec.trigger).log.platform("error", f"the shutdown hook failed: {error}")

    # -- what control says ----------------------------------------------------------------------------------

    async def _obey(self, subject: str, data: bytes, reply: str) -> None:
        try:
            command = msgspec.json.decode(data, type=Command)
        except msgspec.MsgspecError:
            return
        if command.verb == "stop":
            self._final = self._final or command.final
            self._stop.set()
        elif command.verb != "status":
            self._group.create_task(self._change(command))
        if reply:
            self._bus.publish(reply, msgspec.msgpack.encode(self.state()))

    async def _change(self, command: Command) -> None:
        async with self._changing:
            try:
                if command.verb == "activate" and self.phase in ("ready", "drained", "draining"):
                    await self._activate(command.after)
                elif command.verb == "quiesce" and self.phase == "live":
                    await self._quiesce(final=command.final)
            except HeadraceError as error:
                self._fail(f"{command.verb}: {error}")

    async def _activate(self, after: int) -> None:
        """The trigger first: how long the switch takes does not depend on the number of steps."""
        await self._check_lease()
        await self._trigger_ready()
        startup = self._of(self._spec.trigger)
        if "startup" in startup.hooks:
            await self._hooks.startup(startup.host)
        gates = await Gates.behind(self._bus, self._spec, after) if after else None
        self._count_anew()
        if self._source is not None:
            await self._source.activate()
        self._on_at = now_us()
        await asyncio.gather(*(self._take_messages(step, gates) for step in self._steps.values()))
        if not self._taking_due:
            self._taking_due = await self._bus.on_message(f"deliver.{self._spec.flow_id}.due", self._due)
        self._enter("live")
        if gates is not None:
            self._group.create_task(self._open_gates(gates))

    async def _trigger_ready(self) -> None:
        """After a hand-back its host may just be starting again."""
        host = self._of(self._spec.trigger).host
        await host.warm(self._spec.ready_within)

    async def _take_messages(self, step: Step, gates: Gates | None) -> None:
        if gates is not None and gates.closed(step.step):
            step.shut()
        if not step.active:
            await step.activate()

    async def _open_gates(self, gates: Gates) -> None:
        async for step in gates.opening():
            self._steps[step].open()
        self._order_kept = self._order_kept and gates.order_kept

    def _count_anew(self) -> None:
        for step in self._steps.values():
            step.longest_wait = 0

    async def _check_lease(self) -> None:
        lease = await Bucket(self._bus, subjects.LEASES).get(self._spec.flow_id)
        if lease is None or lease.data != str(self._spec.epoch).encode():
            raise Refused("no-lease", f"epoch {self._spec.epoch} does not hold the lease of the flow")

    async def _quiesce(self, *, final: bool) -> None:
        """Silence the trigger before saying so; then finish what is queued, with a fresh trigger host standing by."""
        self._off_at = now_us()
        self._count_anew()
        self._processed_before = self._processed()
        if self._source is not None:
            self._source.deactivate()
            await self._source.host.end()
            await self._source.settled()
        if final:
            await self._shutdown()
        if self._taking_due is not None:
            await self._taking_due()
            self._taking_due = None
        self._enter("draining")
        self._group.create_task(self._drain())
        if self._source is not None and not self._stop.is_set():
            self._hosts.append(self._group.create_task(self._source.host.run()))

    async def _drain(self) -> None:
        """Watch the queues empty; soon after a switch that is a matter of milliseconds."""
        pause = 0.005
        while self.phase == "draining" and not self._stop.is_set():
            with suppress(HeadraceError):  # the broker is away; next time
                if await self._drained():
                    self._enter("drained")
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _processed(self) -> int:
        return sum(step.finished for step in self._steps.values())

    def _due(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """A delayed message: it goes to its step, or back to the broker for a later deployment."""
        step = self._steps.get(subject.split(b".")[3].decode())
        if step is not None:
            step.due(subject, reply, data)

    def _reconnected(self) -> None:
        for step in self._steps.values():
            self._group.create_task(self._take_up(step))

    async def _take_up(self, step: Step) -> None:
        """After the broker was away: its consumers may need a moment to come back."""
        for _ in range(20):
            try:
                await step.reconnected()
                return
            except HeadraceError:
                await asyncio.sleep(0.25)
        step.log.platform("warn", "the broker came back but the step's consumer did not answer; waiting for redelivery")

    # -- clocks ---------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._publish_state()
            await asyncio.sleep(HEARTBEAT)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            for each in self._all:
                each.tick()

    async def _keep(self) -> None:
        """Signs of progress, memory, journal size, purge: every few seconds."""
        passed = 0.0
        while True:
            await asyncio.sleep(2.0)
            passed += 2.0
            for each in self._all:
                each.host.measure()
            if self.phase in ("live", "draining"):
                await self._look_at_journal()
            if passed >= IN_PROGRESS:
                passed = 0.0
                for step in self._steps.values():
                    step.in_progress()

    async def _look_at_journal(self) -> None:
        try:
            self._journal_bytes = await self._purge.run()
        except (HeadraceError, NotFound):
            return  # the broker is away; next time

    async def _drained(self) -> bool:
        for step in self._steps.values():
            left = await journal.depth(self._bus, self._spec.flow_id, self._spec.epoch, step.step.id)
            if left.total:
                return False
        return True

    # -- heartbeat ------------------------------------------------------------------------------------------

    def state(self) -> WorkerState:
        """The heartbeat as of now."""
        return WorkerState(
            flow_id=self._spec.flow_id,
            epoch=self._spec.epoch,
            pid=os.getpid(),
            created=self._created,
            phase=self.phase,
            at=time.time_ns() // 1_000_000,
            reason=self._reason,
            ready_ms=self._ready_ms,
            steps=tuple(each.state() for each in self._all),
            journal_bytes=self._journal_bytes,
            trigger_off=self._off_at,
            trigger_on=self._on_at,
            longest_wait=max((step.longest_wait for step in self._steps.values()), default=0),
            drained=self._processed() - self._processed_before if self._off_at else 0,
            repeats=sum(each.repeats for each in self._all),
            order_kept=self._order_kept,
        )

    def _publish_state(self) -> None:
        subject = subjects.worker_state(self._spec.flow_id, self._spec.epoch)
        self._bus.publish(subject, msgspec.msgpack.encode(self.state()))


def _created() -> float:
    """This process's creation time, as psutil gives it."""
    import psutil

    return float(psutil.Process().create_time())
