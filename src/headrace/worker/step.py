"""A step that takes messages from the journal: queue, mapper, calls to the host, outputs, acknowledgement.

    delivered ──▶ line ──take──▶ mapped ──call──▶ open ──end──▶ settling ──outputs confirmed──▶ acknowledged
                    ▲               │               │              │
                    └── host gone ──┼───────────────┘              ├─ failed, attempts left ──▶ delayed
                                    └─ condition false ─▶ skipped  └─ failed for good ────────▶ error record

A message is acknowledged only when everything it caused is in the journal. There is no task per message: every
arrow is a plain call from the event loop. What is to come is in `headrace.worker.deliveries`, the line in
`headrace.worker.line`, the open calls in `headrace.worker.calls`, what a call emits in `headrace.worker.emissions`, the
right-hand side in `headrace.worker.endings`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from headrace.bus import journal
from headrace.bus import message as envelope
from headrace.bus.client import Stored
from headrace.bus.control import StepState
from headrace.bus.large import lacking, whole
from headrace.bus.message import Failure, Large, Message
from headrace.errors import HeadraceError
from headrace.flows.deployment import StepSpec
from headrace.flows.mapping import MappingError
from headrace.worker import frames
from headrace.worker.call import Call, Held
from headrace.worker.calls import Calls
from headrace.worker.config import Config
from headrace.worker.deliveries import Deliveries
from headrace.worker.emissions import Emissions
from headrace.worker.endings import Endings
from headrace.worker.host import Host, now_us
from headrace.worker.line import Line
from headrace.worker.mapper import Mapper
from headrace.worker.poison import LIMIT, Poison
from headrace.worker.shared import Shared
from headrace.worker.snapshot import Snapshot
from headrace.worker.trace import StepLog

__all__ = ["Step"]

AHEAD = 16
"""Calls sent to the host beyond those it may run at once, so that it never waits for the next one."""
HEAVY = 1024 * 1024
"""Bytes of a call's frame from which on the host gets no calls ahead: it would have to hold them all."""
UNCONFIRMED = 256
"""Ended calls whose outputs may still be on their way to the journal."""
AGAIN = 0.1


class Producer(Protocol):
    """What pauses while a step after it is crowded."""

    def pump(self) -> None:
        """There is room again."""


