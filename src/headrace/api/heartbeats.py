"""What workers last said of themselves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec

from headrace.api.figures import Figures
from headrace.bus.client import Bus
from headrace.bus.control import WorkerState, decode_state

__all__ = ["Heartbeats"]

SILENT_AFTER = 5.0
"""Seconds after which a worker that says nothing no longer counts."""
FORGET_AFTER = 60.0


class Heartbeats:
    """The latest state of each worker. `start` listens; the undo it returns stops."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[tuple[str, int], tuple[WorkerState, float]] = {}
        self.figures = Figures(clock)

    async def start(self, bus: Bus) -> Callable[[], Awaitable[None]]:
        """Listen to all workers."""
        return await bus.subscribe("worker.*.*.state", self._on_state)

    async def _on_state(self, subject: str, data: bytes, reply: str) -> None:
        try:
            self.note(decode_state(data))
        except msgspec.DecodeError:
            return  # a worker of another version; it shows as silent

    def note(self, state: WorkerState) -> None:
        """Take ``state`` as the latest of its worker."""
        now = self._clock()
        self._states[state.flow_id, state.epoch] = (state, now)
        self.figures.note(state)
        silent = [key for key, (_, heard) in self._states.items() if now - heard > FORGET_AFTER]
        for key in silent:
            del self._states[key]
        if silent:
            self.figures.forget(set(self._states))

    def of(self, flow_id: str, epoch: int) -> WorkerState | None:
        """The state of the worker of that deployment; `None` when it is silent."""
        state, heard = self._states.get((flow_id, epoch), (None, 0.0))
        return state if self._clock() - heard <= SILENT_AFTER else None

    def all(self) -> list[WorkerState]:
        """The states of all workers that are not silent."""
        now = self._clock()
        return [state for state, heard in self._states.values() if now - heard <= SILENT_AFTER]
