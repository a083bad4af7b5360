"""The sweep: objects whose time is over, and which nothing refers to any more, are deleted.

    time over (or a large body, when room is short)
      └─▶ referred to by a message to be processed, a delayed one, an error? ── yes ─▶ stays
            └─ no ─▶ younger than the oldest message to be processed? ── yes ─▶ stays: one on its way may refer to it
                       └─ no ─▶ the same at the look before? ── yes ─▶ deleted

An object is stored before the message that refers to it, and a message is stored in its next place before it leaves
the last one. So what neither of two looks in a row finds referred to is not referred to: a reference would have had to
move behind the reading both times.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from headrace.bus import journal, subjects
from headrace.bus.client import Bus
from headrace.bus.objects import ObjectInfo, Objects, references, referred
from headrace.errors import HeadraceError, NotFound
from headrace.settings import Settings
from headrace.store import failures, flows
from headrace.store.database import Database

__all__ = ["Needed", "Sweep", "due", "unneeded"]

LOOK_EVERY = 60.0
CROWDED = 0.6
"""Share of a flow's `object_bytes` above which large bodies go before their time."""
SURE_AFTER_MS = 60_000
"""A large body younger than that is never too much: its message may just be on its way."""
LOOSE_AFTER = 600.0
"""Seconds without another chunk after which content without an object is of an upload that came to nothing."""
BUCKET = "OBJ_"

log = structlog.get_logger("sweep")


@dataclass(frozen=True, slots=True)
class Needed:
    """What a flow's messages and errors refer to, and when the oldest message still to be processed was stored (ms)."""

    objects: frozenset[str]
    oldest: int | None = None


def due(infos: Sequence[ObjectInfo], now: int, *, crowded: bool) -> list[ObjectInfo]:
    """Those whose time is over at ``now`` (ms since the epoch)."""
    return [
        each
        for each in infos
        if each.expires < now
        or (crowded and each.metadata.get("kind") == "body" and each.created < now - SURE_AFTER_MS)
    ]


def unneeded(infos: Sequence[ObjectInfo], needed: Needed) -> set[str]:
    """Names of those that nothing refers to, or is about to refer to."""
    return {
        each.name
        for each in infos
        if each.name not in needed.objects and (needed.oldest is None or each.created < needed.oldest)
    }


class Sweep:
    """The loop. `run` it; `stop` ends it."""

    def __init__(self, db: Database, bus: Bus, settings: Settings, *, every: float = LOOK_EVERY) -> None:
        self._db = db
        self._bus = bus
        self._budget = settings.object_bytes
        self._every = every
        self._stopping = asyncio.Event()
        self._before: dict[str, set[str]] = {}
        """What was not needed at the last look, by flow id."""

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopping.set()

    async def run(self) -> None:
        """Look now and then, until `stop`."""
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopping.wait()
                    return
            try:
                await self.look()
            except HeadraceError as error:  # the broker or the database is away; next time
                log.warning("the sweep pauses", reason=error.reason, detail=error.message)

    async def look(self) -> int:
        """Look at every flow's objects once; how many were deleted."""
        async with self._db.read() as conn:
            known = {each.id for each in await flows.list_(conn)}
        deleted = 0
        for flow_id in await self._with_objects():
            if flow_id in known:
                deleted += await self._flow(flow_id)
            elif not await self._has_journal(flow_id):  # the flow was deleted while one of its steps stored something
                await Objects(self._bus, flow_id, self._budget).remove()
        return deleted

    async def _with_objects(self) -> list[str]:
        found: list[str] = []
        while True:
            answer = await self._bus.api("STREAM.NAMES", {"subject": "$O.>", "offset": len(found)})
            names: Collection[str] = answer["streams"] or ()
            found += names
            if not names or len(found) >= int(answer["total"]):
                return [name.removeprefix(BUCKET) for name in found if name.startswith(BUCKET)]

    async def _has_journal(self, flow_id: str) -> bool:
        try:
            await journal.state(self._bus, flow_id)
        except NotFound:
            return False
        return True

    async def _flow(self, flow_id: str) -> int:
        objects = Objects(self._bus, flow_id, self._budget)
        infos = await objects.all()
        for nuid in await objects.loose(infos, older_than=LOOSE_AFTER):
            await objects.forget(nuid)
        crowded = await objects.used() > self._budget * CROWDED
        over = due(infos, time.time_ns() // 1_000_000, crowded=crowded)
        before, found = self._before.pop(flow_id, set()), set()
        if over:
            found = self._before[flow_id] = unneeded(over, await self._needed(flow_id))
        gone = found & before
        for name in gone:
            await objects.delete(name)
        if gone:
            log.info("objects were deleted", flow=flow_id, count=len(gone))
        return len(gone)

    # -- what is needed -------------------------------------------------------------------------------------

    async def _needed(self, flow_id: str) -> Needed:
        """Places in the order in which messages move, so that one that moves meanwhile is met again."""
        found, oldest = await self._to_be_processed(flow_id)
        for stream, places in self._kept(flow_id).items():
            with suppress(NotFound):
                async for entry in self._bus.read(stream, places):
                    found.update(references(entry.data))
                    if entry.subject.startswith("due."):
                        oldest = entry.at if oldest is None else min(oldest, entry.at)
        async with self._db.read() as conn:
            found |= await failures.objects(conn, flow_id)
        return Needed(frozenset(found), oldest)

    def _kept(self, flow_id: str) -> Mapping[str, list[str]]:
        """Where messages wait beside the queues: delayed ones, and errors that are not recorded yet."""
        return {
            subjects.DELAYS: [f"delay.{flow_id}.>", f"due.{flow_id}.>"],
            subjects.stream(flow_id): [f"flow.{flow_id}.*.*.errors"],
        }

    async def _to_be_processed(self, flow_id: str) -> tuple[set[str], int | None]:
        """What is referred to from the oldest unacknowledged message on, by the header beside each message."""
        found: set[str] = set()
        oldest: int | None = None
        try:
            floors = await journal.floors(self._bus, flow_id)
        except NotFound:
            return found, None
        if not floors:
            return found, None
        stream, start = subjects.stream(flow_id), min(floors.values()) + 1
        entries = self._bus.read(stream, f"flow.{flow_id}.>", start_seq=start, headers_only=True)
        async for entry in entries:
            oldest = entry.at if oldest is None else min(oldest, entry.at)
            named = referred(entry.headers)
            if named is None:
                whole: Any = await self._bus.get(stream, entry.seq)
                named = frozenset() if whole is None else frozenset(references(whole.data))
            found |= named
        return found, oldest
