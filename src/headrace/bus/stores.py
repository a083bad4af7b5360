"""Messages on their way into streams: sent, acknowledged, sent again; never one past another of the same subject.

    waiting ──sent──▶ in flight ──acknowledged──▶ done
       ▲                  │
       └── no stream takes it yet, no room, the broker was away

One inbox takes all acknowledgements: there is no task, future or subscription per message. What cannot be stored now
shuts the *gate* of its subject: all that is for the subject waits behind it, the oldest is tried alone now and then,
and the rest follows in order once that went through. When room is short they go one by one, as a smaller message would
fit where the one before it did not.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from headrace.errors import HeadraceError, NotFound, Refused, Unavailable

__all__ = ["Done", "JournalFull", "Stored", "Stores", "failure"]

RESEND_AFTER = 5.0
"""Seconds without acknowledgement after which a message with an id is sent again."""
REFUSED_RETRIES = 8
"""A broker that has just restarted has no stream for a moment; a fenced subject never has one again."""
DOUBTED_FOR = 10.0
"""Seconds after a reconnection in which of each subject one message goes first and alone, in case its stream still has
to come up: of several on their way some might be too early and the others not."""
FULL_PAUSE = 0.5
"""Longest pause, in seconds, before a message that found no room is tried again."""


class Stored(NamedTuple):
    """The journal has the message."""

    seq: int
    duplicate: bool


Done = Callable[[Stored | HeadraceError], None]


class JournalFull(Unavailable):
    """The stream's byte budget is used up: nothing was stored; try again when it has drained."""

    def __init__(self, message: str = "") -> None:
        super().__init__("journal-full", message)


class _Ack(msgspec.Struct):
    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


class _Pending:
    """A message without final answer yet. ``safe``: it has an id, so sending it twice stores it once."""

    __slots__ = ("command", "done", "number", "patient", "safe", "sent", "since", "subject", "wait")

    def __init__(
        self, number: int, subject: str, command: bytes, done: Done, *, safe: bool, patient: bool, wait: bool
    ) -> None:
        self.number = number
        self.subject = subject
        self.command = command
        self.done = done
        self.safe = safe
        self.patient = patient
        self.wait = wait
        self.sent = False
        self.since = 0.0


class _Gate:
    """A subject that takes nothing right now."""

    __slots__ = ("probe", "queue", "serial", "timer", "tries")

    def __init__(self) -> None:
        self.queue: list[tuple[int, _Pending]] = []
        """A heap: answers to what was in flight when the gate was shut come in after newer messages."""
        self.probe: _Pending | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.tries = 0
        self.serial = False
        """Room is short: the others follow one by one."""

    def push(self, pending: _Pending) -> None:
        pending.sent = False
        heapq.heappush(self.queue, (pending.number, pending))

    def pop(self) -> _Pending:
        return heapq.heappop(self.queue)[1]


_decode_ack = msgspec.json.Decoder(_Ack).decode


