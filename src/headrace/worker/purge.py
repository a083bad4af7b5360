"""Keeping the journal within its time and its budget: only ever what every reader has acknowledged is deleted.

Readers are those of all deployments that have messages left, wherever a worker of theirs runs or not.
"""

from __future__ import annotations

import time

from headrace.bus import journal, subjects
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec
from headrace.worker.room import CROWDED

__all__ = ["Purge"]

EVERY = 30.0
"""Seconds between purges by age."""
AIM = 0.4
"""Above `CROWDED` of the budget, the oldest acknowledged messages go, down to about this share."""
ERRORS = ".errors"
"""Ending of subjects that the recorder purges, when it has recorded what they hold."""


class Purge:
    """The journal of one flow, seen by the worker that holds its lease."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._spec = spec
        self._last = 0.0

    async def measure(self) -> int:
        """The bytes the journal holds."""
        return (await journal.state(self._bus, self._spec.flow_id)).bytes

    async def run(self) -> int:
        """Purge when it is time or room is short; return the bytes the journal holds afterwards."""
        state = await journal.state(self._bus, self._spec.flow_id)
        budget = self._spec.journal_bytes
        purged = 0
        if state.bytes > budget * CROWDED:
            share = 1 - AIM * budget / state.bytes
            purged = await self._below(state.first + int((state.last - state.first + 1) * share))
        elif time.monotonic() - self._last > EVERY:
            self._last = time.monotonic()
            purged = await self._older_than(self._spec.journal_keep, state.last)
        return await self.measure() if purged else state.bytes

    async def _older_than(self, seconds: float, last: int) -> int:
        moment = int((time.time() - seconds) * 1000)
        subject = f"flow.{self._spec.flow_id}.>"
        entry = await self._bus.first_since(subjects.stream(self._spec.flow_id), subject, moment)
        return await self._below(entry.seq if entry is not None else last + 1)

    async def _below(self, seq: int) -> int:
        """Delete, per subject, what is below ``seq`` and not above the floors of any who read it; how much that was.

        ``seq`` was chosen before the floors are read, so what comes in meanwhile is above it.
        """
        state = await journal.state(self._bus, self._spec.flow_id, with_subjects=True)
        floors = await journal.floors(self._bus, self._spec.flow_id)
        purged = 0
        for subject in state.subjects:
            limit = min(seq, floors.get(subject, seq) + 1)
            if limit > 1 and not subject.endswith(ERRORS):
                purged += await journal.purge_below(self._bus, self._spec.flow_id, subject, limit)
        return purged
