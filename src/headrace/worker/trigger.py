"""A trigger that finds events by itself: called again and again (polling), or listening for as long as it lives.

Each emission is an execution of its own. It is confirmed to the component when the journal has it; while a successor
is crowded or the journal is nearly full, emissions wait here, and then on the component's side.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Stored
from headrace.bus.control import Leak, StepState
from headrace.bus.large import shed
from headrace.bus.message import Failure, Message
from headrace.bus.times import Counts, noted
from headrace.bus.trace import Fact
from headrace.errors import HeadraceError, Refused
from headrace.flows.deployment import StepSpec
from headrace.ids import derived_id, new_id
from headrace.worker import frames
from headrace.worker.config import Config
from headrace.worker.endings import error_entry
from headrace.worker.guard import Guard
from headrace.worker.host import Host, now_us
from headrace.worker.outbox import Outbox
from headrace.worker.route import routed
from headrace.worker.shared import Shared
from headrace.worker.snapshot import Snapshot, merged, replaced
from headrace.worker.step import Step
from headrace.worker.trace import StepLog

__all__ = ["Trigger"]

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
MOST_WAITING, MOST_BYTES = 1_000, 8 * 1024 * 1024
"""Emissions waiting here, and their bytes, before the worker stops reading from the host."""


class Trigger:
    """A polling or listening trigger with its host. Made and driven by `headrace.worker.worker.Worker`."""

    def __init__(self, shared: Shared, step: StepSpec, host: type[Host] = Host) -> None:
        self._shared = shared
        self._bus = shared.bus
        self._loop = asyncio.get_running_loop()
        self.step = step
        self.log = StepLog(shared.bus, shared.spec, step.id, step.log_level)
        self.config = Config(shared.secrets, step)
        self.host = host(shared.spec, step, self, self.log, self.config)
        self.snapshot = Snapshot(shared.bus, shared.spec, step.id)
        self.successors: list[Step] = []
        self.hooks: list[str] | None = None
        """Names of the hooks the component has; `None` before it was loaded."""
        self._shape = "process"
        output = subjects.output(shared.spec.flow_id, shared.spec.epoch, step.id)
        self._outbox = Outbox(shared.bus, shared.room, shared.bodies, output, self._hold)
        self._errors = subjects.errors(shared.spec.flow_id, shared.spec.epoch, step.id)
        self._active = False
        self._number = 0
        self._calling = False
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._waiting: deque[frames.Frame] = deque()
        self._bytes = 0
        """Of the bodies that wait."""
        self._guard = Guard(step.code.language)
        self._leak: Leak | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.found = asyncio.Event()
        """An event is in the journal, or a call has failed, since this was cleared."""
        self.received = self.emitted = self.failed = self.repeats = 0
        self._times: Counts = {}
        """How long the calls of a trigger that is called again and again took."""

    # -- life -----------------------------------------------------------------------------------------------

    async def activate(self, fence: int) -> None:
        """Begin to call, with the snapshot as it is now; it is written under lease revision ``fence``."""
        await self.snapshot.load(fence)
        self._leak = None
        self._active = True
        if self.host.state == "ready":
            self._call()

    def deactivate(self) -> None:
        """Call no more. What the host still emits is stored; end the host to end that."""
        self._active = False
        self._cancel_timer()
        self.pump()

    async def settled(self) -> None:
        """Return when every emission that arrived is in the journal or refused, and every snapshot is kept."""
        await self._idle.wait()
        await self.snapshot.settled()
        await self.config.settled()

    def edited(self) -> None:
        """A person has changed the credential. The next call gets the new values; a listener has no next call."""
        listening = self._shape == "listen" and self._calling
        if self.hooks is None or "init" in self.hooks or listening:
            self.log.platform("info", "the credential was changed: the host starts again with it")
            self.host.renew()

    def state(self) -> StepState:
        """Counters for the heartbeat."""
        host = self.host
        return StepState(
            id=self.step.id,
            trigger=True,
            host=host.state,
            pid=host.pid,
            restarts=host.restarts,
            received=self.received,
            emitted=self.emitted,
            failed=self.failed,
            waiting=len(self._waiting),
            times=dict(self._times),
            open=int(self._calling),
            memory=host.memory,
            ready_ms=host.ready_ms,
            warning="" if self._leak is None else str(self._leak),
            leak=self._leak,
            reason=str(self._leak) if self._is_stopped else host.reason if host.state in ("failed", "backoff") else "",
        )

    def tick(self) -> None:
        """Twice a second: emissions that wait for room are tried again."""
        self.pump()

    # -- calling --------------------------------------------------------------------------------------------

    def host_ready(self, ready: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        self._shape = ready.shape
        self.hooks = ready.hooks
        self._guard = Guard(self.step.code.language, self._shape)
        if not self._is_stopped:
            self._leak = None
        if self._active:
            self._call()

    def about(self, call: int) -> tuple[str, str]:
        """See `headrace.worker.host.Owner`. A call here belongs to no event."""
        return "", ""

    def host_gone(self) -> None:
        """See `headrace.worker.host.Owner`.

        What waits here unconfirmed its source has still; but of what a call returned it heard no more after that, so
        that is stored.
        """
        self._calling = False
        self._cancel_timer()
        waiting, self._waiting, self._bytes = list(self._waiting), deque(), 0
        for frame in waiting:
            if not frame.confirm:
                self._accept(frame)
        self._check_idle()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call(self) -> None:
        self._timer = None
        if not self._active or self._calling or self.host.state != "ready":
            return
        self._number += 1
        self._calling = True
        self._began = self._loop.time()
        self.received += 1
        self.host.send(
            frames.call_frame(
                self._number,
                shape=self._shape,
                execution="",
                attempt=1,
                msg=b'{"id":"","body":{},"headers":{},"attachments":{},"passthrough":{}}',
                cfg=self.config.raw,
                snapshot=self.snapshot.raw,
            )
        )

    def _ended(self, frame: frames.Frame) -> None:
        if frame.call != self._number or not self._calling:
            return
        self._calling = False
        if self._shape != "listen":
            noted(self._times, frame.us)
        if frame.error is not None and self._active:
            self._failed(frame.error)
        if self._active:
            self._timer = self._loop.call_later(self._next_pause(), self._call)

    def _next_pause(self) -> float:
        """Seconds until the next call: the interval, or for a listener that ended, longer each time."""
        if self._shape != "listen":
            return self.step.poll_interval
        if self._loop.time() - self._began > LONGEST_PAUSE:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self.log.platform("warn", f"the listener ended; it is opened again in {pause:.1f} s")
        return pause

    # -- emitting -------------------------------------------------------------------------------------------

    def host_frame(self, frame: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        if frame.type == "end":
            self._ended(frame)
        elif frame.type == "emit":
            if self._shape == "process" and frame.event == "data" and not self._running(frame.call):
                self._leaks(self._guard.late(frame.call, frame.body, self._loop.time()))
            self._emit(frame)
        elif frame.type == "census":
            waiting = bool(self._waiting) or self._outbox.stalled
            self._leaks(self._guard.census(frame.call, frame.open, waiting=waiting))

    def _running(self, call: int) -> bool:
        return self._calling and call == self._number

    @property
    def _is_stopped(self) -> bool:
        return self._leak is not None and self._leak.stopped

    def _leaks(self, leak: Leak | None) -> None:
        """Say it once; end the host before it opens more, when the flow says so."""
        if leak is None or self._is_stopped:
            return
        stops = self._shared.spec.leak_guard == "stop" and self._active
        self._leak = msgspec.structs.replace(leak, stopped=stops)
        self.log.platform("error" if stops else "warn", str(self._leak))
        if stops:
            self.deactivate()
            self.host.stop()

    def _emit(self, frame: frames.Frame) -> None:
        if frame.event == "data":
            self._idle.clear()
            self._waiting.append(frame)
            self._bytes += len(memoryview(frame.body))
            self.pump()
            if len(self._waiting) >= MOST_WAITING or self._bytes >= MOST_BYTES:
                self.host.hold(True)
        elif frame.event in ("snapshot", "update_snapshot"):
            whole = frame.event == "snapshot"
            raw = bytes(frame.value if whole else frame.patch)
            self.snapshot.queue(replaced if whole else merged, raw, lambda error: self._answer(frame, error))
        elif frame.event == "update_keys" and self.config.secret:
            self.config.write_back(frame.keys, lambda error: self._answer(frame, error))
        elif frame.event == "error":
            self._failed(frame.error or frames.HostError())
            self._answer(frame, None)
        else:
            self._refuse(frame, "not-for-triggers", f"a {self.step.trigger_type} trigger cannot emit {frame.event!r}")

    def _answer(self, frame: frames.Frame, error: HeadraceError | None) -> None:
        if error is not None:
            self._refuse(frame, error.reason, str(error))
        elif frame.confirm:
            self.host.send(frames.emitted_frame(frame.call, frame.emit))

    def _refuse(self, frame: frames.Frame, reason: str, text: str) -> None:
        if frame.confirm:
            self.host.send(frames.emitted_frame(frame.call, frame.emit, reason, text))
        else:
            self.log.platform("warn", f"an emission was refused ({reason}): {text}")

    def pump(self) -> None:
        """Store emissions that wait, as long as there is room for what they cause."""
        while self._waiting and self._has_room():
            frame = self._waiting.popleft()
            self._bytes -= len(memoryview(frame.body))
            self._accept(frame)
        if len(self._waiting) <= MOST_WAITING // 2 and self._bytes <= MOST_BYTES // 2 and not self._outbox.crowded:
            self.host.hold(False)

    def _has_room(self) -> bool:
        """Back-pressure is not for a trigger that is being silenced: what it has emitted already is let in."""
        if self._outbox.crowded or not self._shared.room.for_events:
            return False
        return not self._active or not any(each.crowded() for each in self.successors)

    def _hold(self, much: bool) -> None:
        if much:
            self.host.hold(True)
        else:
            self.pump()

    def _accept(self, frame: frames.Frame) -> None:
        limit = self._shared.spec.message_limit
        size = len(memoryview(frame.body))
        if size > limit:
            self._refuse(frame, "too-large", f"the body has {size} bytes; the limit (message_limit) is {limit}")
            self._check_idle()
            return
        try:
            to, headers = routed(frame.headers, self.step)
        except Refused as error:
            self._refuse(frame, error.reason, error.message)
            self._check_idle()
            return
        own = None if frame.id is None else str(frame.id)
        event = Message(
            id=new_id() if own is None else derived_id(self._shared.spec.flow_id, self.step.id, "own", own),
            execution=new_id(),
            step=self.step.id,
            body=frame.body,
            at=now_us() // 1000,
            headers=headers,
            to=to,
            only=() if self._shared.spec.test else None,
            attachments=frame.attachments,
            metadata=frame.metadata,
        )
        data, large = shed(event, self._shared.spec.inline_limit)
        self._outbox.store(data, event.id, lambda result: self._answered(frame, event, result), large)

    def _answered(self, frame: frames.Frame, event: Message, result: Stored | HeadraceError) -> None:
        if isinstance(result, Stored):
            self._stored(event, result)
            self._answer(frame, None)
        else:
            self._answer(frame, result)
        self._check_idle()

    def _stored(self, event: Message, stored: Stored) -> None:
        self.repeats += stored.duplicate
        self.found.set()
        if not stored.duplicate:
            self.emitted += 1
            for successor in self.successors:
                successor.expect(stored.seq)
            self._shared.trace.add(
                Fact("emitted", event.execution, self.step.id, event.id, "", now_us(), len(self.successors), stored.seq)
            )

    def _check_idle(self) -> None:
        if not self._waiting and not self._outbox.pending:
            self._idle.set()

    def _failed(self, error: frames.HostError) -> None:
        """Keep a trigger's exception as an error record: an execution that ended before it had a message."""
        self.failed += 1
        now = now_us()
        event = Message(id=new_id(), execution=new_id(), step=self.step.id, body=msgspec.Raw(b"{}"), at=now // 1000)
        entry = error_entry(event, self.step.id, Failure(name=error.name, message=error.message, stack=error.stack))
        self.log.platform("error", error.stack or f"{error.name}: {error.message}", execution=event.execution)

        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, Stored):
                fact = Fact("failed", event.execution, self.step.id, event.id, "", now, 0, result.seq, error=entry.id)
                self._shared.trace.add(fact)
                self.found.set()
            else:
                self.log.platform("warn", f"the error record could not be stored: {result}")

        self._bus.store_nowait(self._errors, envelope.encode(entry), done, msg_id=entry.id, wait=True)
