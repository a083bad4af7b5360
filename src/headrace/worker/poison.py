"""Messages that kill their host: counted durably, so that the third time is the last.

Only a message that was alone in flight when the host died is to blame; `headrace.worker.step` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus, Stored
from headrace.errors import HeadraceError

__all__ = ["LIMIT", "Poison"]

LIMIT = 3
"""Hosts a message may kill before it is an error."""


class Poison:
    """The counts of one step."""

    def __init__(self, bus: Bus, flow_id: str, step: str) -> None:
        self._bucket = Bucket(bus, subjects.POISON)
        self._prefix = f"{flow_id}.{step}."
        self._counts: dict[str, int] = {}

    async def load(self) -> None:
        """Read the counts of an earlier worker."""
        for key in await self._bucket.keys(self._prefix):
            value = await self._bucket.get(key)
            if value is not None and value.data is not None:
                self._counts[key.removeprefix(self._prefix)] = int(value.data)

    def count(self, message_id: str, then: Callable[[int], None]) -> None:
        """Count one more death; call ``then`` with the sum once it is durable (or cannot be made so)."""
        total = self._counts.get(message_id, 0) + 1
        self._counts[message_id] = total

        def stored(result: Stored | HeadraceError) -> None:
            then(total)

        self._bucket.put_nowait(self._prefix + message_id, b"%d" % total, stored)

    def forget(self, message_id: str) -> None:
        """The message is dealt with."""
        if self._counts and self._counts.pop(message_id, None) is not None:
            self._bucket.forget_nowait(self._prefix + message_id)
