"""Flows as the API shows them: what the store says, and how far what runs is behind what was pushed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.commits import Commits, between
from headrace.api.deployment_views import DeploymentView, State, deployment_view
from headrace.api.parts import Parts
from headrace.api.shapes import Answer, Moment
from headrace.control.catalog import described
from headrace.errors import Invalid, NotFound, Refused
from headrace.flows import document
from headrace.flows.catalog import Selector
from headrace.flows.document import Document
from headrace.flows.excerpt import written
from headrace.store import components, deployments, flows
from headrace.store.components import ComponentVersion

__all__ = ["FlowView", "OutdatedView", "deployment_of", "flow_views", "with_commits"]

Wish = Literal["stopped", "running", "suspended"]


class OutdatedView(Answer):
    """A step that does not run the latest version of its component."""

    step: str
    component: str
    selector: str = Field(description="The component version the flow's version asks for.")
    running: int
    running_commit: str
    running_at: Moment | None = Field(description="When that was committed.")
    latest: int
    latest_commit: str
    latest_at: Moment | None
    moves_to: int | None = Field(description="The revision a publish would move it to; null when it would stay.")
    commits: Commits | None = Field(default=None, description="What lies between; null in lists of flows.")


class FlowView(Answer):
    """A flow, and how it is."""

    id: str
    name: str
    type: str
    wish: Wish = Field(description="What a person wants.")
    state: State = Field(description="Of its current deployment; `stopped` without one.")
    reason: str
    version: int | None = Field(description="The newest published version.")
    step_count: int = Field(description="Steps of what runs, else of its newest version, else of its draft.")
    epoch: int = Field(description="Number of its last deployment; 0: it was never started.")
    redeploy: Literal["manual", "on-push"] = Field(description="Whether what runs follows its components by itself.")
    has_draft: bool
    draft_tag: int
    draft_at: Moment | None
    draft_author: str = Field(description="Who changed, published or discarded the draft last; `` when unknown.")
    created_at: Moment
    webhook: str | None = Field(description="Where to send events to, when it starts with a webhook and runs.")
    errors_open: int
    deployment: DeploymentView | None = Field(description="The live one, else the newest.")
    coming: DeploymentView | None = Field(description="The one that is to take its place, while it warms up.")
    outdated: list[OutdatedView]


async def flow_views(
    parts: Parts, conn: AsyncConnection, found: list[flows.Flow], errors: dict[str, int]
) -> list[FlowView]:
    """Flows as they are now; ``errors`` are open errors by flow id."""
    latest = {each.name: each.latest for each in await components.list_(conn)}
    return [await _flow(parts, conn, flow, latest, errors.get(flow.id, 0)) for flow in found]


async def with_commits(parts: Parts, view: FlowView) -> FlowView:
    """The same, with the commits between what runs and the latest."""
    steps = [(each.component, each.running_commit, each.latest_commit) for each in view.outdated]
    asked = list(dict.fromkeys(steps))
    known = dict(zip(asked, await asyncio.gather(*(between(parts, *each) for each in asked)), strict=True))
    filled = [each.model_copy(update={"commits": known[step]}) for each, step in zip(view.outdated, steps, strict=True)]
    return view.model_copy(update={"outdated": filled})


async def deployment_of(conn: AsyncConnection, flow: flows.Flow) -> deployments.Deployment | None:
    """The live deployment, else the newest one; `None` when the flow was never started."""
    current = await deployments.current(conn, flow.id)
    if current is None and flow.epoch:
        current = await deployments.get(conn, flow.id, flow.epoch)
    return current


@dataclass(frozen=True, slots=True)
class _Running:
    """A deployment and the document it runs; None: it cannot be read by this version of Headrace."""

    row: deployments.Deployment
    document: Document | None


async def _flow(
    parts: Parts, conn: AsyncConnection, flow: flows.Flow, latest: dict[str, int | None], errors: int
) -> FlowView:
    current = await deployment_of(conn, flow)
    running = None if current is None else _Running(current, await _document(conn, flow, current))
    known = running.document if running is not None else None
    coming = await _coming(conn, flow, current)
    shown = None if current is None else deployment_view(parts, flow.name, current)
    return FlowView(
        id=flow.id,
        name=flow.name,
        type=flow.type,
        wish=flow.wish,
        state=shown.state if shown is not None else "stopped",
        reason=shown.reason if shown is not None else "",
        version=flow.version,
        step_count=len(shown.steps) if shown is not None else len(written(await _text(conn, flow))),
        epoch=flow.epoch,
        redeploy=known.redeploy if known is not None else "manual",
        has_draft=flow.draft is not None,
        draft_tag=flow.draft_tag,
        draft_at=flow.draft_at,
        draft_author=flow.draft_author or "",
        created_at=flow.created_at,
        webhook=f"/hooks/{flow.name}" if await _has_webhook(conn, flow, running) else None,
        errors_open=errors,
        deployment=shown,
        coming=deployment_view(parts, flow.name, coming) if coming is not None else None,
        outdated=await _outdated(conn, running, latest),
    )


async def _text(conn: AsyncConnection, flow: flows.Flow) -> str:
    """What would run."""
    if flow.version is None:
        return flow.draft or ""
    return (await flows.get_version(conn, flow.id, flow.version)).document


async def _document(conn: AsyncConnection, flow: flows.Flow, row: deployments.Deployment) -> Document | None:
    try:
        return document.parse((await flows.get_version(conn, flow.id, row.version)).document)
    except (Invalid, NotFound):
        return None


async def _coming(
    conn: AsyncConnection, flow: flows.Flow, current: deployments.Deployment | None
) -> deployments.Deployment | None:
    if current is None or current.epoch == flow.epoch:
        return None
    newest = await deployments.get(conn, flow.id, flow.epoch)
    return newest if newest.state in ("warming", "ready") else None


async def _outdated(
    conn: AsyncConnection, running: _Running | None, latest: dict[str, int | None]
) -> list[OutdatedView]:
    if running is None or running.row.state in deployments.ENDED:
        return []
    found = []
    for step, each in running.row.resolved.items():
        newest = latest.get(each["component"])
        if newest is not None and newest != each["revision"]:
            found.append(await _behind(conn, running, step, newest))
    return found


async def _behind(conn: AsyncConnection, running: _Running, step: str, newest: int) -> OutdatedView:
    which = running.row.resolved[step]
    name, revision = str(which["component"]), int(which["revision"])
    written = running.document.step(step) if running.document is not None else None
    selector: Selector = written.version if written is not None else revision
    runs, new = await _version(conn, name, revision), await components.get_version(conn, name, newest)
    target = await _target(conn, name, selector, revision)
    return OutdatedView(
        step=step,
        component=name,
        selector=str(selector),
        running=revision,
        running_commit=str(which["commit"]),
        running_at=_date(runs) if runs is not None else None,
        latest=newest,
        latest_commit=new.commit,
        latest_at=_date(new),
        moves_to=target if target != revision else None,
    )


async def _version(conn: AsyncConnection, name: str, revision: int) -> ComponentVersion | None:
    try:
        return await components.get_version(conn, name, revision)
    except NotFound:
        return None


async def _target(conn: AsyncConnection, name: str, selector: Selector, revision: int) -> int:
    try:
        return (await components.resolve(conn, name, selector)).revision
    except (NotFound, Refused):
        return revision


def _date(version: ComponentVersion) -> int:
    return version.committed_at or version.pushed_at


async def _has_webhook(conn: AsyncConnection, flow: flows.Flow, running: _Running | None) -> bool:
    """Whether it runs a trigger of type `webhook`."""
    if running is None or flow.wish == "stopped" or running.document is None:
        return False
    trigger = running.document.trigger
    code = running.row.resolved.get(trigger.id) if trigger is not None else None
    if trigger is None or code is None:
        return False
    component = await _version(conn, code["component"], code["revision"])
    offer = described(component).offer("trigger", trigger.function) if component is not None else None
    return offer is not None and offer.trigger_type == "webhook"
