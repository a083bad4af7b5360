"""All that a plan is made from, read at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.drafts import lint_text
from headrace.control.catalog import catalog_for, described
from headrace.errors import Invalid, NotFound, Problem
from headrace.flows import document
from headrace.flows.catalog import Listing, Offer
from headrace.flows.disabled import left_out, running
from headrace.flows.document import Document, Step
from headrace.store import components, deployments, flows, variables
from headrace.store.components import ComponentVersion
from headrace.store.deployments import Deployment

__all__ = ["Scene", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A flow, what it runs and what it would run."""

    flow: flows.Flow
    source: Literal["draft", "version"]
    number: int
    written: Document | None
    """The text of what would run, disabled steps too; None: it cannot be read."""
    after: Document | None
    """What would run of it."""
    written_before: Document | None
    """The text of what runs, without that of the newest version."""
    before: Document | None
    """What runs of it."""
    running: Deployment | None
    rows: Sequence[Deployment]
    problems: tuple[Problem, ...]
    catalog: Listing
    now: dict[str, ComponentVersion]
    """What each running step runs."""
    newest: dict[str, ComponentVersion]
    """The newest push of each component that would run."""
    latest: dict[str, int | None]
    """The latest revision of each component."""
    editions: dict[str, int]
    """How often the environment variables of components were changed."""

    @property
    def left_out(self) -> list[str]:
        """Steps that would not run, in the order of the document."""
        if self.written is None:
            return []
        gone = left_out(self.written)
        return [step.id for step in self.written.steps if step.id in gone]

    @property
    def varied(self) -> list[str]:
        """Components of running steps whose environment variables were changed since the deployment was made."""
        runs = self.running.resolved if self.running is not None else {}
        steps = [step for step in self.after.steps if step.id in runs] if self.after is not None else []
        return sorted(
            {
                step.component
                for step in steps
                if runs[step.id]["component"] == step.component
                and runs[step.id].get("variables", 0) != self.editions.get(step.component, 0)
            }
        )

    def runs_offer(self, step: Step) -> Offer | None:
        version = self.now.get(step.id)
        return described(version).offer(step.kind, step.function) if version is not None else None

    def next_offer(self, step: Step) -> Offer | None:
        found = self.catalog.find(step.component, step.version)
        return found.offer(step.kind, step.function) if found is not None else None


async def read(conn: AsyncConnection, name: str, version: int | None) -> Scene:
    """How it is now; ``version`` is what would run, else the draft, else the newest version.

    `NotFound`: ``flow-not-found``, ``version-not-found``, ``no-draft``.
    """
    flow = await flows.get(conn, name)
    rows = await deployments.list_(conn, flow.id)
    current = await deployments.current(conn, flow.id)
    source, number, text = await _next(conn, flow, version)
    written = _parsed(text)
    after = running(written) if written is not None else None
    runs = await _running_document(conn, flow, current)
    return Scene(
        flow=flow,
        source=source,
        number=number,
        written=written,
        after=after,
        written_before=runs,
        before=running(runs) if runs is not None else None,
        running=current,
        rows=rows,
        problems=await lint_text(conn, text, name),
        catalog=await catalog_for(conn, text),
        now=await _now(conn, current),
        newest=await _newest(conn, after),
        latest={each.name: each.latest for each in await components.list_(conn)},
        editions=await variables.editions(conn),
    )


async def _next(
    conn: AsyncConnection, flow: flows.Flow, number: int | None
) -> tuple[Literal["draft", "version"], int, str]:
    """Source, version number and text of what would run."""
    if number is None and flow.draft is not None:
        return "draft", (flow.version or 0) + 1, flow.draft
    chosen = number or flow.version
    if chosen is None:
        raise NotFound("no-draft", f"the flow `{flow.name}` has neither draft nor version")
    return "version", chosen, (await flows.get_version(conn, flow.id, chosen)).document


async def _running_document(conn: AsyncConnection, flow: flows.Flow, running: Deployment | None) -> Document | None:
    number = running.version if running is not None else flow.version
    return None if number is None else _parsed((await flows.get_version(conn, flow.id, number)).document)


async def _now(conn: AsyncConnection, running: Deployment | None) -> dict[str, ComponentVersion]:
    found = {}
    for step, which in (running.resolved if running is not None else {}).items():
        try:
            found[step] = await components.get_version(conn, str(which["component"]), int(which["revision"]))
        except NotFound:
            continue  # removed; no person should have been let
    return found


async def _newest(conn: AsyncConnection, after: Document | None) -> dict[str, ComponentVersion]:
    found = {}
    for component in {step.component for step in after.steps if step.version == "latest"} if after else ():
        try:
            versions = await components.list_versions(conn, component)
        except NotFound:
            continue  # lint says so
        if versions:
            found[component] = versions[0]
    return found


def _parsed(text: str) -> Document | None:
    try:
        return document.parse(text)
    except Invalid:
        return None
