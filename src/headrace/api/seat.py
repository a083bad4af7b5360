"""The seat of a draft: whoever holds it edits, others look on and may take it.

Presence, not a lock: what keeps one edit from overwriting another is the draft's tag. So a seat is kept in memory only;
a server that starts anew gives it to whoever asks first. It is held for `HELD_FOR` after it was last asked for, and so
a browser that crashed leaves it by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from headrace.store.clock import now_ms

__all__ = ["HELD_FOR", "Seat", "Seats"]

HELD_FOR = 30.0
"""Seconds; browsers ask every ten."""


@dataclass(frozen=True, slots=True)
class Seat:
    """``holder`` is an id that a browser made up for one of its pages, ``author`` the name of its token."""

    holder: str
    author: str
    since: int
    """Milliseconds since the epoch."""
    until: float
    """On the clock of `Seats`."""


class Seats:
    """The seats of all drafts that somebody edits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seats: dict[str, Seat] = {}
        self._onlookers: dict[str, dict[str, tuple[str, float]]] = {}
        """Of each flow, author and deadline of each page that asked in vain."""

    def of(self, flow_id: str) -> Seat | None:
        """Whose it is; `None`: nobody's."""
        seat = self._seats.get(flow_id)
        if seat is not None and self._clock() >= seat.until:
            del self._seats[flow_id]
            return None
        return seat

    def ask(self, flow_id: str, holder: str, author: str, *, take: bool = False) -> Seat:
        """Have it, or have it longer, if it is free or one's own already, or with ``take``; whose it is then."""
        until = self._clock() + HELD_FOR
        seat = self.of(flow_id)
        if seat is not None and seat.holder == holder:
            seat = replace(seat, until=until)
        elif seat is None or take:
            seat = Seat(holder, author, now_ms(), until)
        self._seats[flow_id] = seat
        onlookers = self._onlookers.setdefault(flow_id, {})
        onlookers.pop(holder, None)
        if seat.holder != holder:
            onlookers[holder] = author, until
        return seat

    def onlookers(self, flow_id: str) -> tuple[str, ...]:
        """The authors of other pages that show the draft, by name, each once."""
        now = self._clock()
        there = {page: each for page, each in self._onlookers.pop(flow_id, {}).items() if now < each[1]}
        if there:
            self._onlookers[flow_id] = there
        return tuple(sorted({author for author, _ in there.values()}))

    def leave(self, flow_id: str, holder: str) -> bool:
        """Give it up, or look on no longer; False when it was neither."""
        looked = self._onlookers.get(flow_id, {}).pop(holder, None)
        seat = self.of(flow_id)
        if seat is None or seat.holder != holder:
            return looked is not None
        del self._seats[flow_id]
        return True
