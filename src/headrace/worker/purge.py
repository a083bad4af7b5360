"""Keeping the journal within its time and its budget: only ever what every reader has acknowledged is deleted."""

from __future__ import annotations

import time

from headrace.bus import journal, subjects
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec

__all__ = ["Purge"]

EVERY = 30.0
"""Seconds between purges by age."""
CROWDED, AIM = 0.6, 0.4
"""Above the first share of the budget, the oldest acknowledged messages go, down to about the second."""


class Purge:
    """The journal of one flow, seen by the worker that holds its lease."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._spec = spec
        self._stream = subjects.stream(spec.flow_id)
        self._last = 0.0

    async def run(self) -> int:
        """Purge when it is time or room is short; return the bytes the journal holds."""
        state = (await self._bus.api(f"STREAM.INFO.{self._stream}"))["state"]
        size, first, last = int(state["bytes"]), int(state["first_seq"]), int(state["last_seq"])
        budget = self._spec.journal_bytes
        now = time.monotonic()
        if size > budget * CROWDED:
            await self._below(first + int((last - first + 1) * (1 - AIM * budget / size)))
        elif now - self._last > EVERY:
            self._last = now
            await self._older_than(self._spec.journal_keep)
        return size

    async def _older_than(self, seconds: float) -> None:
        moment = int((time.time() - seconds) * 1000)
        entry = await self._bus.first_since(self._stream, f"flow.{self._spec.flow_id}.>", moment)
        if entry is not None:
            await self._below(entry.seq)

    async def _below(self, seq: int) -> None:
        """Delete, per subject, what is below ``seq`` and below the floors of all who read it."""
        for subject, floor in (await self._floors()).items():
            limit = min(seq, floor + 1)
            if limit > 1:
                await journal.purge_below(self._bus, self._spec.flow_id, subject, limit)

    async def _floors(self) -> dict[str, int]:
        """The lowest acknowledged sequence number of each subject's readers; outputs nobody reads have no limit."""
        spec = self._spec
        last = 1 << 62
        floors = {subjects.output(spec.flow_id, spec.epoch, step.id): last for step in spec.steps}
        for step in spec.steps:
            if not journal.reads_messages(step):
                continue
            depth = await journal.depth(self._bus, spec.flow_id, spec.epoch, step.id)
            floor = depth.floor if depth.total else last
            for subject in journal.inputs(spec, step):
                floors[subject] = min(floors.get(subject, last), floor)
        return floors
