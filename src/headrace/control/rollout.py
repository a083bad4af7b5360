"""Bringing the newest version of a component to every flow that names it as ``latest``: one flow after another.

And its environment variables, as they are now, to every flow that runs it.

A flow is published by handover, and the next one is not touched before it is live. The rollout stops at the first flow
that fails, also when one that was done already is handed back meanwhile; the flows that failed run on as they were.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from headrace.control import desire
from headrace.control.behind import Behind, behind
from headrace.control.outcome import outcome, quiet
from headrace.errors import HeadraceError
from headrace.store import components, deployments
from headrace.store.database import Database

__all__ = ["Progress", "rollout"]

Changed = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What happened to one flow. ``publishing`` is followed by one of the other states.

    ``unchanged``: it was moved or stopped by somebody else meanwhile.
    """

    flow: str
    state: Literal["publishing", "live", "failed", "unchanged"]
    epoch: int | None = None
    reason: str = ""
    ready_ms: int | None = None
    left: int = 0
    """Flows still to do."""


async def rollout(
    db: Database, component: str, changed: Changed, *, author: str = "", note: str = ""
) -> AsyncIterator[Progress]:
    """Do it, telling how it goes; the last told is ``failed`` when it stopped early.

    Raises `NotFound` (``component-not-found``) and `Refused` (``not-built``). Closed early, the flow in progress goes
    on and no further one is touched.
    """
    async with db.read() as conn:
        await components.resolve(conn, component, "latest")
        todo = [each for each in await behind(conn) if any(move.component == component for move in each.moves)]
    done: list[tuple[Behind, int]] = []
    for index, flow in enumerate(todo):
        left = len(todo) - index - 1
        if (back := await _handed_back(db, done, left + 1)) is not None:
            yield back
            return
        yield Progress(flow=flow.flow, state="publishing", left=left + 1)
        told = await _moved(db, flow, changed, author=author, note=note, left=left)
        yield told
        if told.state == "failed":
            return
        if told.epoch is not None:
            done.append((flow, told.epoch))
    if (back := await _handed_back(db, done, 0)) is not None:
        yield back


async def _moved(db: Database, flow: Behind, changed: Changed, *, author: str, note: str, left: int) -> Progress:
    try:
        await quiet(db, flow.flow_id)
        made = await desire.redeploy(db, flow.flow, cause="rollout", author=author, note=note, again=True)
        if made is None:
            return Progress(flow=flow.flow, state="unchanged", left=left)
        changed(flow.flow_id, flow.flow)
        row = await outcome(db, flow.flow_id, made.epoch)
    except HeadraceError as error:
        return Progress(flow=flow.flow, state="failed", reason=f"{error.reason}: {error.message}", left=left)
    if row.state == "failed" or row.live_at is None:
        return Progress(flow=flow.flow, state="failed", epoch=row.epoch, reason=_why(row), left=left)
    return Progress(flow=flow.flow, state="live", epoch=row.epoch, ready_ms=row.ready_ms, left=left)


def _why(row: deployments.Deployment) -> str:
    return row.reason or ("superseded, or stopped by somebody" if row.state == "stopped" else "no reason was given")


async def _handed_back(db: Database, done: list[tuple[Behind, int]], left: int) -> Progress | None:
    """The first of the flows that went live and has failed since."""
    async with db.read() as conn:
        for flow, epoch in done:
            rows = {row.epoch: row for row in await deployments.list_(conn, flow.flow_id)}
            if epoch in rows and rows[epoch].state == "failed":
                return Progress(flow=flow.flow, state="failed", epoch=epoch, reason=_why(rows[epoch]), left=left)
    return None