class Step:
    """One step with its host. Made and driven by `headrace.worker.worker.Worker`."""

    def __init__(self, shared: Shared, step: StepSpec, host: type[Host] = Host) -> None:
        spec = shared.spec
        self._shared = shared
        self._bus = shared.bus
        self._loop = asyncio.get_running_loop()
        self.step = step
        self.log = StepLog(shared.bus, spec, step.id, step.log_level)
        self.config = Config(shared.secrets, step)
        self.host = host(spec, step, self, self.log, self.config)
        self.snapshot = Snapshot(shared.bus, spec, step.id)
        self.successors: list[Step] = []
        self.producers: list[Producer] = []
        self._mapper = Mapper(step)
        self._poison = Poison(shared.bus, spec.flow_id, step.id)
        self._emissions = Emissions(
            shared, step, self, host=self.host, log=self.log, snapshot=self.snapshot, config=self.config
        )
        self._endings = Endings(shared, step, self, self.log)
        self._line = Line()
        self._strict = step.order == "strict"
        self._most = step.concurrency + (0 if self._strict else AHEAD)
        self._calls = Calls(step.concurrency, step.timeout)
        self._deliveries = Deliveries(shared.bus.session)
        self._active = False
        self._shut = False
        self._renewing = False
        """The host is to start again when the calls it has have ended."""
        self._pausing = False
        """``order: strict``: the message in front waits for its next attempt."""
        self._accused: Call | None = None
        """The message in front has killed its host, and that is being written down."""
        self._reading = False
        """Large bodies of the message in front are on their way here."""
        self._over = False
        self._undo: Callable[[], Awaitable[None]] | None = None
        self._idle = asyncio.Event()
        self.hooks: list[str] | None = None
        """Names of the hooks the component has; `None` before it was loaded."""
        self.received = self.emitted = self.finished = 0
        self.longest_wait = 0
        """Longest time, in microseconds, that a message waited for this step."""

    # -- life -----------------------------------------------------------------------------------------------

    async def activate(self, fence: int) -> None:
        """Take messages from now on; what an earlier worker left is taken up where it stopped.

        Snapshots are written under lease revision ``fence``. Does nothing more when it is active already; after an
        error it can be called again.
        """
        await self.snapshot.load(fence)
        if self._active:
            return
        await self._poison.load()
        left = await journal.left(self._bus, self._shared.spec, self.step)
        if left.depth.held:
            await self._emissions.ids.recover(left.depth.floor)
            await journal.rewind(self._bus, self._shared.spec, self.step)
        self._line.take_up(left)
        self._deliveries.take_up(left, self._bus.session)
        self._idle.clear()
        self._active = True
        try:
            self._undo = await self._bus.on_message(journal.deliver(self._shared.spec, self.step), self.delivered)
        except BaseException:
            self.deactivate()
            raise

    async def reconnected(self) -> None:
        """The broker was away: have it send again what got lost on the way; what is held here is recognised.

        Until that is there nothing is taken, as it may belong before what came in since.
        """
        if not self._active:
            return
        self._deliveries.doubt(self._bus.session)
        if await journal.rewind(self._bus, self._shared.spec, self.step) == 0:
            self.trust()

    def trust(self) -> None:
        """Go on with what is here."""
        self._deliveries.certain = True
        self.pump()

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
        self._line.let_queue_go()
        self._check_idle()

    async def settled(self) -> None:
        """After `deactivate`: return when no call is open and everything they caused is in the journal."""
        undo, self._undo = self._undo, None
        if undo is not None:
            await undo()
        await self._idle.wait()
        await self.snapshot.settled()
        await self.config.settled()

    def edited(self) -> None:
        """A person has changed the credential. Calls get the new values anyway; an ``init`` hook has to run again."""
        if self.hooks is None or "init" in self.hooks:
            self._renewing = True
            self.log.platform("info", "the credential was changed: the host starts again when its calls have ended")
            self._renew()

    def _renew(self) -> None:
        if self._renewing and not self._calls.at_work:
            self.host.renew()

    @property
    def empty(self) -> bool:
        """Whether no message is here: none queued, none at work, no delayed one either."""
        return not self._line.held

    @property
    def waiting(self) -> int:
        """Messages the step still has to process, as far as is known here."""
        return self._deliveries.awaited + len(self._line.queue) + len(self._calls)

    @property
    def failed(self) -> int:
        """Error records stored."""
        return self._endings.failures

    @property
    def repeats(self) -> int:
        """Outputs the journal already had."""
        return self._emissions.repeats

    def expect(self, seq: int) -> None:
        """A message for this step was stored under ``seq`` and will be delivered, if it has not been already."""
        self._deliveries.expect(seq)

    def state(self) -> StepState:
        """Counters for the heartbeat."""
        host = self.host
        return StepState(
            id=self.step.id,
            trigger=self.step.kind == "trigger",
            host=host.state,
            pid=host.pid,
            restarts=host.restarts,
            received=self.received,
            emitted=self.emitted,
            failed=self.failed,
            waiting=self.waiting,
            oldest=self._line.oldest // 1000,
            times=dict(self._endings.times),
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
        key, first = int(tokens[5]), tokens[6] == b"1"
        complete = self._deliveries.came(key, pending=int(tokens[8]), first=first, session=self._bus.session)
        self._arrived(key, reply.decode(), data, int(tokens[7]) // 1000, "")
        if complete:
            self.trust()

    def due(self, subject: bytes, reply: bytes, data: bytes) -> None:
        """A delayed message's time has come."""
        if not self._active:
            return
        tokens = reply.split(b".")
        self._arrived(-int(tokens[5]), reply.decode(), data, int(tokens[7]) // 1000, subject.decode())

    def _arrived(self, key: int, reply: str, data: bytes, stored_us: int, due: str) -> None:
        try:
            held = self._line.arrived(key, reply, data, stored_us, due)
        except KeyError:
            self._acknowledge(reply, due)
        else:
            if held is not None:
                self.pump()

    def pump(self) -> None:
        """Take as many messages as host, concurrency and successors allow."""
        line = self._line
        while line.queue and self._may_take():
            self._take(line.next())

    def _may_take(self) -> bool:
        if not self._active or not self._deliveries.certain or self.host.state != "ready":
            return False
        if self._shut or self._pausing or self._reading or self._renewing or self._accused is not None:
            return False
        calls = self._calls
        limit = 1 if self._line.suspects else self._most if not calls.heavy else self.step.concurrency
        # A strict step knows only when a call is settled whether its message keeps its place.
        at_work = len(calls) if self._strict else calls.at_work
        if at_work >= limit or calls.settling >= UNCONFIRMED or self._emissions.outbox.crowded:
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
        try:
            held.message = message = envelope.decode(held.data)
        except msgspec.MsgspecError as error:
            self.log.platform("error", f"journal entry {held.key} is no message and is left out: {error}")
            self.release(held)
            return
        if not self._is_for_this(message):
            self.received += 1
            self._endings.skipped(Call(held, message, now_us() - held.stored_us))
            return
        complete = message
        if (message.passthrough or message.large is not None) and (missing := lacking(message)):
            if held.bodies is None:
                self._read(held, missing)
                return
            complete, held.bodies = whole(message, held.bodies), None
        self.received += 1
        call = Call(held, message, now_us() - held.stored_us)
        self.longest_wait = max(self.longest_wait, call.wait_us)
        try:
            mapped = self._mapper.apply(complete)
        except MappingError as error:
            self._endings.failed(call, Failure(name="MappingError", message=str(error), reason="mapping"))
            return
        call.map_us = mapped.us
        if mapped.body is None:
            self._endings.skipped(call)
            return
        self._open(call, complete, mapped.body)

    def _is_for_this(self, message: Message) -> bool:
        if message.to and message.to != self.step.id:
            return False
        return message.only is None or self.step.id in message.only

    def _read(self, held: Held, missing: list[Large]) -> None:
        """Put the message back in front until its large bodies are here."""
        self._line.back([held], suspect=False)
        self._reading = True
        self._shared.bodies.read(missing, partial(self._read_done, held))

    def _read_done(self, held: Held, result: dict[str, bytes] | HeadraceError) -> None:
        self._reading = False
        if self._line.held.get(held.key) is held and self._active:
            if not isinstance(result, HeadraceError):
                held.bodies = result
            elif held.message is not None:
                self._line.take_out(held)
                failure = Failure(name="BodyMissing", message=str(result), reason="body-missing")
                self._endings.failed(Call(held, held.message, now_us() - held.stored_us), failure)
        self.pump()

    def _open(self, call: Call, message: Message, body: bytes) -> None:
        """Hand the call to the host; ``message`` has all its bodies, unlike that of the call."""
        frame = frames.call_frame(
            self._calls.number(call),
            shape="process",
            execution=message.execution,
            attempt=message.attempt,
            msg=_for_host(message, body),
            cfg=self.config.raw,
            snapshot=self.snapshot.raw,
        )
        if len(frame) > frames.LARGEST:
            text = f"with what it carries along the input has {len(frame)} bytes; a host takes {frames.LARGEST}"
            self._endings.failed(call, Failure(name="TooLarge", message=text, reason="too-large"))
            return
        self._calls.add(call, self._loop.time(), heavy=len(frame) > HEAVY)
        self.host.send(frame)

    # -- what the host says ---------------------------------------------------------------------------------

    def host_ready(self, ready: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        self.hooks = ready.hooks
        self.pump()

    def host_gone(self) -> None:
        """Put the open messages back in front; those that were over their time have failed, unless another may be why.

        See `headrace.worker.host.Owner`.
        """
        self._renewing = False
        lost, late = self._calls.host_gone()
        if not self._active:
            self._line.let_go(call.held for call in lost)
            self._check_idle()
        elif lost:
            self._line.back([call.held for call in lost], suspect=not late)
            if len(lost) == 1 and not late:
                self._blame(lost[0])
        for call in late:
            self._calls.overran(call, self._loop.time())
            if not call.unconfirmed:
                self._settle(call)

    def _blame(self, call: Call) -> None:
        """It was alone in flight. Nothing is taken until that is durable, and the message keeps its place."""
        self._accused = call
        why = self.host.reason
        self._poison.count(call.message.id, lambda total: self._blamed(call, total, why))

    def _blamed(self, call: Call, total: int, why: str) -> None:
        if total >= LIMIT and call.unconfirmed:
            self._loop.call_later(AGAIN, self._blamed, call, total, why)  # its outputs stay
            return
        self._accused = None
        if total >= LIMIT and call.held.key in self._line.held:
            self._line.take_out(call.held)
            text = f"the message was alone in flight at {total} deaths of its host; the last one: {why}"
            failure = Failure(name="HostDied", message=text, reason="poison")
            self._endings.failed(call, failure)
        self.pump()

    def about(self, call: int) -> tuple[str, str]:
        """See `headrace.worker.host.Owner`."""
        found = self._calls.get(call)
        return ("", "") if found is None else (found.message.execution, found.message.id)

    def host_frame(self, frame: frames.Frame) -> None:
        """See `headrace.worker.host.Owner`."""
        self._calls.heard = self._loop.time()
        call = self._calls.get(frame.call)
        if frame.type == "emit":
            self._emissions.handle(call, frame)
        elif frame.type == "end" and call is not None and not call.ended:
            self._ended(call, frame)

    def _ended(self, call: Call, frame: frames.Frame) -> None:
        self._calls.ended(call, frame.us, self._loop.time())
        self._renew()
        if frame.error is not None:
            error = frame.error
            reason = "timeout" if call.cancelled else "exception"
            message = error.message if not call.cancelled else f"no end within {self.step.timeout:g} s"
            call.failure = Failure(name=error.name, message=message, stack=error.stack, reason=reason)
        if call.unconfirmed:
            self.pump()
        else:
            self._settle(call)

    # -- ending a message -----------------------------------------------------------------------------------

    def confirmed(self, call: Call) -> None:
        """See `headrace.worker.emissions.Owner`."""
        call.unconfirmed -= 1
        if call.ended and not call.unconfirmed:
            self._settle(call)

    def passed_on(self, stored: Stored) -> None:
        """See `headrace.worker.emissions.Owner`."""
        self.emitted += 1
        for successor in self.successors:
            successor.expect(stored.seq)

    def _settle(self, call: Call) -> None:
        self._calls.settled(call)
        if call.foreign:
            self.log.platform(
                "warn", "the journal takes no more outputs of this deployment; a message is left to the next"
            )
            self.let_go(call.held)
        elif call.failure is not None:
            self._endings.failed(call, call.failure)
        elif call.rebound:
            self._endings.rebound(call)
        else:
            self._endings.done(call)
        self.pump()

    def release(self, held: Held) -> None:
        """See `headrace.worker.endings.Owner`."""
        self._acknowledge(held.reply, held.due)
        self.finished += 1
        suspected = held.key in self._line.suspects
        self._line.released(held)
        if held.message is not None:
            self._poison.forget(held.message.id)
        if self._emissions.ids.known and not self._line.recovering:
            self._emissions.ids.known.clear()
        self._check_idle()
        self._relieve()
        if suspected:
            self.pump()

    def _acknowledge(self, reply: str, due: str) -> None:
        self._bus.publish(reply, b"+ACK")
        if due:
            self._shared.delays.forget(reply)

    def let_go(self, held: Held) -> None:
        """See `headrace.worker.endings.Owner`."""
        self._line.let_go([held])
        self._check_idle()

    def keep_place(self, call: Call, seconds: float) -> None:
        """See `headrace.worker.endings.Owner`."""
        again = msgspec.structs.replace(call.message, attempt=call.message.attempt + 1)
        call.held.data = envelope.encode(again)
        call.held.begin_attempt()
        if not self._active:
            self.let_go(call.held)
            return
        self._line.back([call.held], suspect=False)
        self._pausing = True
        self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pausing = False
        self.pump()

    def _check_idle(self) -> None:
        if not self._active and not self._line.held:
            self._idle.set()

    # -- clock ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Twice a second: cancel calls over their time, kill a host whose call ignores that."""
        stalled = self._emissions.outbox.stalled or not self._bus.connected
        cancel = self._calls.overdue(self._loop.time(), stalled=stalled)
        if cancel is None:
            self.host.reason = f"a call ran {self.step.timeout:g} s too long and ignored its cancellation"
            self.host.kill()
            return
        for call in cancel:
            self.host.send(b'{"type":"cancel","call":%d}\n' % call.number)

    def in_progress(self) -> None:
        """Every ten seconds: tell the broker that what is held here is being worked on."""
        for held in self._line.held.values():
            self._bus.publish(held.reply, b"+WPI", keep=False)


def _for_host(message: Message, body: bytes) -> bytes:
    """The ``msg`` of a ``call`` frame."""
    encode = msgspec.json.encode
    return b'{"id":"%b","body":%b,"headers":%b,"attachments":%b,"passthrough":%b%b}' % (
        message.id.encode(),
        body,
        encode(_headers(message)) if message.headers or message.reply_to else b"{}",
        encode(message.attachments) if message.attachments else b"{}",
        encode(message.passthrough) if message.passthrough else b"{}",
        b',"metadata":%b' % encode(message.metadata) if message.metadata else b"",
    )


def _headers(message: Message) -> dict[str, Any]:
    """With ``reply_to`` while a caller waits: components look whether it is there; its value means nothing to them."""
    headers = {name: value for name, value in message.headers.items() if name != "reply_to"}
    return headers if message.reply_to is None else {**headers, "reply_to": message.execution}