class Stores:
    """The messages of one connection. ``send`` hands a command to it; ``inbox`` is where acknowledgements come in."""

    def __init__(self, send: Callable[[bytes], None], inbox: bytes) -> None:
        self._send = send
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[bytes, _Pending] = {}
        self._gates: dict[str, _Gate] = {}
        self._next = 0
        self._away = False
        self._closed = False
        self._trusted: set[str] | None = None
        """Subjects whose stream has been there since the last reconnection; `None` when that is long ago."""
        self._back_at = 0.0

    def put(
        self, subject: str, block: bytes, data: bytes, done: Done, *, safe: bool, patient: bool, wait: bool
    ) -> None:
        """Store ``data`` with header ``block``; see `headrace.bus.client.Bus.store_nowait`."""
        if self._closed:
            self._loop.call_soon(done, _closed())
            return
        self._next = number = self._next + 1
        token = b"%x" % number
        command = b"HPUB %b %b%b %d %d\r\n%b%b\r\n" % (
            subject.encode(),
            self._inbox,
            token,
            len(block),
            len(block) + len(data),
            block,
            data,
        )
        self._waiting[token] = pending = _Pending(number, subject, command, done, safe=safe, patient=patient, wait=wait)
        if self._away:
            return
        if patient and (self._gates or self._trusted is not None) and self._stands_behind(pending):
            return
        self._go(pending)

    def _stands_behind(self, pending: _Pending) -> bool:
        """Whether the message has to wait; the first of a doubted subject has not, but those after it."""
        gate = self._gates.get(pending.subject)
        if gate is not None:
            gate.push(pending)
        elif self._trusted is not None and pending.subject not in self._trusted:
            gate = self._gates[pending.subject] = _Gate()
            gate.probe = pending
            return False
        return gate is not None

    def _go(self, pending: _Pending) -> None:
        pending.sent = True
        pending.since = self._loop.time()
        self._send(pending.command)

    # -- answers --------------------------------------------------------------------------------------------

    def answer(self, token: bytes, data: bytes) -> None:
        """An acknowledgement came in; without ``data`` it says that no stream listens."""
        pending = self._waiting.get(token)
        if pending is None or not pending.sent:
            return  # of a message that was sent twice
        result = _result(data)
        if isinstance(result, HeadraceError) and self._shut(pending, result):
            return
        del self._waiting[token]
        if self._gates:
            self._passed(pending, isinstance(result, Stored))
        pending.done(result)

    def _shut(self, pending: _Pending, error: HeadraceError) -> bool:
        """Keep what was not stored for another try, and all after it; `False` when there is to be none."""
        full = isinstance(error, Unavailable)
        if not (pending.wait if full else error.reason == "subject-refused" and pending.patient):
            return False
        gate = self._gates.get(pending.subject)
        if gate is None:
            gate = self._gates[pending.subject] = _Gate()
        gate.serial = gate.serial or full
        gate.push(pending)
        if gate.probe is not None and gate.probe is not pending:
            return True
        gate.probe = None
        if gate.timer is None:
            gate.tries += 1
            if not full and gate.tries > REFUSED_RETRIES:
                self._give_up(pending.subject, gate)
            else:
                pause = min(0.02 * 2**gate.tries, FULL_PAUSE) if full else 0.02 * 2**gate.tries
                gate.timer = self._loop.call_later(pause, self._try, pending.subject)
        return True

    def _try(self, subject: str) -> None:
        """Send the oldest message of a shut subject."""
        gate = self._gates[subject]
        gate.timer = None
        gate.probe = gate.pop()
        self._go(gate.probe)

    def _passed(self, pending: _Pending, stored: bool) -> None:
        """A probe has its final answer: the next one goes, or all."""
        gate = self._gates.get(pending.subject)
        if gate is None or gate.probe is not pending:
            return
        gate.probe = None
        gate.tries = 0
        if stored and self._trusted is not None:
            self._trusted.add(pending.subject)
        if gate.queue and (gate.serial or not stored):
            self._try(pending.subject)
            return
        del self._gates[pending.subject]
        while gate.queue:
            self._go(gate.pop())

    def _give_up(self, subject: str, gate: _Gate) -> None:
        del self._gates[subject]
        while gate.queue:
            pending = gate.pop()
            del self._waiting[b"%x" % pending.number]
            pending.done(_no_stream())

    # -- the connection -------------------------------------------------------------------------------------

    def away(self) -> None:
        """The broker cannot be reached: nothing is sent until `back`."""
        self._away = True
        for gate in self._gates.values():
            if gate.timer is not None:
                gate.timer.cancel()
        self._gates.clear()

    def back(self) -> None:
        """The broker is there again: what has no answer is sent again, of each subject the oldest first and alone.

        What was sent without an id may be stored already, and its answer is lost: that ends in `Unavailable`.
        """
        self._away = False
        self._trusted, self._back_at = set(), self._loop.time()
        lost = [token for token, pending in self._waiting.items() if pending.sent and not pending.safe]
        unsure = [self._waiting.pop(token) for token in lost]
        for pending in self._waiting.values():
            if not pending.patient:
                self._go(pending)
                continue
            gate = self._gates.get(pending.subject)
            if gate is None:
                gate = self._gates[pending.subject] = _Gate()
            gate.push(pending)
        for subject in self._gates:
            self._try(subject)
        for pending in unsure:
            pending.done(_no_answer())

    def sweep(self) -> None:
        """Once a second while connected: what was not answered in time is sent again, or ended."""
        if self._loop.time() - self._back_at > DOUBTED_FOR:
            self._trusted = None
        late = self._loop.time() - RESEND_AFTER
        for token, pending in list(self._waiting.items()):
            if not pending.sent or pending.since > late:
                continue
            if pending.safe:
                self._go(pending)
            else:
                del self._waiting[token]
                self._passed(pending, stored=False)
                pending.done(_no_answer())

    def close(self) -> None:
        """End whatever waits with ``bus-closed``, now and later."""
        self._closed = True
        self.away()
        waiting, self._waiting = self._waiting, {}
        for pending in waiting.values():
            pending.done(_closed())


def _no_answer() -> Unavailable:
    return Unavailable("no-answer", "the broker did not acknowledge in time")


def _closed() -> Unavailable:
    return Unavailable("bus-closed", "the connection to the broker was closed")


def _no_stream() -> Refused:
    return Refused("subject-refused", "no stream takes this subject any more")


def _result(data: bytes) -> Stored | HeadraceError:
    if not data:
        return _no_stream()
    ack = _decode_ack(data)
    return failure(ack.error) if ack.error else Stored(ack.seq, ack.duplicate)


def failure(error: dict[str, Any]) -> HeadraceError:
    """A JetStream API error as one of our own. `Unavailable`: it may pass."""
    number, text = error.get("err_code"), str(error.get("description", "refused"))
    if number == 10077 or "maximum bytes" in text or "maximum messages" in text:
        return JournalFull(text)
    if number in (10023, 10028, 10047):
        return Unavailable("store-full", f"the broker has no room left: {text}")
    if number == 10071:
        return Refused("wrong-last-sequence", text)
    if error.get("code") == 404:
        return NotFound("not-in-broker", text)
    if error.get("code") in (429, 503):
        return Unavailable("broker-busy", text)
    return Refused("broker-refused", text)
