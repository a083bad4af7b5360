"""Ids of what a step emits: the same work done twice gives the same id, so a repeat is recognised."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import msgspec

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import derived_id
from headrace.worker.frames import Frame

__all__ = ["OutputIds", "Outputs"]

BY_CHANCE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1467][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.I)
"""UUIDs of the versions that are made of time or chance (RFC 9562): made anew, they are others."""


class Outputs:
    """What one call has emitted. Of those that bring the same id it is one and the same."""

    __slots__ = ("_alike", "_ids", "_kept", "_message_id", "_named", "_position")

    def __init__(self, ids: OutputIds, message_id: str) -> None:
        self._ids = ids
        self._message_id = message_id
        self._position = 0
        self._named: dict[str, str] | None = None
        self._kept: set[str] = set()
        self._alike: Counter[str] | None = None

    def add(self, frame: Frame) -> str:
        """Id of the output in ``frame``; one that is refused takes a place, too."""
        position, self._position = self._position, self._position + 1
        if frame.id is None:
            return self._ids.of(self._message_id, str(position), _digest(bytes(frame.body)))
        own = str(frame.id)
        if self._named is None:
            self._named = {}
        if own not in self._named:
            by_name = BY_CHANCE.fullmatch(own) is None
            self._named[own] = self._ids.of(self._message_id, "own", own) if by_name else self._by_content(frame)
        return self._named[own]

    def keep(self, frame: Frame, output_id: str) -> bool:
        """Note that the output is to be stored; False when one that brought the same id was noted before."""
        if frame.id is None:
            return True
        fresh = output_id not in self._kept
        self._kept.add(output_id)
        return fresh

    def _by_content(self, frame: Frame) -> str:
        """The next attempt's id would be another one: the how many-eth output with this very content."""
        digest = _digest(bytes(frame.body), msgspec.json.encode([frame.headers, frame.attachments, frame.metadata]))
        if self._alike is None:
            self._alike = Counter()
        self._alike[digest] += 1
        return self._ids.of(self._message_id, "like", digest, str(self._alike[digest]))


class OutputIds:
    """Derives output ids, and knows those that an earlier worker of this deployment has stored already."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, step: str) -> None:
        self._bus = bus
        self._stream = subjects.stream(spec.flow_id)
        self._subject = subjects.output(spec.flow_id, spec.epoch, step)
        self._step = step
        self.known: set[str] = set()
        """Emptied when everything that earlier worker had in hand is dealt with."""

    def of(self, message_id: str, *which: str) -> str:
        """Id of an output of the message; ``which`` one is told by the id it brings, or its place and content."""
        return derived_id(message_id, self._step, *which)

    async def recover(self, floor: int) -> None:
        """Read the ids of outputs stored after ``floor``, below which every input is acknowledged.

        The broker forgets message ids after its duplicate window; this covers a longer absence.
        """
        entries = self._bus.read(self._stream, self._subject, start_seq=floor + 1, headers_only=True)
        async for entry in entries:
            known = entry.headers.get("Nats-Msg-Id")
            if known:
                self.known.add(known)


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
