"""What the journal still has for a step, and whether all that it has handed out came in.

After a lost connection nobody knows what was on its way. The broker is asked to hand it out again (rewind); until that
is through, what is here is *uncertain*: something that belongs before it may be missing.

    certain ──connection lost──▶ uncertain ──the first message comes again──▶ rewound ──all of them have──▶ certain
"""

from __future__ import annotations

from headrace.bus.journal import Left

__all__ = ["Deliveries"]


class Deliveries:
    """The part of a step's messages that has not come in. ``session`` is the number of the connection to the broker."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._rewound = False
        self._pending = self._stored = self._newest = 0
        self.certain = True
        """Nothing that was on its way when the connection was lost is missing."""

    def take_up(self, left: Left, session: int) -> None:
        """Begin where an earlier worker ended."""
        self._pending, self._stored, self._newest = left.depth.total, 0, left.depth.floor
        self._session, self.certain = session, True

    @property
    def awaited(self) -> int:
        """Messages still to come, as far as is known."""
        return self._pending + self._stored

    def expect(self, seq: int) -> None:
        """A message was stored under ``seq`` and will come, if it has not yet."""
        if seq > self._newest:
            self._stored += 1

    def doubt(self, session: int) -> None:
        """The connection was lost; ``session`` is the new one."""
        self._session, self.certain, self._rewound = session, False, False

    def came(self, seq: int, *, pending: int, first: bool, session: int) -> bool:
        """A message came in, for the ``first`` time by the broker's count since the rewind, and ``pending`` follow.

        True when, while uncertain, all that had been handed out has come again with it.
        """
        if session != self._session:
            self.doubt(session)
        before, self._newest = self._newest, max(seq, self._newest)
        self._pending, self._stored = pending, 0
        if self.certain:
            return False
        self._rewound = self._rewound or first
        return self._rewound and (seq >= before or pending == 0)
