"""How full the journal and the object store are: measured now and then, reckoned on by what is stored in between."""

from __future__ import annotations

import asyncio

__all__ = ["Room"]

EVENTS = 0.7
"""Share of the budget that new events may fill; the rest lets what is inside drain."""
CROWDED = 0.6
"""Share above which acknowledged messages are deleted before their time."""
TIGHT = 0.9
"""Share above which outputs go one by one, so that no small one passes a large one that found no room."""
OVERHEAD = 100
"""Bytes of a stored message beside its envelope: subject, id, the journal's own."""


class Room:
    """The room of one flow's journal, of at most ``budget`` bytes, and of its objects."""

    def __init__(self, budget: int, objects: int) -> None:
        self._budget = budget
        self._object_budget = objects
        self.objects = 0
        """Bytes that the flow's objects take, as far as is known."""
        self.used = 0
        """Bytes in the journal, as far as is known."""
        self.short = asyncio.Event()
        """Set while it is crowded."""

    def taken(self, size: int) -> None:
        """A message of ``size`` bytes was stored."""
        self.measured(self.used + size + OVERHEAD)

    def measured(self, used: int) -> None:
        """The journal holds ``used`` bytes."""
        self.used = used
        if used > self._budget * CROWDED:
            self.short.set()
        elif self.short.is_set():
            self.short.clear()

    @property
    def for_events(self) -> bool:
        """Whether new events may come in."""
        return self.used < self._budget * EVENTS and self.objects < self._object_budget * EVENTS

    @property
    def tight(self) -> bool:
        """Whether a message may find no room."""
        return self.used > self._budget * TIGHT
