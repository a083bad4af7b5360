"""The policy ``redeploy: on-push``: a flow that asks for it follows the builds of its components by itself.

    a build ends, a deployment gets live, time ──▶ flows that are behind ──▶ a deployment each, by handover

Whole states are compared, so it does not matter which hint is lost, or whether the server was down when a build ended.
What was tried and failed is not tried again before something moves; the old deployment runs on, as after any publish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import structlog

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.control import desire
from headrace.control.behind import Behind, behind
from headrace.errors import HeadraceError, Unavailable
from headrace.store.database import Database

__all__ = ["Redeploys"]

LOOK_EVERY = 10.0
"""Seconds after which it looks without a hint."""
PAUSE = 0.2
"""Seconds between two looks: hints come in crowds."""

Changed = Callable[[str, str], None]
"""Called with id and name of a flow that has a new deployment."""

log = structlog.get_logger("redeploys")


class Redeploys:
    """The loop. `run` it; `stop` ends it."""

    def __init__(self, db: Database, bus: Bus, changed: Changed) -> None:
        self._db = db
        self._bus = bus
        self._changed = changed
        self._wake = asyncio.Event()
        self._stopping = False
        self.looks = 0
        """How often it has looked."""
        self._refused: dict[str, str] = {}
        """Why a flow cannot follow, by flow id, so that it is said once."""

    def hint(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Keep flows that ask for it on the newest components, until `stop`."""
        async with AsyncExitStack() as stack:
            for kind in ("component", "flow"):
                stack.push_async_callback(await self._bus.subscribe(subjects.live(kind), self._on_hint))
            while not self._stopping:
                self._wake.clear()
                await self._look()
                self.looks += 1
                if not self._stopping:
                    await asyncio.sleep(PAUSE)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()

    async def _on_hint(self, subject: str, data: bytes, reply: str) -> None:
        self.hint()

    async def _look(self) -> None:
        try:
            async with self._db.read() as conn:
                found = [each for each in await behind(conn) if _follows(each)]
        except HeadraceError as error:
            log.warning("cannot look", reason=error.reason, why=error.message)
            return
        self._refused = {id_: why for id_, why in self._refused.items() if id_ in {each.flow_id for each in found}}
        for each in found:
            if not each.busy:
                await self._follow(each)

    async def _follow(self, flow: Behind) -> None:
        moves = ", ".join(map(str, flow.moves))
        try:
            made = await desire.redeploy(self._db, flow.flow, cause="on-push", note=moves)
        except Unavailable as error:
            log.warning("cannot follow", flow=flow.flow, reason=error.reason, why=error.message)
        except HeadraceError as error:
            told = f"{moves}: {error.reason}: {error.message}"
            if self._refused.get(flow.flow_id) != told:
                self._refused[flow.flow_id] = told
                log.warning("cannot follow", flow=flow.flow, moves=moves, reason=error.reason, why=error.message)
        else:
            if made is not None:
                log.info("follows", flow=flow.flow, epoch=made.epoch, moves=moves)
                self._changed(made.flow_id, flow.flow)


def _follows(flow: Behind) -> bool:
    """Builds, not variables: of those a person may want to change several before anything is done."""
    return flow.document.redeploy == "on-push" and any(move.is_push for move in flow.moves)
