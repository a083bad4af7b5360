"""A runtime whose workers are actors: they say on the bus what real ones say, and misbehave as they are told."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from typing import Literal

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.control import Command, Phase, StepState, WorkerState
from headrace.errors import Unavailable
from headrace.identity import Identity
from headrace.runtime.base import RunningWorker, WorkerRef

__all__ = ["ActingRuntime", "Fate"]

Fate = Literal["good", "never", "fails", "dies", "stubborn", "lingers", "mute", "refuses", "unstartable"]
"""
good         gets ready and obeys
never        never gets ready
fails        says that it failed
dies         ends instead of getting ready
stubborn     does not stop when asked
lingers      takes a second to stop when its `shutdown` hook is to run
mute         gets ready, then does not begin when activated
refuses      gets ready, then fails when activated
unstartable  cannot be started
"""
HEARTBEAT = 0.2
_pids = itertools.count(10_000_000)  # beyond what systems give out


class ActingRuntime:
    """`Runtime` over actors. ``fates`` says how the workers of an epoch behave, ``warm_up`` how many seconds it takes.

    ``started``, ``killed`` and ``most_warming`` are for looking at afterwards.
    """

    def __init__(self, bus: Bus, *, warm_up: float = 0.02) -> None:
        self._bus = bus
        self.warm_up = warm_up
        self.fates: defaultdict[int, Fate] = defaultdict(lambda: "good")
        self.started: list[tuple[str, int]] = []
        self.killed: list[WorkerRef] = []
        self.most_warming = 0
        self._actors: dict[tuple[str, int], _Actor] = {}

    async def start(self, flow_id: str, epoch: int) -> WorkerRef:
        key = flow_id, epoch
        if self.fates[epoch] == "unstartable":
            raise Unavailable("worker-start", "the actor was told not to start")
        if key not in self._actors:
            self.started.append(key)
            actor = self._actors[key] = _Actor(self._bus, flow_id, epoch, self.fates[epoch], self.warm_up)
            actor.task.add_done_callback(lambda _: self._actors.pop(key, None))
            warming = sum(each.phase == "warming" for each in self._actors.values())
            self.most_warming = max(self.most_warming, warming)
        return self._actors[key].ref

    async def alive(self, ref: WorkerRef) -> bool:
        return self._actor(ref) is not None

    async def gone(self, ref: WorkerRef) -> None:
        actor = self._actor(ref)
        if actor is not None:
            await asyncio.wait([actor.task])

    async def kill(self, ref: WorkerRef) -> None:
        actor = self._actor(ref)
        if actor is not None:
            self.killed.append(ref)
            actor.task.cancel()
            await asyncio.wait([actor.task])

    async def list(self) -> tuple[RunningWorker, ...]:
        return tuple(RunningWorker(*key, actor.ref) for key, actor in sorted(self._actors.items()))

    async def close(self) -> None:
        """Workers live on; see `end`."""

    async def end(self) -> None:
        """Kill all actors."""
        for actor in list(self._actors.values()):
            await self.kill(actor.ref)

    def phase(self, flow_id: str, epoch: int) -> Phase | None:
        """The phase an actor really is in; `None` without one."""
        actor = self._actors.get((flow_id, epoch))
        return actor.phase if actor else None

    def _actor(self, ref: WorkerRef) -> _Actor | None:
        return next((actor for actor in self._actors.values() if actor.ref == ref), None)


class _Actor:
    def __init__(self, bus: Bus, flow_id: str, epoch: int, fate: Fate, warm_up: float) -> None:
        self._bus = bus
        self._flow_id = flow_id
        self._epoch = epoch
        self._fate = fate
        self._warm_up = warm_up
        self.phase: Phase = "warming"
        self._reason = ""
        self._ended = asyncio.Event()
        self.ref = Identity(next(_pids), time.time())
        self.task = asyncio.create_task(self._live(), name=f"actor {flow_id}.{epoch}")

    async def _live(self) -> None:
        undo = await self._bus.subscribe(subjects.worker_do(self._flow_id, self._epoch), self._obey)
        try:
            self._enter("warming")
            warming = asyncio.create_task(self._get_ready())
            while not self._ended.is_set():
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await self._ended.wait()
                except TimeoutError:
                    self._enter(self.phase)
            warming.cancel()
            await asyncio.wait([warming])
        finally:
            await undo()
        if self._fate != "dies":
            self._enter("stopped")

    async def _get_ready(self) -> None:
        await asyncio.sleep(self._warm_up)
        if self._fate == "dies":
            self._ended.set()
        elif self._fate == "fails":
            self._reason = "step `work`: no module named `nowhere`"
            self._enter("failed")
        elif self._fate != "never":
            self._enter("ready")

    async def _obey(self, subject: str, data: bytes, reply: str) -> None:
        command = msgspec.json.decode(data, type=Command)
        verb = command.verb
        if verb == "stop" and self._fate == "lingers" and command.final:
            asyncio.get_running_loop().call_later(1.0, self._ended.set)
        elif verb == "stop" and self._fate != "stubborn":
            self._ended.set()
        elif verb == "activate" and self.phase in ("ready", "drained", "draining") and self._fate != "mute":
            held = await Bucket(self._bus, subjects.LEASES).get(self._flow_id)
            if self._fate == "refuses":
                self._reason = "activate: `startup` failed: nobody is there"
                self._enter("failed")
            elif held is None or held.data != str(self._epoch).encode():
                self._reason = "activate: it does not hold the lease"
                self._enter("failed")
            else:
                self._enter("live")
        elif verb == "quiesce" and self.phase == "live":
            self._enter("draining")
            self._enter("drained")
        if reply:
            self._bus.publish(reply, msgspec.msgpack.encode(self._state()))

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        subject = subjects.worker_state(self._flow_id, self._epoch)
        self._bus.publish(subject, msgspec.msgpack.encode(self._state()))

    def _state(self) -> WorkerState:
        ready = 20 if self.phase == "ready" else 0
        step = StepState(id="work", host="failed" if self._reason else "ready", ready_ms=ready, reason=self._reason)
        return WorkerState(
            flow_id=self._flow_id,
            epoch=self._epoch,
            pid=self.ref.pid,
            created=self.ref.created,
            phase=self.phase,
            at=time.time_ns() // 1_000_000,
            reason=self._reason,
            ready_ms=ready,
            steps=(step,),
        )
