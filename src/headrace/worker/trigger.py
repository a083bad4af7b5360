"""A trigger that finds events by itself: called again and again (polling), or listening for as long as it lives.

Each emission is an execution of its own. It is confirmed to the component when the journal has it; while a successor
is crowded or the journal is nearly full, emissions wait here, and then on the component's side.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import JournalFull, Stored
from headrace.bus.control import StepState
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.trace import Fact
from headrace.errors import HeadraceError
from headrace.flows.deployment import StepSpec
from headrace.ids import derived_id, new_id
from headrace.worker import frames
from headrace.worker.host import Host, now_us
from headrace.worker.snapshot import Snapshot
from headrace.worker.step import FULL_PAUSE, Shared, Step
from headrace.worker.trace import StepLog

__all__ = ["Trigger"]

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
PAUSE_READING_AT = 1_000
"""Emissions waiting here before the worker stops reading from the host."""


class Trigger:
    """A polling or listening trigger with its host. Made and driven by `headrace.worker.worker.Worker`."""

    def __init__(self, shared: Shared, step: StepSpec, has_room: Callable[[], bool]) -> None:
        self._shared = shared
        self._bus = shared.bus
        self._loop = asyncio.get_running_loop()
        self._has_room = has_room
        self.step = step
        self.log = StepLog(shared.bus, shared.spec, step.id, step.log_level)
        self.host = Host(shared.spec, step, self, self.log)
        self.snapshot = Snapshot(shared.bus, shared.spec.flow_id, step.id)
        self.successors: list[Step] = []
        self.hooks: list[str] = []
        self._shape = "process"
        self._cfg = msgspec.json.encode(step.fields)
        self._output = subjects.output(shared.spec.flow_id, shared.spec.epoch, step.id)
        self._errors = subjects.errors(shared.spec.flow_id, shared.spec.epoch, step.id)
        self._active = False
        self._number = 0
        self._calling = False
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._waiting: deque[frames.Frame] = deque()
        self._unconfirmed = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.received = self.emitted = self.failed = self.repeats = 0

    # -- life -----------------------------------------------------------------------------------------------

    async def activate(self) -> None:
        """Begin to call, with the snapshot as it is now."""
        await self.snapshot.load()
        self._active = True
        if self.host.state == "ready":
            self._call()

    def deactivate(self) -> None:
        """Call no more. What the host still emits is stored; stop the host to end that."""
        self._active = False
        self._cancel_timer()

    async def settled(self) -> None:
        """Return when every emission that arrived is in the journal or refused."""
        await self._idle.wait()

    def state(self) -> StepState:
        """Counters for the heartbeat."""
        host = self.host
        return StepState(
            id=self.step.id,
            host=host.state,
            pid=host.pid,
            restarts=host.restarts,
            received=self.received,
            emitted=self.emitted,
            failed=self.failed,
            waiting=len(self._waiting),
            open=int(self._calling),
            memory=host.memory,
            ready_ms=host.ready_ms,
            reason=host.reason if host.state in ("failed", "backoff") else "",
        )

    def tick(self) -> None:
        """Twice a second: emissions that wait for room are tried again."""
        self.pump()

    # -- calling --------------------------------------------------------------------------------------------

    def host_ready(self, ready: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        self._shape = ready.shape
        self.hooks = ready.hooks
        if self._active:
            self._call()

    def host_gone(self) -> None:
        """See `headrace.worker.host.Owner`. What was not stored was never confirmed: the source has it."""
        self._calling = False
        self._waiting.clear()
        self._cancel_timer()
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
                cfg=self._cfg,
                snapshot=self.snapshot.raw,
            )
        )

    def _ended(self, frame: frames.Frame) -> None:
        if frame.call != self._number or not self._calling:
            return
        self._calling = False
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
            self._emit(frame)

    def _emit(self, frame: frames.Frame) -> None:
        if frame.event == "data":
            self._waiting.append(frame)
            self._idle.clear()
            if len(self._waiting) == PAUSE_READING_AT:
                self.host.pause()
            self.pump()
        elif frame.event in ("snapshot", "update_snapshot"):
            whole = frame.event == "snapshot"
            change = self.snapshot.replace if whole else self.snapshot.merge
            self.snapshot.queue(
                change, bytes(frame.value if whole else frame.patch), lambda error: self._answer(frame, error)
            )
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
        while self._waiting and self._has_room() and not any(each.crowded() for each in self.successors):
            if len(self._waiting) == PAUSE_READING_AT:
                self.host.resume()
            self._accept(self._waiting.popleft())

    def _accept(self, frame: frames.Frame) -> None:
        limit = self._shared.spec.message_limit
        if len(bytes(frame.body)) > limit:
            text = f"the body has {len(bytes(frame.body))} bytes; the limit (message_limit) is {limit}"
            self._refuse(frame, "too-large", text)
            self._check_idle()
            return
        own = None if frame.id is None else str(frame.id)
        event = Message(
            id=new_id() if own is None else derived_id(self._shared.spec.flow_id, self.step.id, "own", own),
            execution=new_id(),
            step=self.step.id,
            body=frame.body,
            at=now_us() // 1000,
            headers=frame.headers,
            attachments=frame.attachments,
        )
        self._unconfirmed += 1
        self._store(frame, event, envelope.encode(event))

    def _store(self, frame: frames.Frame, event: Message, data: bytes) -> None:
        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, JournalFull):
                self._loop.call_later(FULL_PAUSE, self._store, frame, event, data)
                return
            self._unconfirmed -= 1
            if isinstance(result, Stored):
                self._stored(frame, event, result)
            else:
                self._refuse(frame, result.reason, str(result))
            self._check_idle()

        self._bus.store_nowait(self._output, data, done, msg_id=event.id)

    def _stored(self, frame: frames.Frame, event: Message, stored: Stored) -> None:
        self.repeats += stored.duplicate
        if not stored.duplicate:
            self.emitted += 1
            for successor in self.successors:
                successor.expect()
            self._shared.trace.add(
                Fact("emitted", event.execution, self.step.id, event.id, "", now_us(), len(self.successors), stored.seq)
            )
        self._answer(frame, None)

    def _check_idle(self) -> None:
        if not self._waiting and not self._unconfirmed:
            self._idle.set()

    def _failed(self, error: frames.HostError) -> None:
        """Keep a trigger's exception as an error record: an execution that ended before it had a message."""
        self.failed += 1
        now = now_us()
        event = Message(id=new_id(), execution=new_id(), step=self.step.id, body=msgspec.Raw(b"{}"), at=now // 1000)
        failure = Failure(name=error.name, message=error.message, stack=error.stack)
        entry = ErrorEntry(
            id=derived_id("error", event.id, self.step.id),
            message=event,
            step=self.step.id,
            failure=failure,
            at=event.at,
        )
        self.log.platform("error", error.stack or f"{error.name}: {error.message}", execution=event.execution)

        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, Stored):
                fact = Fact("failed", event.execution, self.step.id, event.id, "", now, 0, result.seq, error=entry.id)
                self._shared.trace.add(fact)
            else:
                self.log.platform("warn", f"the error record could not be stored: {result}")

        self._bus.store_nowait(self._errors, envelope.encode(entry), done, msg_id=entry.id)
