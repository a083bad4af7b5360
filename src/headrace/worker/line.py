"""The messages a step has been handed and has not acknowledged: those in the queue, in order, and those at work.

arrived ──▶ queue ──next──▶ at work ──released──▶ acknowledged, remembered
              ▲                │
              └─────back───────┘  its host died, or it keeps its place while it is tried again
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from headrace.bus.journal import Left
from headrace.worker.call import Held

__all__ = ["Line"]

REMEMBERED = 4_096
"""Acknowledged messages, at least, that are recognised when the broker hands them out again."""
PRUNE_EVERY = 1_024
MOST_REMEMBERED = 100_000


class Line:
    """The line of one step."""

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self.queue: deque[Held] = deque()
        self.suspects: set[int] = set()
        """Keys of messages that were open when a host died: they are tried one at a time."""
        self._released: dict[int, None] = {}
        self._left: Left | None = None
        self._unfinished = 0
        self._highest = 0

    def take_up(self, left: Left) -> None:
        """Begin where an earlier worker ended."""
        self.held.clear()
        self.queue.clear()
        self.suspects.clear()
        self._released.clear()
        self._left = left
        self._unfinished = left.depth.held
        self._highest = 0

    @property
    def oldest(self) -> int:
        """When the oldest message here was stored, microseconds since the epoch; 0 when there is none."""
        return min((held.stored_us for held in self.held.values()), default=0)

    @property
    def recovering(self) -> bool:
        """Whether messages that were handed out before `take_up` are still to be dealt with."""
        return self._unfinished > 0

    def arrived(self, key: int, reply: str, data: bytes, stored_us: int, due: str = "") -> Held | None:
        """Queue a message that was handed out; `None` for one that is here already.

        Raises `KeyError` for one that is dealt with: its acknowledgement was lost on the way, or the broker, asked to
        begin again behind the last of an unbroken row of acknowledgements, hands out those further on too.
        """
        known = self.held.get(key)
        if known is not None:
            known.reply = reply
            return None
        if key in self._released or (key > 0 and self._left is not None and self._left.acknowledged(key)):
            raise KeyError(key)
        held = self.held[key] = Held(key, reply, data, stored_us, due)
        self.queue.append(held)
        if key > self._highest:
            self._highest = key
        elif key > 0:
            self._to_its_place(held)
        return held

    def _to_its_place(self, held: Held) -> None:
        """It got lost on its way, and later ones were faster."""
        del self.queue[-1]
        place = len(self.queue)
        while place and not 0 < self.queue[place - 1].key < held.key:
            place -= 1
        self.queue.insert(place, held)

    def next(self) -> Held:
        """Take the first message out of the queue."""
        return self.queue.popleft()

    def back(self, messages: Collection[Held], *, suspect: bool) -> None:
        """Put messages back in front, in their order."""
        self.queue.extendleft(reversed(list(messages)))
        if suspect:
            self.suspects.update(held.key for held in messages)

    def take_out(self, held: Held) -> None:
        """Remove a message from the queue; it stays held."""
        self.queue.remove(held)

    def released(self, held: Held) -> None:
        """The message is acknowledged."""
        self._gone(held)
        self._released[held.key] = None
        if self._left is not None and 0 < held.key <= self._left.depth.delivered:
            self._unfinished -= 1
        if len(self._released) >= REMEMBERED + PRUNE_EVERY:
            self._prune()

    def let_go(self, messages: Iterable[Held]) -> None:
        """Leave messages to whoever comes next; they are handed out again."""
        for held in messages:
            self._gone(held)

    def let_queue_go(self) -> None:
        """Leave everything that is not at work."""
        self.let_go(self.queue)
        self.queue.clear()

    def _gone(self, held: Held) -> None:
        self.held.pop(held.key, None)
        self.suspects.discard(held.key)

    def _prune(self) -> None:
        """Forget what the broker cannot hand out any more: below the oldest message here all is acknowledged.

        Of what is below some is kept, as a broker that was killed has forgotten the last acknowledgements.
        """
        lowest = min((key for key in self.held if key > 0), default=1 << 62)
        recent = len(self._released) - REMEMBERED
        kept = [key for number, key in enumerate(self._released) if number >= recent or key > lowest]
        self._released = dict.fromkeys(kept[-MOST_REMEMBERED:])
