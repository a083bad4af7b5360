"""Ids of what a step emits: the same work done twice gives the same id, so a repeat is recognised."""

from __future__ import annotations

import hashlib

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import derived_id

__all__ = ["OutputIds"]


class OutputIds:
    """Derives output ids, and knows those that an earlier worker of this deployment has stored already."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, step: str) -> None:
        self._bus = bus
        self._stream = subjects.stream(spec.flow_id)
        self._subject = subjects.output(spec.flow_id, spec.epoch, step)
        self._step = step
        self.known: set[str] = set()
        """Emptied when everything that earlier worker had in hand is dealt with."""

    def of(self, message_id: str, own: str | None, position: int, body: bytes) -> str:
        """Id of the output number ``position`` of a message, or of the output that brings the id ``own``."""
        if own is not None:
            return derived_id(message_id, self._step, "own", own)
        digest = hashlib.blake2b(body, digest_size=8).hexdigest()
        return derived_id(message_id, self._step, str(position), digest)

    async def recover(self, floor: int) -> None:
        """Read the ids of outputs stored after ``floor``, below which every input is acknowledged.

        The broker forgets message ids after its duplicate window; this covers a longer absence.
        """
        entries = self._bus.read(self._stream, self._subject, start_seq=floor + 1, headers_only=True)
        async for entry in entries:
            known = entry.headers.get("Nats-Msg-Id")
            if known:
                self.known.add(known)
