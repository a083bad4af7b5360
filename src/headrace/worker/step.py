"""A step that takes messages from the journal: queue, mapper, calls to the host, outputs, acknowledgement.

    delivered ──▶ queue ──take──▶ mapped ──call──▶ open ──end──▶ settling ──outputs confirmed──▶ acknowledged
                    ▲                │               │              │
                    └── host gone ───┼───────────────┘              ├─ failed, attempts left ──▶ delayed
                                     └─ condition false ─▶ skipped  └─ failed for good ────────▶ error record

A message is acknowledged only when everything it caused is in the journal. There is no task per message: every
arrow is a plain call from the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.client import Bus, JournalFull, Stored
from headrace.bus.control import StepState
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.trace import Fact, FactKind
from headrace.errors import HeadraceError
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.flows.mapping import MappingError
from headrace.ids import derived_id
from headrace.worker import frames
from headrace.worker.call import Call, Held
from headrace.worker.delay import REBOUND_LIMIT, Delays, rebound_delay
from headrace.worker.host import Host, now_us
from headrace.worker.mapper import Mapper, carried
from headrace.worker.output import OutputIds
from headrace.worker.poison import LIMIT, Poison
from headrace.worker.snapshot import Snapshot
from headrace.worker.trace import StepLog, Trace

__all__ = ["Shared", "Step"]

AHEAD = 16
"""Calls sent to the host beyond those it may run at once, so that it never waits for the next one."""
UNCONFIRMED = 256
"""Ended calls whose outputs may still be on their way to the journal."""
RETRIED = frozenset({"exception", "timeout"})
"""Reasons for which a message is tried again; others would only fail the same way."""
FULL_PAUSE = 0.5
"""Seconds between attempts to store into a full journal."""
REMEMBERED = 1_024
"""Acknowledged messages that are recognised when the broker delivers them once more."""
CANCEL_GRACE = 5.0
"""Seconds a cancelled call has before its host is killed."""
LARGEST_ENVELOPE = 7 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shared:
    """What the steps of one deployment have in common."""

    bus: Bus
    spec: DeploymentSpec
    trace: Trace
    delays: Delays


class Producer(Protocol):
    """What pauses while a step after it is crowded."""

    def pump(self) -> None:
        """There is room again."""


class Step:
    """One step with its host. Made and driven by `headrace.worker.worker.Worker`."""

    def __init__(self, shared: Shared, step: StepSpec) -> None:
        spec = shared.spec
        self._shared = shared
        self._bus = shared.bus
        self._loop = asyncio.get_running_loop()
        self.step = step
        self.log = StepLog(shared.bus, spec, step.id, step.log_level)
        self.host = Host(spec, step, self, self.log)
        self.snapshot = Snapshot(shared.bus, spec.flow_id, step.id)
        self.successors: list[Step] = []
        self.producers: list[Producer] = []
        self._mapper = Mapper(step)
        self._poison = Poison(shared.bus, spec.flow_id, step.id)
        self._ids = OutputIds(shared.bus, spec, step.id)
        self._most = step.concurrency + (AHEAD if step.order == "relaxed" else 0)
        self._cfg = msgspec.json.encode(step.fields)
        self._output = subjects.output(spec.flow_id, spec.epoch, step.id)
        self._errors = subjects.errors(spec.flow_id, spec.epoch, step.id)
        self._queue: deque[Held] = deque()
        self._held: dict[int, Held] = {}
        self._released: dict[int, None] = {}
        self._calls: dict[int, Call] = {}
        self._settling = 0
        self._number = 0
        self._running = 0
        self._alone = 0
        """Messages at the front of the queue that run one at a time, since a host died while they were open."""
        self._active = False
        self._pausing = False
        self._over = False
        self.hooks: list[str] = []
        self._pending = 0
        self._fresh = 0
        self._shut = False
        self._undo: Callable[[], object] | None = None
        self.received = self.emitted = self.failed = self.finished = self.repeats = 0
        self.longest_wait = 0
        """Longest time, in microseconds, that a message waited for this step."""
        self._idle = asyncio.Event()

    # -- life -----------------------------------------------------------------------------------------------

    async def activate(self) -> None:
        """Take messages from now on. What an earlier worker left is taken up where it stopped."""
        await self.snapshot.load()
        await self._poison.load()
        left = await journal.depth(self._bus, self._shared.spec.flow_id, self._shared.spec.epoch, self.step.id)
        self._pending = left.total
        if left.delivered and left.total:
            await self._ids.recover(left.floor)
            await self._reset()
        self._active = True
        self._undo = await self._bus.on_message(journal.deliver(self._shared.spec, self.step), self.delivered)

    async def _reset(self) -> None:
        """Bring back what was delivered and never acknowledged (nats-server 2.14 and later)."""
        spec = self._shared.spec
        consumer = subjects.consumer(spec.epoch, self.step.id)
        await self._bus.api(f"CONSUMER.RESET.{subjects.stream(spec.flow_id)}.{consumer}", {})

    async def reconnected(self) -> None:
        """The broker was away: have it send again what got lost on the way; what is held here is recognised."""
        if self._active:
            await self._reset()

    @property
    def active(self) -> bool:
        """Whether it takes messages from the journal."""
        return self._active

    def shut(self) -> None:
        """Hold what is delivered until `open`."""
        self._shut = True

    def open(self) -> None:
        """Go on after `shut`. A second call changes nothing."""
        self._shut = False
        self.pump()

    def deactivate(self) -> None:
        """Take no further message; calls in progress go on. What is queued stays unacknowledged in the journal."""
        self._active = False
        for held in self._queue:
            del self._held[held.key]
        self._queue.clear()
        self._check_idle()

    async def settled(self) -> None:
        """After `deactivate`: return when no call is open and everything they caused is in the journal."""
        await self._idle.wait()

    @property
    def waiting(self) -> int:
        """Messages the step still has to process, as far as is known here."""
        return self._pending + self._fresh + len(self._queue) + len(self._calls)

    def expect(self) -> None:
        """A message for this step was stored and will be delivered."""
        self._fresh += 1

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
            waiting=self.waiting,
            open=len(self._calls),
            memory=host.memory,
            ready_ms=host.ready_ms,
            reason=host.reason if host.state in ("failed", "backoff") else "",
        )

    # -- taking ---------------------------------------------------------------------------------------------

    def delivered(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """A message arrived from the journal."""
        if not self._active:
            return
        tokens = reply.split(b".")
        self._pending, self._fresh = int(tokens[8]), 0
        self._hold(int(tokens[5]), reply, data, int(tokens[7]) // 1000, "")

    def due(self, subject: bytes, reply: bytes, data: bytes) -> None:
        """A delayed message's time has come."""
        if not self._active:
            return
        tokens = reply.split(b".")
        self._hold(-int(tokens[5]), reply, data, int(tokens[7]) // 1000, subject.decode())

    def _hold(self, key: int, reply: bytes, data: bytes, stored_us: int, due: str) -> None:
        known = self._held.get(key)
        if known is not None:
            known.reply = reply.decode()
            return
        if key in self._released:  # its acknowledgement was lost on the way
            self._bus.publish(reply.decode(), b"+ACK")
            return
        held = Held(key, reply.decode(), data, stored_us, due)
        self._held[key] = held
        self._queue.append(held)
        self.pump()

    def pump(self) -> None:
        """Take as many messages as host, concurrency and successors allow."""
        while self._queue and self._may_take():
            self._take(self._queue.popleft())

    def _may_take(self) -> bool:
        if not self._active or self._pausing or self._shut or self.host.state != "ready":
            return False
        limit = 1 if self._alone else self._most
        if len(self._calls) - self._settling >= limit or self._settling >= UNCONFIRMED:
            return False
        return not any(successor.crowded() for successor in self.successors)

    def crowded(self) -> bool:
        """Whether so much waits here that those before should pause; they are woken when it has gone down."""
        if self.waiting > self.step.queue_limit:
            self._over = True
        return self._over

    def _relieve(self) -> None:
        if self._over and self.waiting <= self.step.queue_limit * 0.8:
            self._over = False
            for producer in self.producers:
                producer.pump()

    def _take(self, held: Held) -> None:
        self.received += 1
        try:
            held.message = message = envelope.decode(held.data)
        except msgspec.MsgspecError as error:
            self.log.platform("error", f"journal entry {held.key} is no message and is left out: {error}")
            self._release(held)
            return
        call = Call(held, message, now_us() - held.stored_us)
        self.longest_wait = max(self.longest_wait, call.wait_us)
        try:
            mapped = self._mapper.apply(message)
        except MappingError as error:
            self._fail(call, Failure(name="MappingError", message=str(error), reason="mapping"))
            return
        call.map_us = mapped.us
        if mapped.body is None:
            self._finish(call, "skipped", -1)
            return
        self._open(call, mapped.body)

    def _open(self, call: Call, body: bytes) -> None:
        self._number += 1
        call.number = self._number
        self._calls[call.number] = call
        if self._running < self.step.concurrency:
            self._started(call)
        message = call.message
        self.host.send(
            frames.call_frame(
                call.number,
                shape="process",
                execution=message.execution,
                attempt=message.attempt,
                msg=_for_host(message, body),
                cfg=self._cfg,
                snapshot=self.snapshot.raw,
            )
        )

    def _started(self, call: Call) -> None:
        self._running += 1
        call.started = self._loop.time()

    # -- what the host says ---------------------------------------------------------------------------------

    def host_ready(self, ready: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        self.hooks = ready.hooks
        self.pump()

    def host_gone(self) -> None:
        """Put the open messages back in front. See `headrace.worker.host.Owner`."""
        lost = [call for call in self._calls.values() if not call.ended]
        for call in lost:
            call.dropped = True
            del self._calls[call.number]
        self._running = 0
        if not self._active:
            self._let_go(lost)
        if not self._active or not lost:
            return
        if len(lost) == 1:
            self._poison.count(lost[0].message.id, lambda total: self._after_death(lost[0], total))
            return
        self._queue.extendleft(call.held for call in reversed(lost))
        self._alone = max(self._alone, len(lost))

    def _after_death(self, call: Call, total: int) -> None:
        if total >= LIMIT:
            text = f"the message was alone in flight at {total} deaths of its host"
            self._fail(call, Failure(name="HostDied", message=text, stack=self.host.reason, reason="poison"))
        elif self._active:
            self._queue.appendleft(call.held)
            self._alone = max(self._alone, 1)
            self.pump()
        else:
            self._let_go([call])

    def _let_go(self, calls: list[Call]) -> None:
        """Leave messages unacknowledged: the next worker gets them."""
        for call in calls:
            self._held.pop(call.held.key, None)
        self._check_idle()

    def host_frame(self, frame: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        call = self._calls.get(frame.call)
        if call is None or call.ended:
            if frame.type == "emit" and frame.confirm:
                self._refuse(frame, "call-ended", "the call this emission belongs to has ended")
        elif frame.type == "end":
            self._ended(call, frame)
        elif frame.type == "emit":
            handle = self._events.get(frame.event)
            if handle is None:
                self._refuse(frame, "unknown-event", f"there is no event {frame.event!r}")
            else:
                handle(self, call, frame)

    def _refuse(self, frame: frames.Frame, reason: str, text: str) -> None:
        if frame.confirm:
            self.host.send(frames.emitted_frame(frame.call, frame.emit, reason, text))
        else:
            self.log.platform("warn", f"an emission was refused ({reason}): {text}")

    def _accept(self, frame: frames.Frame) -> None:
        if frame.confirm:
            self.host.send(frames.emitted_frame(frame.call, frame.emit))

    def _on_data(self, call: Call, frame: frames.Frame) -> None:
        body = bytes(frame.body)
        message = call.message
        position, call.outputs = call.outputs, call.outputs + 1
        own = None if frame.id is None else str(frame.id)
        out = Message(
            id=self._ids.of(message.id, own, position, body),
            execution=message.execution,
            step=self.step.id,
            body=frame.body,
            at=message.at,
            parent=message.id,
            headers=frame.headers,
            attachments=frame.attachments,
            passthrough=carried(self.step, message),
            reply_to=message.reply_to,
        )
        data = envelope.encode(out)
        limit = self._shared.spec.message_limit
        if len(body) > limit or len(data) > LARGEST_ENVELOPE:
            text = f"the body has {len(body)} bytes; the limit (message_limit) is {limit}"
            call.failure = None if frame.confirm else Failure(name="TooLarge", message=text, reason="too-large")
            call.unstored += 1
            self._refuse(frame, "too-large", text)
            return
        self._pend(call)
        if out.id in self._ids.known:
            self._stored(call, frame)
        else:
            self._store_output(call, frame, out.id, data)

    def _store_output(self, call: Call, frame: frames.Frame, msg_id: str, data: bytes) -> None:
        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, Stored):
                self.repeats += result.duplicate
                self._stored(call, frame)
            elif isinstance(result, JournalFull):
                self.log.platform("warn", "the journal is full; an output waits until there is room")
                self._loop.call_later(FULL_PAUSE, self._store_output, call, frame, msg_id, data)
            else:
                call.failure = Failure(name="NotStored", message=str(result), reason="exception")
                call.unstored += 1
                self._refuse(frame, result.reason, str(result))
                self._confirmed(call)

        self._bus.store_nowait(self._output, data, done, msg_id=msg_id)

    def _stored(self, call: Call, frame: frames.Frame) -> None:
        self.emitted += 1
        for successor in self.successors:
            successor.expect()
        if not call.dropped:
            self._accept(frame)
        self._confirmed(call)

    def _pend(self, call: Call) -> None:
        call.unconfirmed += 1

    def _confirmed(self, call: Call) -> None:
        call.unconfirmed -= 1
        if call.ended and not call.unconfirmed and not call.dropped:
            self._settle(call)

    def _on_error(self, call: Call, frame: frames.Frame) -> None:
        error = frame.error or frames.HostError()
        call.failure = Failure(name=error.name, message=error.message, stack=error.stack)
        self._accept(frame)

    def _on_rebound(self, call: Call, frame: frames.Frame) -> None:
        call.rebound = frame.reason or "rebound"
        self._accept(frame)

    def _on_snapshot(self, call: Call, frame: frames.Frame) -> None:
        change = self.snapshot.replace if frame.event == "snapshot" else self.snapshot.merge
        raw = bytes(frame.value if frame.event == "snapshot" else frame.patch)
        self._pend(call)
        self.snapshot.queue(change, raw, lambda error: self._snapshot_kept(call, frame, error))

    def _snapshot_kept(self, call: Call, frame: frames.Frame, error: HeadraceError | None) -> None:
        if not call.dropped:
            if error is None:
                self._accept(frame)
            else:
                self._refuse(frame, error.reason, str(error))
        self._confirmed(call)

    def _on_http_reply(self, call: Call, frame: frames.Frame) -> None:
        if call.message.reply_to is None:
            self._refuse(frame, "nobody-waits", "no caller waits for a reply to this message")
            return
        reply = {"status": frame.status, "headers": frame.headers, "body": frame.body}
        self._bus.publish(call.message.reply_to, msgspec.json.encode(reply))
        self._accept(frame)

    def _on_update_keys(self, call: Call, frame: frames.Frame) -> None:
        self._refuse(frame, "no-credential", "this step has no credential to update")

    _events = {  # noqa: RUF012  read-only
        "data": _on_data,
        "error": _on_error,
        "rebound": _on_rebound,
        "snapshot": _on_snapshot,
        "update_snapshot": _on_snapshot,
        "http_reply": _on_http_reply,
        "update_keys": _on_update_keys,
    }

    def _ended(self, call: Call, frame: frames.Frame) -> None:
        call.ended = True
        call.us = frame.us
        self._settling += 1
        if call.started:
            self._running -= 1
        self._start_next()
        if frame.error is not None:
            error = frame.error
            reason = "timeout" if call.cancelled else "exception"
            message = error.message if not call.cancelled else f"no end within {self.step.timeout:g} s"
            call.failure = Failure(name=error.name, message=message, stack=error.stack, reason=reason)
        if not call.unconfirmed:
            self._settle(call)
        self.pump()

    def _start_next(self) -> None:
        for call in self._calls.values():
            if self._running >= self.step.concurrency:
                return
            if not call.ended and not call.started:
                self._started(call)

    # -- ending a message -----------------------------------------------------------------------------------

    def _settle(self, call: Call) -> None:
        del self._calls[call.number]
        self._settling -= 1
        if call.failure is not None:
            self._fail(call, call.failure)
        elif call.rebound:
            self._rebound(call)
        else:
            self._finish(call, "done", call.stored * len(self.successors) - 1)

    def _finish(self, call: Call, kind: FactKind, opened: int) -> None:
        self._note(call, kind, opened, seq=max(call.held.key, 0))
        self._release(call.held)

    def _note(self, call: Call, kind: FactKind, opened: int, *, seq: int, error: str = "", until: int = 0) -> None:
        message = call.message
        self._shared.trace.add(
            Fact(
                kind=kind,
                execution=message.execution,
                step=self.step.id,
                message=message.id,
                parent=message.parent or "",
                at=now_us(),
                opened=opened,
                seq=seq,
                outputs=call.stored,
                wait_us=call.wait_us,
                map_us=call.map_us,
                call_us=call.us,
                attempt=message.attempt,
                error=error,
                until=until,
                rerun_of=message.rerun_of or "",
            )
        )

    def _release(self, held: Held) -> None:
        """Acknowledge: the message is dealt with."""
        self._bus.publish(held.reply, b"+ACK")
        self.finished += 1
        if held.due:
            self._shared.delays.forget(held.due)
        self._held.pop(held.key, None)
        self._released[held.key] = None
        if len(self._released) > REMEMBERED:
            del self._released[next(iter(self._released))]
        if self._alone:
            self._alone -= 1
        self._check_idle()
        self._relieve()

    def _check_idle(self) -> None:
        if not self._active and not self._held:
            self._idle.set()

    def _fail(self, call: Call, failure: Failure) -> None:
        retry = self.step.retry
        if failure.reason in RETRIED and call.message.attempt < retry.attempts:
            self.log.platform("warn", f"attempt {call.message.attempt} of {retry.attempts} failed: {failure.message}")
            self._try_again(call, retry.delay(call.message.attempt), failure.message)
        else:
            self._store_error(call, failure)

    def _rebound(self, call: Call) -> None:
        if call.message.attempt > REBOUND_LIMIT:
            text = f"rebound limit exceeded after {REBOUND_LIMIT} attempts: {call.rebound}"
            self._store_error(call, Failure(name="ReboundLimit", message=text, reason="rebound-limit"))
        else:
            self._try_again(call, rebound_delay(call.message.attempt), call.rebound)

    def _try_again(self, call: Call, seconds: float, why: str) -> None:
        if self.step.order == "strict":
            self._hold_line(call, seconds)
            return
        until = now_us() // 1000 + int(seconds * 1000)

        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, Stored):
                self._note(call, "delayed", 0, seq=max(call.held.key, 0), error=why, until=until)
                self._release(call.held)
            else:
                self.log.platform("warn", f"a delayed message could not be stored yet: {result}")
                self._loop.call_later(FULL_PAUSE, self._try_again, call, seconds, why)

        self._shared.delays.schedule(self.step.id, call.message, until, done)

    def _hold_line(self, call: Call, seconds: float) -> None:
        """``order: strict``: the message keeps its place and everything behind it waits."""
        again = msgspec.structs.replace(call.message, attempt=call.message.attempt + 1)
        call.held.data = envelope.encode(again)
        if not self._active:
            self._let_go([call])
            return
        self._queue.appendleft(call.held)
        self._pausing = True
        self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pausing = False
        self.pump()

    def _store_error(self, call: Call, failure: Failure) -> None:
        message = call.message
        entry = ErrorEntry(
            id=derived_id("error", message.id, self.step.id, str(message.attempt)),
            message=message,
            step=self.step.id,
            failure=failure,
            at=now_us() // 1000,
        )
        data = envelope.encode(entry)

        def done(result: Stored | HeadraceError) -> None:
            if not isinstance(result, Stored):
                self.log.platform("warn", f"an error record could not be stored yet: {result}")
                self._loop.call_later(FULL_PAUSE, store)
                return
            self.failed += 1
            opened = call.stored * len(self.successors) - 1
            self._note(call, "failed", opened, seq=result.seq, error=entry.id)
            self.log.platform(
                "error", failure.stack or f"{failure.name}: {failure.message}", execution=message.execution
            )
            self._release(call.held)

        def store() -> None:
            self._bus.store_nowait(self._errors, data, done, msg_id=entry.id)

        store()

    # -- clock ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Twice a second: cancel calls over their time, kill a host whose call ignores that, measure memory."""
        now = self._loop.time()
        for call in list(self._calls.values()):
            if call.ended or not call.started:
                continue
            over = now - call.started - self.step.timeout
            if over > CANCEL_GRACE:
                self.host.reason = f"a call ran {self.step.timeout:g} s too long and ignored its cancellation"
                self.host.kill()
                return
            if over > 0 and not call.cancelled:
                call.cancelled = True
                self.host.send(b'{"type":"cancel","call":%d}\n' % call.number)

    def in_progress(self) -> None:
        """Every ten seconds: tell the broker that what is held here is being worked on."""
        for held in self._held.values():
            self._bus.publish(held.reply, b"+WPI")


def _for_host(message: Message, body: bytes) -> bytes:
    """The ``msg`` of a ``call`` frame."""
    encode = msgspec.json.encode
    return b'{"id":"%b","body":%b,"headers":%b,"attachments":%b,"passthrough":%b}' % (
        message.id.encode(),
        body,
        encode(message.headers) if message.headers else b"{}",
        encode(message.attachments) if message.attachments else b"{}",
        encode(message.passthrough) if message.passthrough else b"{}",
    )
