"""Published versions of flows."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from headrace.api.parts import PartsOf
from headrace.api.shapes import Answer, FlowName, Moment, Number, Page, PagingOf, Request, paged
from headrace.errors import NotFound
from headrace.flows import document
from headrace.store import deployments, executions, flows

__all__ = ["FlowVersionDetail", "FlowVersionView", "router", "version_view"]

YAML = "application/yaml"

router = APIRouter(prefix="/flows", tags=["flows"])


class FlowVersionView(Answer):
    """A published document. Never changes."""

    number: int
    name: str = Field(description="What its author calls it; may be empty.")
    author: str
    note: str
    published_at: Moment


class ListedFlowVersion(FlowVersionView):
    runs: bool = Field(description="The current deployment runs it.")
    deployments: list[int] = Field(description="All deployments of it, newest first.")
    executions: int = Field(description="Those that began under it, as far as they are kept.")
    failed: int = Field(description="How many of them have errors.")


class FlowVersionDetail(FlowVersionView):
    document: str


class Export(Request):
    """What to export, and how."""

    version: Number | None = Field(default=None, description="The newest by default.")
    format: Literal["yaml", "json"] = "yaml"


def version_view(version: flows.FlowVersion) -> FlowVersionView:
    """A version without its document."""
    return FlowVersionView(
        number=version.number,
        name=version.name,
        author=version.author,
        note=version.note,
        published_at=version.published_at,
    )


@router.get("/{name}/versions", operation_id="listFlowVersions")
async def list_flow_versions(parts: PartsOf, name: FlowName, page: PagingOf) -> Page[ListedFlowVersion]:
    """All versions, newest first."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        found = await flows.list_versions(conn, flow.id)
        rows = await deployments.list_(conn, flow.id)
        current = await deployments.current(conn, flow.id)
        ran = await executions.count_by_version(conn, flow.id)
    items, following = paged(found, lambda version: str(version.number), page)
    running = current.version if current is not None else None
    return Page(items=[_listed(each, running, rows, ran.get(each.number, (0, 0))) for each in items], next=following)


@router.get("/{name}/versions/{number}", operation_id="getFlowVersion")
async def get_flow_version(parts: PartsOf, name: FlowName, number: Number) -> FlowVersionDetail:
    """One version, with its document."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        version = await flows.get_version(conn, flow.id, number)
    return FlowVersionDetail(**version_view(version).model_dump(), document=version.document)


@router.get(
    "/{name}/export",
    operation_id="exportFlow",
    response_class=Response,
    responses={
        200: {
            "content": {YAML: {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}},
            "description": "The document",
        }
    },
)
async def export_flow(parts: PartsOf, name: FlowName, what: Annotated[Export, Query()]) -> Response:
    """A version's document in canonical form; applied again it changes nothing."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        number = what.version or flow.version
        if number is None:
            told = f"the flow `{name}` was never published"
            raise NotFound("version-not-found", told, next_step=f"headrace flow publish {name}")
        text = (await flows.get_version(conn, flow.id, number)).document
    parsed = document.parse(text)
    if what.format == "json":
        return Response(document.to_json(parsed), media_type="application/json")
    return Response(document.to_yaml(parsed), media_type=YAML)


def _listed(
    version: flows.FlowVersion, running: int | None, rows: list[deployments.Deployment], ran: tuple[int, int]
) -> ListedFlowVersion:
    return ListedFlowVersion(
        **version_view(version).model_dump(),
        runs=version.number == running,
        deployments=[row.epoch for row in rows if row.version == version.number],
        executions=ran[0],
        failed=ran[1],
    )
