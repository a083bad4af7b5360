"""The calls that the host of a step has, from the frame that asks for them until what they caused is confirmed.

ahead ──a place is free──▶ running ──end──▶ settling ──outputs confirmed──▶ settled
  └───────host gone───────────┴──▶ lost (tried again), or late (over its time: failed)
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.bus.message import Failure
from headrace.worker.call import Call

__all__ = ["Calls"]

CANCEL_GRACE = 5.0
"""Seconds a cancelled call has before its host is killed."""


class Calls:
    """The calls of one step. Times are those of the event loop, in seconds."""

    def __init__(self, concurrency: int, timeout: float) -> None:
        self._concurrency = concurrency
        self._timeout = timeout
        self._open: dict[int, Call] = {}
        self._number = self._running = 0
        self._looked: float | None = None
        self.settling = 0
        """Calls that have ended and whose outputs are not confirmed."""
        self.heavy = 0
        """Calls for which the host holds a large body."""
        self.heard = 0.0
        """When the host said its last word about a call."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._open.values())

    @property
    def at_work(self) -> int:
        """Calls that have not ended."""
        return len(self._open) - self.settling

    def get(self, number: int) -> Call | None:
        """The call of that number, until it is settled."""
        return self._open.get(number)

    def number(self, call: Call) -> int:
        """Give the call its number."""
        self._number += 1
        call.number = self._number
        return call.number

    def add(self, call: Call, now: float, *, heavy: bool) -> None:
        """The call is handed to the host."""
        call.heavy = heavy
        self.heavy += heavy
        self._open[call.number] = call
        if self._running < self._concurrency:
            self._started(call, now)

    def _started(self, call: Call, now: float) -> None:
        self._running += 1
        call.started = now

    def ended(self, call: Call, us: int, now: float) -> None:
        """The host says that the call has ended, after ``us`` microseconds: another one may have its place."""
        call.ended = True
        call.us = us
        self.settling += 1
        if call.started:
            self._running -= 1
        for each in self._open.values():
            if self._running >= self._concurrency:
                return
            if not each.ended and not each.started:
                self._started(each, now)

    def settled(self, call: Call) -> None:
        """All that the call caused is confirmed."""
        del self._open[call.number]
        self.heavy -= call.heavy
        self.settling -= 1

    # -- the host and its clock -----------------------------------------------------------------------------

    def host_gone(self) -> tuple[list[Call], list[Call]]:
        """The calls that are lost with their host, and those that are late: over their time, and to blame for it.

        The lost ones are dropped from here.
        """
        open_ = [call for call in self if not call.ended]
        late = [] if self._was_silent(open_) else [call for call in open_ if call.cancelled]
        lost = [call for call in open_ if call not in late]
        for call in lost:
            call.dropped = True
            call.held.most = max(call.held.most, call.outputs)
            del self._open[call.number]
        self._running = 0
        self.heavy = sum(call.heavy for call in self)
        return lost, late

    def _was_silent(self, open_: list[Call]) -> bool:
        """Whether the host has said nothing since a call was over its time, and worked on others beside it.

        Then one of them, nobody knows which, held its event loop: they are tried one at a time.
        """
        begun = [call for call in open_ if call.started]
        over = [call.started + self._timeout for call in begun if call.cancelled]
        return len(begun) > 1 and bool(over) and self.heard < min(over)

    def overran(self, call: Call, now: float) -> None:
        """A late call has failed."""
        call.ended = call.dropped = True
        call.us = int((now - call.started) * 1e6)
        self.settling += 1
        text = f"no end within {self._timeout:g} s; the cancellation was not heeded, so the host was ended"
        call.failure = Failure(name="TimeoutError", message=text, reason="timeout")

    def overdue(self, now: float, *, stalled: bool) -> list[Call] | None:
        """The calls to cancel; `None` when one has ignored that for so long that the host has to be killed.

        To be asked again and again. ``stalled``: the journal takes nothing, so a call that emits waits for it, which
        is not counted.
        """
        passed = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        cancel = []
        for call in self:
            if call.ended or not call.started:
                continue
            if stalled and call.unconfirmed:
                call.started += passed
                continue
            over = now - call.started - self._timeout
            if over > CANCEL_GRACE:
                return None
            if over > 0 and not call.cancelled:
                call.cancelled = True
                cancel.append(call)
        return cancel
