"""What differs between a flow's draft, its versions and what runs, step by step and key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.parts import PartsOf
from headrace.api.shapes import Answer, FlowName, Request
from headrace.errors import NotFound
from headrace.flows import document
from headrace.flows.diff import Change, diff
from headrace.flows.document import Document
from headrace.store import deployments, flows

__all__ = ["ChangeView", "change_view", "router"]

router = APIRouter(prefix="/flows", tags=["flows"])
Side = Annotated[
    str,
    Field(
        pattern=r"^(draft|running|newest|[1-9][0-9]{0,8})$",
        description="`draft`, `running` (what runs now), `newest` (the newest version) or a version's number.",
    ),
]


class ChangeView(Answer):
    """One difference."""

    kind: Literal["added", "removed", "changed"]
    step: str | None = Field(description="Null for the flow's own keys.")
    path: str = Field(description="The key within the step or flow; empty when a whole step came or went.")
    before: Any
    after: Any
    text: str = Field(description="The same for people.")


class Comparison(Request):
    """What to compare with what."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Side | None = Field(
        default=None, alias="from", description="What runs by default; when nothing runs, the newest version."
    )
    to: Side | None = Field(default=None, description="The draft by default; without one, the newest version.")


class SideView(Answer):
    what: Literal["draft", "version", "nothing"] = Field(description="`nothing`: the flow was never published.")
    version: int | None
    epoch: int | None = Field(description="The deployment that runs it, when what runs was asked for.")


class DiffView(Answer):
    flow: str
    before: SideView
    after: SideView
    changes: list[ChangeView]


@router.get("/{name}/diff", operation_id="compareFlow")
async def compare_flow(parts: PartsOf, name: FlowName, what: Annotated[Comparison, Query()]) -> DiffView:
    """What changed. By default: what would change by a publish."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        before = await _side(conn, flow, what.from_ or await _usual(conn, flow))
        after = await _side(conn, flow, what.to or ("draft" if flow.draft is not None else "newest"))
    changes = diff(_parsed(before, name), _parsed(after, name))
    return DiffView(flow=name, before=before.view, after=after.view, changes=[change_view(each) for each in changes])


def change_view(change: Change) -> ChangeView:
    """A change as the API shows it."""
    where = " ".join(filter(None, (f"step {change.step}" if change.step else "", change.path))) or "flow"
    return ChangeView(
        kind=change.kind,
        step=change.step,
        path=change.path,
        before=change.before,
        after=change.after,
        text=f"{where} {change.kind}",
    )


@dataclass(frozen=True, slots=True)
class _Side:
    view: SideView
    text: str | None


async def _usual(conn: AsyncConnection, flow: flows.Flow) -> str:
    return "running" if await deployments.current(conn, flow.id) is not None else "newest"


async def _side(conn: AsyncConnection, flow: flows.Flow, asked: str) -> _Side:
    if asked == "draft":
        if flow.draft is None:
            told = f"the flow `{flow.name}` has no draft"
            raise NotFound("no-draft", told, next_step=f"headrace flow edit {flow.name}")
        return _Side(SideView(what="draft", version=None, epoch=None), flow.draft)
    current = await deployments.current(conn, flow.id) if asked == "running" else None
    if asked == "running" and current is None:
        told = f"nothing of flow `{flow.name}` runs"
        raise NotFound("not-running", told, next_step=f"headrace flow start {flow.name}")
    number = current.version if current is not None else flow.version if asked == "newest" else int(asked)
    if number is None:
        return _Side(SideView(what="nothing", version=None, epoch=None), None)
    text = (await flows.get_version(conn, flow.id, number)).document
    return _Side(SideView(what="version", version=number, epoch=current.epoch if current else None), text)


def _parsed(side: _Side, name: str) -> Document:
    return Document(name) if side.text is None else document.parse(side.text)
