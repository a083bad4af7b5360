"""What a step or a trigger emits, on its way to the journal: in order, and never more of it in memory than is bearable.

Full journals and brokers that are away are waited out here and in `headrace.bus.stores`; meanwhile the host is not
read any further, so its emissions wait on its side.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from headrace.bus.client import Bus, Done, Stored
from headrace.bus.large import Body
from headrace.bus.objects import MARK, reference_headers
from headrace.errors import HeadraceError
from headrace.worker.bodies import Bodies
from headrace.worker.room import Room

__all__ = ["Outbox"]

MOST_MESSAGES = 1_000
MOST_BYTES = 8 * 1024 * 1024
STALLED_AFTER = 1.0
"""Seconds without any confirmation after which the journal, not the component, is what takes so long."""


class _Sent:
    """A message on its way; called with what became of it."""

    __slots__ = ("_done", "_outbox", "bodies", "data", "msg_id", "size")

    def __init__(self, outbox: Outbox, data: bytes, msg_id: str, done: Done, bodies: Sequence[Body]) -> None:
        self._outbox = outbox
        self._done = done
        self.bodies = bodies
        self.data = data
        self.msg_id = msg_id
        self.size = len(data)
        if bodies:
            self.size += sum(len(memoryview(body.data)) for body in bodies)

    def __call__(self, result: Stored | HeadraceError) -> None:
        self._outbox.confirmed(self, result)
        self._done(result)


class Outbox:
    """The emissions of one step. ``hold(True)`` is called when there are too many, ``hold(False)`` when fewer."""

    def __init__(self, bus: Bus, room: Room, bodies: Bodies, subject: str, hold: Callable[[bool], None]) -> None:
        self._bus = bus
        self._room = room
        self._large = bodies
        self._uploading = False
        """Bodies of the first in the queue are on their way to the object store."""
        self._subject = subject
        self._hold = hold
        self._holding = False
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Sent] = deque()
        self._flying = 0
        self._bytes = 0
        self._progress = 0.0

    def store(self, data: bytes, msg_id: str, done: Done, bodies: Sequence[Body] = ()) -> None:
        """Store an emission, after the ``bodies`` it refers to; ``done`` is called once, after those stored before."""
        sent = _Sent(self, data, msg_id, done, bodies)
        if not self._flying:
            self._progress = self._loop.time()
        self._bytes += sent.size
        if self._queue or bodies or (self._flying and self._room.tight):
            self._queue.append(sent)
            self._advance()
        else:
            self._send(sent)
        if self.crowded:
            self._holding = True
            self._hold(True)

    def _send(self, sent: _Sent) -> None:
        self._flying += 1
        headers = reference_headers(sent.data) if MARK in sent.data else None
        self._bus.store_nowait(self._subject, sent.data, sent, msg_id=sent.msg_id, headers=headers, wait=True)

    def _advance(self) -> None:
        """Send from the queue what may go now."""
        while self._queue and not self._uploading and not (self._flying and self._room.tight):
            first = self._queue[0]
            if first.bodies:
                self._uploading = True
                self._large.store(first.bodies, partial(self._uploaded, first))
            else:
                self._send(self._queue.popleft())

    def _uploaded(self, sent: _Sent, error: HeadraceError | None) -> None:
        self._uploading = False
        sent.bodies = ()
        if error is not None:
            self._queue.popleft()
            self._flying += 1
            sent(error)
        else:
            self._progress = self._loop.time()
            self._advance()

    def confirmed(self, sent: _Sent, result: Stored | HeadraceError) -> None:
        """One of ours has its answer."""
        self._flying -= 1
        self._bytes -= sent.size
        self._progress = self._loop.time()
        if isinstance(result, Stored) and not result.duplicate:
            self._room.taken(len(sent.data))
        if self._queue:
            self._advance()
        if self._holding and self.pending <= MOST_MESSAGES // 2 and self._bytes <= MOST_BYTES // 2:
            self._holding = False
            self._hold(False)

    @property
    def pending(self) -> int:
        """Emissions without confirmation."""
        return self._flying + len(self._queue)

    @property
    def crowded(self) -> bool:
        """Whether no more should come in for now."""
        return self.pending >= MOST_MESSAGES or self._bytes >= MOST_BYTES

    @property
    def stalled(self) -> bool:
        """Whether the journal takes nothing now: calls that wait for it are not to blame."""
        return self.pending > 0 and self._loop.time() - self._progress > STALLED_AFTER
