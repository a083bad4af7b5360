"""Which flows use which component versions: those that run one, and those whose newest version names one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import Invalid, Refused
from headrace.flows.document import parse
from headrace.store import deployments, flows
from headrace.store.components import ComponentVersion

__all__ = ["Usage", "refuse_used"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Who uses what. ``runs`` are (component, revision, flow), ``names`` are (component, selector, flow)."""

    runs: frozenset[tuple[str, int, str]]
    names: frozenset[tuple[str, str, str]]

    @classmethod
    def none(cls) -> Usage:
        """Nobody uses anything."""
        return cls(frozenset(), frozenset())

    @classmethod
    async def read(cls, conn: AsyncConnection) -> Usage:
        """How it is now."""
        all_flows = await flows.list_(conn)
        by_id = {flow.id: flow.name for flow in all_flows}
        runs = {
            (str(which["component"]), int(which["revision"]), by_id[deployment.flow_id])
            for deployment in await deployments.active(conn)
            for which in deployment.resolved.values()
            if deployment.flow_id in by_id
        }
        names = set()
        for flow in all_flows:
            if flow.version is not None:
                text = (await flows.get_version(conn, flow.id, flow.version)).document
                names |= {(component, selector, flow.name) for component, selector in _named(text)}
        return cls(frozenset(runs), frozenset(names))

    def running(self, component: str, revision: int) -> tuple[str, ...]:
        """Names of the flows that run this version now."""
        return _sorted(flow for name, number, flow in self.runs if (name, number) == (component, revision))

    def of_component(self, component: str) -> tuple[str, ...]:
        """Names of the flows that run or name any version."""
        running = {flow for name, _, flow in self.runs if name == component}
        return _sorted(running | {flow for name, _, flow in self.names if name == component})

    def of_version(self, version: ComponentVersion) -> tuple[str, ...]:
        """Names of the flows that run this version or name it (not: as the latest)."""
        selectors = {str(version.revision), version.semver}
        naming = {flow for name, selector, flow in self.names if name == version.component and selector in selectors}
        return _sorted(naming | set(self.running(version.component, version.revision)))


def _named(text: str) -> Iterable[tuple[str, str]]:
    try:
        found = parse(text)
    except Invalid:
        return  # published by another version of Headrace
    for step in found.steps:
        yield step.component, str(step.version)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def refuse_used(what: str, by: tuple[str, ...]) -> None:
    """`Refused` (``in-use``) when anybody uses it."""
    if by:
        told = f"{what} is used by {', '.join(by)}"
        raise Refused("in-use", told, next_step="Stop and remove these flows, or publish versions without it.")
