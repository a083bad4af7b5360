"""Which flows run older component versions, or other environment variables, than a start would now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.control.choice import challenged
from headrace.errors import Invalid
from headrace.flows import document
from headrace.flows.document import Document
from headrace.store import components, flows, variables, wishes
from headrace.store.deployments import Deployment

__all__ = ["Behind", "Move", "behind"]


@dataclass(frozen=True, slots=True)
class Move:
    """A component that a step names as ``latest``, and that has a newer version than the step runs.

    Or one whose environment variables were changed since; then both numbers are the same.
    """

    component: str
    running: int
    latest: int

    def __str__(self) -> str:
        if self.is_push:
            return f"{self.component} {self.running} → {self.latest}"
        return f"variables of {self.component}"

    @property
    def is_push(self) -> bool:
        """Whether there is another component version."""
        return self.running != self.latest


@dataclass(frozen=True, slots=True)
class Behind:
    """A flow that is wished to run and is live. ``busy``: another deployment of it is on its way."""

    flow: str
    flow_id: str
    live: Deployment
    document: Document
    moves: tuple[Move, ...]
    busy: bool


async def behind(conn: AsyncConnection) -> list[Behind]:
    """Such flows by name. Documents are read only of flows that may be such."""
    latest = {each.name: each.latest for each in await components.list_(conn)}
    editions = await variables.editions(conn)
    found = []
    for flow in (await wishes.read(conn)).values():
        live = next((row for row in reversed(flow.deployments) if row.state == "live"), None)
        if flow.wish != "running" or live is None or not _lags(live, latest, editions):
            continue
        try:
            version = await flows.get_version(conn, flow.flow_id, live.version)
            written = document.parse(version.document)
        except Invalid:
            continue  # published by another version of Headrace
        moves = _moves(written, live, latest, editions)
        if moves:
            found.append(Behind(flow.name, flow.flow_id, live, written, moves, challenged(flow.deployments)))
    return sorted(found, key=lambda each: each.flow)


def _lags(live: Deployment, latest: dict[str, int | None], editions: dict[str, int]) -> bool:
    return any(
        latest.get(each["component"]) not in (None, each["revision"]) or _varies(each, editions)
        for each in live.resolved.values()
    )


def _varies(which: Mapping[str, Any], editions: dict[str, int]) -> bool:
    return bool(editions.get(which["component"], 0) != which.get("variables", 0))


def _moves(
    written: Document, live: Deployment, latest: dict[str, int | None], editions: dict[str, int]
) -> tuple[Move, ...]:
    """What ``latest`` means now and meant then; steps that name a revision stay where they are."""
    moves: dict[str, Move] = {}
    for step in written.steps:
        runs, newest = live.resolved.get(step.id), latest.get(step.component)
        if step.version == "latest" and runs is not None and newest is not None and runs["revision"] != newest:
            moves[step.component] = Move(step.component, int(runs["revision"]), newest)
        elif runs is not None and _varies(runs, editions):
            moves.setdefault(step.component, Move(step.component, int(runs["revision"]), int(runs["revision"])))
    return tuple(moves[name] for name in sorted(moves))
