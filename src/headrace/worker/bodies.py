"""Large bodies of one deployment, on their way to the object store and back. The server is not needed for it.

What the broker cannot do now is tried again until it can, as with messages. The event loop has its turn after each
chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from headrace.bus.client import Bus
from headrace.bus.large import Body
from headrace.bus.message import Large
from headrace.bus.objects import Objects
from headrace.errors import HeadraceError, Unavailable
from headrace.flows.deployment import DeploymentSpec
from headrace.worker.room import Room

__all__ = ["Bodies"]

T = TypeVar("T")
AGAIN = 0.25, 4.0
"""Shortest and longest pause, in seconds, before another try."""


class Bodies:
    """The object store, as steps see it. Made by the worker, which closes it when its steps are done."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, room: Room) -> None:
        self._objects = Objects(bus, spec.flow_id, spec.object_bytes)
        self._keep = spec.journal_keep
        self._room = room
        self._tasks: set[asyncio.Task[None]] = set()
        self._used = True
        """There may be objects: their room is worth measuring."""

    def store(self, bodies: Sequence[Body], done: Callable[[HeadraceError | None], None]) -> None:
        """Store ``bodies``; ``done`` is called once, when they are all durable, or with what forbids it for good."""
        self._used = True
        self._run(self._store(bodies, done))

    def read(self, wanted: Sequence[Large], done: Callable[[dict[str, bytes] | HeadraceError], None]) -> None:
        """Read bodies; ``done`` is called once, with them by object id, or with why they cannot be had any more."""
        self._used = True
        self._run(self._read(wanted, done))

    async def measure(self) -> None:
        """Tell the room what the objects take."""
        if self._used:
            self._room.objects = await self._objects.used()
            self._used = self._room.objects > 0

    async def close(self) -> None:
        """Give up what is under way: it is begun again by whoever comes next. Nobody is called any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="large bodies")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, bodies: Sequence[Body], done: Callable[[HeadraceError | None], None]) -> None:
        error = None
        try:
            for body in bodies:
                await _insist(lambda body=body: self._put(body))  # type: ignore[misc]
        except HeadraceError as refusal:
            error = refusal
        done(error)

    async def _put(self, body: Body) -> None:
        view = memoryview(body.data)
        await self._objects.put_bodies([(body.object, view)], self._keep)
        self._room.objects += len(view)

    async def _read(self, wanted: Sequence[Large], done: Callable[[dict[str, bytes] | HeadraceError], None]) -> None:
        found: dict[str, bytes] = {}
        try:
            for each in wanted:
                if each.object not in found:
                    found[each.object] = await _insist(lambda each=each: self._objects.get(each.object))  # type: ignore[misc]
        except HeadraceError as error:
            done(error)
        else:
            done(found)


async def _insist(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do ``work`` until the broker can. Raises what no waiting would change."""
    pause = AGAIN[0]
    while True:
        try:
            return await work()
        except Unavailable as error:
            if error.reason == "bus-closed":
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, AGAIN[1])
