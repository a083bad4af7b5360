"""What publishing a draft, or starting a flow, would change. Changes nothing itself."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.drafts import lint_text
from headrace.api.flow_views import deployment_of
from headrace.api.parts import PartsOf
from headrace.api.problems import Mistake, mistakes
from headrace.api.shapes import Answer, FlowName
from headrace.control.catalog import catalog_for
from headrace.errors import Invalid, NotFound
from headrace.flows import document
from headrace.flows.catalog import Listing
from headrace.flows.diff import Change, diff
from headrace.flows.document import Document, Step
from headrace.flows.grants import Granted, grants
from headrace.store import deployments, flows

__all__ = ["router"]

router = APIRouter(prefix="/flows", tags=["flows"])


class ChangeView(Answer):
    """One difference between the running version and the next one."""

    kind: Literal["added", "removed", "changed"]
    step: str | None = Field(description="Null for the flow's own keys.")
    path: str = Field(description="The key within the step or flow; empty when a whole step came or went.")
    before: Any
    after: Any
    text: str = Field(description="The same for people.")


class PlannedStep(Answer):
    """One step as it would run."""

    id: str
    kind: Literal["trigger", "action", "mapper"]
    component: str | None = Field(description="Null for a mapper, which runs in the worker.")
    function: str | None
    selector: str | None = Field(description="The component version the document asks for.")
    revision: int | None = Field(description="The one it would run now; null when there is none that is built.")
    running_revision: int | None = Field(description="The one it runs at the moment.")
    read: list[str] = Field(description="Paths of this machine it may read.")
    write: list[str] = Field(description="Paths of this machine it may read and change.")


class PlanView(Answer):
    """``source``: what would run, the draft or, without one, the newest version."""

    flow: str
    source: Literal["draft", "version"]
    running_version: int | None
    next_version: int
    changes: list[ChangeView]
    steps: list[PlannedStep]
    problems: list[Mistake] = Field(description="Errors among them keep it from being published.")


@router.get("/{name}/plan", operation_id="getPlan")
async def get_plan(parts: PartsOf, name: FlowName) -> PlanView:
    """What would change, which component versions would run, and what they would be granted."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        current = await deployment_of(conn, flow)
        running = current if current is not None and current.state not in deployments.ENDED else None
        text = await _next_text(conn, flow)
        problems = await lint_text(conn, text, name)
        catalog = await catalog_for(conn, text)
        before = await _running_document(conn, flow, running)
    wanted = _parsed(text)
    return PlanView(
        flow=name,
        source="version" if flow.draft is None else "draft",
        running_version=running.version if running is not None else None,
        next_version=(flow.version or 0) + (flow.draft is not None),
        changes=[_change(each) for each in diff(before, wanted)] if before is not None and wanted is not None else [],
        steps=_steps(wanted, catalog, running) if wanted is not None else [],
        problems=mistakes(problems),
    )


async def _next_text(conn: AsyncConnection, flow: flows.Flow) -> str:
    if flow.draft is not None:
        return flow.draft
    if flow.version is None:
        raise NotFound("no-draft", f"the flow `{flow.name}` has neither draft nor version")
    return (await flows.get_version(conn, flow.id, flow.version)).document


async def _running_document(
    conn: AsyncConnection, flow: flows.Flow, running: deployments.Deployment | None
) -> Document | None:
    """What runs; without that the newest version."""
    number = running.version if running is not None else flow.version
    return None if number is None else _parsed((await flows.get_version(conn, flow.id, number)).document)


def _parsed(text: str) -> Document | None:
    try:
        return document.parse(text)
    except Invalid:
        return None


def _change(change: Change) -> ChangeView:
    where = " ".join(filter(None, (f"step {change.step}" if change.step else "", change.path))) or "flow"
    return ChangeView(
        kind=change.kind,
        step=change.step,
        path=change.path,
        before=change.before,
        after=change.after,
        text=f"{where} {change.kind}",
    )


def _steps(wanted: Document, catalog: Listing, running: deployments.Deployment | None) -> list[PlannedStep]:
    granted = grants(wanted, catalog)
    found = []
    for step in wanted.steps:
        if step.input is not None:
            found.append(_mapper(step))
        described = catalog.find(step.component, step.version)
        now = running.resolved.get(step.id) if running is not None else None
        found.append(
            PlannedStep(
                id=step.id,
                kind=step.kind,
                component=step.component,
                function=step.function,
                selector=str(step.version),
                revision=described.revision if described is not None else None,
                running_revision=now["revision"] if now is not None else None,
                read=_paths(granted[step.id], "read"),
                write=_paths(granted[step.id], "write"),
            )
        )
    return found


def _mapper(step: Step) -> PlannedStep:
    return PlannedStep(
        id=f"{step.id}:mapper",
        kind="mapper",
        component=None,
        function=None,
        selector=None,
        revision=None,
        running_revision=None,
        read=[],
        write=[],
    )


def _paths(granted: tuple[Granted, ...], access: Literal["read", "write"]) -> list[str]:
    return [each.path for each in granted if each.access == access]
