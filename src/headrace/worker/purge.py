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
        self._everything = f"flow.{spec.flow_id}.>"
        self._last = 0.0

    async def measure(self) -> int:
        """The bytes the journal holds."""
        return (await journal.state(self._bus, self._spec.flow_id)).bytes

    async def run(self) -> int:
        """Purge when it is time or room is short; return the bytes the journal holds afterwards."""
        state = await journal.state(self._bus, self._spec.flow_id)
        if state.bytes > self._spec.journal_bytes * CROWDED:
            return await self._make_room(state)
        if time.monotonic() - self._last > EVERY:
            self._last = time.monotonic()
            entry = await self._bus.first_since(subjects.stream(self._spec.flow_id), self._everything, self._oldest())
            limits = await self._limits()
            if await self._below(limits, entry.seq if entry is not None else state.last + 1):
                return await self.measure()
        return state.bytes

    def _oldest(self) -> int:
        return int((time.time() - self._spec.journal_keep) * 1000)

    async def _make_room(self, state: journal.State) -> int:
        """Delete the oldest, step by step: where one message is held for long, all behind it may be gone already."""
        budget = self._spec.journal_bytes
        limits = await self._limits()
        low, size = state.first, state.bytes
        while size > budget * CROWDED and low <= state.last:
            low += max(int((state.last - low + 1) * (1 - AIM * budget / size)), 1)
            if await self._below(limits, low):
                size = await self.measure()
        return size

    async def _limits(self) -> dict[str, int]:
        """Each subject in the journal, with the sequence number below which its readers need nothing any more.

        What to delete is chosen before, or from what there was before, so what comes in meanwhile is safe.
        """
        state = await journal.state(self._bus, self._spec.flow_id, with_subjects=True)
        floors = await journal.floors(self._bus, self._spec.flow_id)
        return {
            subject: floors.get(subject, state.last) + 1 for subject in state.subjects if not subject.endswith(ERRORS)
        }

    async def _below(self, limits: dict[str, int], seq: int) -> int:
        """Delete what is below ``seq`` and not needed; how much that was."""
        purged = 0
        for subject, limit in limits.items():
            if min(seq, limit) > 1:
                purged += await journal.purge_below(self._bus, self._spec.flow_id, subject, min(seq, limit))
        return purged
