"""One deployment at work: its steps, their phases, and what control tells it.

The phases are drawn in `headrace.bus.control`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.client import Bus
from headrace.bus.control import Command, Phase, WorkerState
from headrace.bus.message import Failure
from headrace.bus.parking import park
from headrace.bus.secrets import Secrets
from headrace.errors import HeadraceError, Unavailable
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.flows.graph import Graph
from headrace.worker.bodies import Bodies
from headrace.worker.delay import Delays
from headrace.worker.gates import Gates
from headrace.worker.hooks import Hooks
from headrace.worker.host import now_us
from headrace.worker.lease import Lease
from headrace.worker.purge import Purge
from headrace.worker.room import Room
from headrace.worker.shared import Shared
from headrace.worker.step import Step
from headrace.worker.trace import Trace
from headrace.worker.trigger import Trigger
from headrace.worker.turns import Turns
from headrace.worker.upkeep import Upkeep

__all__ = ["Worker"]

SETTLE_WITHIN = 5.0
"""Seconds beyond the hosts' own for what they emitted to reach the journal; the rest is redelivered one day."""
AGAIN = 0.25
"""Seconds before an order is tried again that the broker's absence cut short."""


class Worker:
    """Runs one deployment until it is told to stop."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, secrets: Secrets) -> None:
        self._bus = bus
        self._spec = spec
        self._trace = Trace(bus, spec)
        self._room = Room(spec.journal_bytes, spec.object_bytes)
        self._bodies = Bodies(bus, spec, self._room)
        self._delays = Delays(bus, spec)
        self._steps: dict[str, Step] = {}
        self._source: Trigger | None = None
        self._build(Shared(bus, spec, self._trace, self._delays, self._room, secrets, self._bodies))
        self._hooks = Hooks(bus, spec, self._of(spec.trigger).config)
        self._lease = Lease(bus, spec)
        self._upkeep = Upkeep(
            self._all, self._room, Purge(bus, spec), self._bodies, beat=self._publish_state, phase=self._phase
        )
        self._began = time.monotonic()
        self._created = _created()
        self.phase: Phase = "warming"
        self._reason = ""
        self._ready_ms = 0
        self._stop = asyncio.Event()
        self._final = False
        self._orders: asyncio.Queue[Command] = asyncio.Queue()
        self._begun = False
        """An activation has begun, so the trigger may be at work although the phase does not say so yet."""
        self._hosts: list[asyncio.Task[None]] = []
        self._chores: set[asyncio.Task[None]] = set()
        self._taking_due: Callable[[], Awaitable[None]] | None = None
        self._parking: set[bytes] = set()
        self._off_at = self._on_at = 0
        self._processed_before = 0
        self._order_kept = True

    def _build(self, shared: Shared) -> None:
        for step in self._spec.steps:
            if journal.reads_messages(step):
                self._steps[step.id] = Step(shared, step)
            else:
                self._source = Trigger(shared, step)
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

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Warm up, obey, and return when stopped and everything is handed over."""
        forget = self._bus.on_reconnect(self._reconnected)
        await asyncio.gather(*(each.config.load() for each in self._all))
        async with asyncio.TaskGroup() as group:
            self._group = group
            turns = Turns()
            self._hosts = [group.create_task(turns.run(each.host, group)) for each in self._all]
            clocks = [group.create_task(clock) for clock in self._upkeep.clocks()]
            for chore in (self._warm(), self._follow_orders(), self._lease.watch(self._lost_lease)):
                self._do(chore)
            for each in self._all:
                self._do(each.config.follow(each.edited))
            undo = await self._bus.subscribe(subjects.worker_do(self._spec.flow_id, self._spec.epoch), self._obey)
            await self._stop.wait()
            forget()
            await self._end()
            await asyncio.wait(self._hosts)
            await self._bodies.close()
            await undo()
            for clock in clocks:
                clock.cancel()
        if self._final and not self._spec.test:
            await self._shutdown()
        await self._trace.close()
        self._enter("stopped")
        with suppress(HeadraceError):  # then nobody hears of it; the end of the process says the same
            await self._bus.flush()

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        """Do something beside all else; it is cancelled when the worker stops."""
        task = self._group.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

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
        self._silence()
        self._enter("failed")

    def _silence(self) -> None:
        """Take nothing more; end the hosts when they have finished what they do."""
        for each in self._all:
            each.deactivate()
            each.host.stop()

    def _phase(self) -> Phase:
        return self.phase

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._publish_state()

    async def _end(self) -> None:
        """Finish what is in progress, leave the rest unacknowledged, end the hosts."""
        chores = list(self._chores)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        self._silence()
        waits = [asyncio.ensure_future(each.settled()) for each in self._all if self.phase != "failed"]
        if waits:
            _, late = await asyncio.wait(waits, timeout=self._spec.stop_within + SETTLE_WITHIN)
            for wait in late:
                wait.cancel()

    async def _shutdown(self) -> None:
        try:
            await self._hooks.shutdown(self._of(self._spec.trigger).hooks)
        except HeadraceError as error:
            self._of(self._spec.trigger).log.platform("error", str(error))

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
            self._orders.put_nowait(command)
        if reply:
            self._bus.publish(reply, msgspec.msgpack.encode(self.state()))

    async def _follow_orders(self) -> None:
        """One after another."""
        while True:
            command = await self._orders.get()
            if self._concerns(command):
                self._hooks.took_us = 0
                await self._carry_out(command)

    def _concerns(self, command: Command) -> bool:
        if command.verb == "activate":
            return self.phase in ("ready", "drained", "draining")
        if command.verb == "fetch":
            return self.phase == "live" and self._spec.test
        return self.phase == "live" or self._begun

    async def _carry_out(self, command: Command) -> None:
        """What the broker's absence cuts short is done again, unless another order has come."""
        while True:
            try:
                if command.verb == "activate":
                    await self._activate(command.after)
                elif command.verb == "fetch":
                    await self._fetch(command.within)
                else:
                    await self._quiesce(final=command.final)
                return
            except Unavailable as error:
                self._of(self._spec.trigger).log.platform("warn", f"cannot {command.verb} yet: {error}")
                if not self._orders.empty():
                    return
                await asyncio.sleep(AGAIN)
            except HeadraceError as error:
                self._fail(f"{command.verb}: {error}")
                return

    async def _activate(self, after: int) -> None:
        """The trigger first: how long the switch takes does not depend on the number of steps."""
        fence = await self._lease.revision()
        await self._trigger_ready()
        startup = self._of(self._spec.trigger)
        if "startup" in (startup.hooks or ()) and not self._spec.test:
            await self._hooks.startup(startup.host)
        gates = await Gates.behind(self._bus, self._spec, after) if after else None
        self._count_anew()
        self._begun = True
        if self._source is not None and not self._spec.test:
            await self._source.activate(fence)
        self._on_at = now_us()
        started = (self._take_messages(step, gates, fence) for step in self._steps.values())
        for result in await asyncio.gather(*started, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        if not self._taking_due:
            self._taking_due = await self._bus.on_message(f"deliver.{self._spec.flow_id}.due", self._due)
        self._enter("live")
        if gates is not None:
            self._do(self._open_gates(gates))
        await self._upkeep.look()

    async def _trigger_ready(self) -> None:
        """After a hand-back its host may just be starting again."""
        host = self._of(self._spec.trigger).host
        await host.warm(self._spec.ready_within)

    async def _take_messages(self, step: Step, gates: Gates | None, fence: int) -> None:
        if gates is not None and gates.closed(step.step):
            step.shut()
        await step.activate(fence)

    async def _open_gates(self, gates: Gates) -> None:
        async for step in gates.opening():
            self._steps[step].open()
        self._order_kept = self._order_kept and gates.order_kept

    def _count_anew(self) -> None:
        for step in self._steps.values():
            step.longest_wait = 0

    def _lost_lease(self) -> None:
        """Another deployment's trigger may emit now. Control says so too; but it may not get through."""
        if self.phase == "live" and self._orders.empty():
            self._of(self._spec.trigger).log.platform("warn", "the lease of the flow is lost: the trigger is silenced")
            self._orders.put_nowait(Command("quiesce"))

    async def _quiesce(self, *, final: bool) -> None:
        """Silence the trigger before saying so; then finish what is queued, with a fresh trigger host standing by."""
        self._off_at = now_us()
        self._count_anew()
        self._processed_before = self._processed()
        if self._source is not None:
            await self._end_source(self._source)
        if final and not self._spec.test:
            await self._shutdown()
        if self._taking_due is not None:
            await self._taking_due()
            self._taking_due = None
        self._begun = False
        self._enter("draining")
        self._do(self._drain())
        self._source_again()

    async def _end_source(self, source: Trigger) -> None:
        source.deactivate()
        await source.host.end()
        await source.settled()

    def _source_again(self) -> None:
        """A fresh host stands by."""
        if self._source is not None and not self._stop.is_set():
            self._hosts.append(self._group.create_task(self._source.host.run()))

    async def _fetch(self, within: float) -> None:
        """What else the call emits is stored, too, and processed by nobody."""
        source = self._source
        if source is None:
            return
        source.found.clear()
        await source.host.warm(self._spec.ready_within)
        await source.activate(await self._lease.revision())
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await source.found.wait()
        await self._end_source(source)
        self._source_again()

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
        """A delayed message goes to its step, whatever deployment it was delayed under."""
        if self.phase != "live":
            return
        step = self._steps.get(subject.split(b".")[3].decode())
        if step is not None:
            step.due(subject, reply, data)
        elif subject not in self._parking:
            self._parking.add(subject)
            self._do(self._park(subject, reply, data))

    async def _park(self, subject: bytes, reply: bytes, data: bytes) -> None:
        """The message's step is gone with an earlier deployment: keep it as an error."""
        step = subject.split(b".")[3].decode()
        text = f"the deployment that is live now has no step {step} to try this message again"
        failure = Failure(name="NoSuccessor", message=text, reason="no-successor")
        try:
            with suppress(msgspec.MsgspecError):  # no message at all: nobody could read it later either
                await park(self._bus, self._spec, step, envelope.decode(data), failure)
        except HeadraceError:
            return  # not acknowledged, it comes again
        finally:
            self._parking.discard(subject)
        self._bus.publish(reply.decode(), b"+ACK")
        self._delays.forget(reply.decode())

    def _reconnected(self) -> None:
        for step in self._steps.values():
            self._do(self._take_up(step))

    async def _take_up(self, step: Step) -> None:
        """After the broker was away: its consumers may need a moment to come back."""
        for _ in range(20):
            try:
                await step.reconnected()
                return
            except HeadraceError:
                await asyncio.sleep(0.25)
        step.log.platform("warn", "the broker came back but the step's consumer did not answer; waiting for redelivery")
        step.trust()

    async def _drained(self) -> bool:
        """Whether no step has anything left. Delayed messages go to whatever deployment is live when they are due.

        In the order of the flow: a step without messages gets none from those before it that have none either.
        """
        for step in Graph.of({step.id: step.after for step in self._spec.steps}).order:
            reader = self._steps.get(step)
            if reader is None:
                continue
            left = await journal.depth(self._bus, self._spec.flow_id, self._spec.epoch, step)
            if left.total or not reader.empty:
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
            journal_bytes=self._room.used,
            trigger_off=self._off_at,
            trigger_on=self._on_at,
            hooks_us=self._hooks.took_us,
            longest_wait=max((step.longest_wait for step in self._steps.values()), default=0),
            drained=self._processed() - self._processed_before if self._off_at else 0,
            repeats=sum(each.repeats for each in self._all),
            order_kept=self._order_kept,
        )

    def _publish_state(self) -> None:
        subject = subjects.worker_state(self._spec.flow_id, self._spec.epoch)
        self._bus.publish(subject, msgspec.msgpack.encode(self.state()), keep=False)


def _created() -> float:
    """This process's creation time, as psutil gives it."""
    import psutil

    return float(psutil.Process().create_time())
