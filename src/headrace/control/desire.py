"""What people wish of flows, written into the store. Nothing here starts anything: `headrace.control.reconcile` does.

Component versions are resolved here, whenever a person starts a deployment, and frozen for its life. Starting a flow
that is stopped goes on with its last deployment if nothing moved since, else makes a new one, which takes over the
queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.control.catalog import catalog_for
from headrace.errors import Invalid, NotFound, Problem, Refused
from headrace.flows import document
from headrace.flows.document import Document
from headrace.flows.lint import lint
from headrace.store import components, deployments, flows
from headrace.store.database import Database
from headrace.store.deployments import Deployment
from headrace.store.flows import Flow, FlowVersion

__all__ = ["Published", "publish", "remove", "start", "stop"]

Resolution = Mapping[str, Mapping[str, Any]]
"""Step → ``{component, revision, commit}``."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version, and the deployment that is to run it; `None` when the flow is not to run it now."""

    version: FlowVersion
    deployment: Deployment | None


async def publish(db: Database, name: str, *, note: str = "", author: str = "", start: bool | None = None) -> Published:
    """Make the draft the flow's newest version and, if the flow is to run, a deployment of it.

    ``start``: True also starts a stopped flow; False leaves a running one on what it runs; `None` moves a running flow
    and leaves a stopped one stopped. Without a draft the newest version is deployed again on the component versions
    of now. Raises `NotFound` (``flow-not-found``), `Refused` (``no-draft``, ``nothing-moved``, or why a component
    version cannot be used) and `Invalid` (``flow-document``) with every problem.
    """
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        runs = start is not False and (flow.wish != "stopped" or bool(start))
        if flow.draft is None:
            return await _publish_again(conn, flow, runs)
        written = await _checked(conn, flow.draft, name)
        resolved = await _resolve(conn, written) if runs else {}
        version = await flows.add_version(conn, flow.id, flow.draft, author=author, note=note)
        await flows.discard_draft(conn, name)
        return Published(version, await _deploy(conn, flow, version, resolved) if runs else None)


async def start(db: Database, name: str) -> Deployment:
    """Wish the flow to run its newest version; returns the deployment that is to do it.

    A flow that is wished to run already goes on with what it has. Raises `NotFound` (``flow-not-found``) and `Refused`
    (``not-published``, or why a component version cannot be used).
    """
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        version = await _newest(conn, flow)
        current = await deployments.current(conn, flow.id)
        if flow.wish == "running" and current is not None:
            return current
        resolved = await _resolve(conn, document.parse(version.document))
        last = current or await _last(conn, flow)
        if last is None or last.state == "failed" or _moved(last, version, resolved):
            return await _deploy(conn, flow, version, resolved)
        await flows.set_wish(conn, flow.id, "running")
        if last.state != "stopped":  # suspended, or still on its way to a stop
            return last
        return await deployments.update(
            conn, flow.id, last.epoch, state="warming", reason="", ready_at=None, live_at=None, ended_at=None
        )


async def stop(db: Database, name: str) -> Flow:
    """Wish the flow to be stopped; its queue stays. Safe twice. `NotFound` (``flow-not-found``)."""
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        await flows.set_wish(conn, flow.id, "stopped")
        return await flows.get(conn, name)


async def remove(db: Database, name: str) -> Flow:
    """Remove a stopped flow from the store; returns what it was. `Refused` (``flow-running``), `NotFound`.

    What the broker has of it is for `headrace.control.queues.remove` to delete, afterwards.
    """
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        if flow.wish != "stopped" or await deployments.current(conn, flow.id) is not None:
            told = f"flow `{name}` {'runs' if flow.wish != 'stopped' else 'is still stopping'}"
            raise Refused("flow-running", told, next_step=f"headrace flow stop {name}")
        await flows.remove(conn, flow.id)
        return flow


async def _publish_again(conn: AsyncConnection, flow: Flow, runs: bool) -> Published:
    if flow.version is None or not runs:
        raise Refused(
            "no-draft",
            f"flow `{flow.name}` has no draft to publish",
            next_step="headrace flow apply FILE makes one; headrace flow start runs the newest version",
        )
    version = await _newest(conn, flow)
    resolved = await _resolve(conn, await _checked(conn, version.document, flow.name))
    current = await deployments.current(conn, flow.id)
    if flow.wish == "running" and current is not None and not _moved(current, version, resolved):
        raise Refused(
            "nothing-moved",
            f"flow `{flow.name}` has no draft, and runs version {version.number} on the newest component versions",
        )
    return Published(version, await _deploy(conn, flow, version, resolved))


async def _checked(conn: AsyncConnection, text: str, name: str) -> Document:
    problems = [each for each in lint(text, await catalog_for(conn, text)) if each.severity == "error"]
    if not problems:
        written = document.parse(text)
        if written.flow == name:
            return written
        problems = [Problem("flow", "wrong-name", f"the document is of flow `{written.flow}`, not of `{name}`")]
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    raise Invalid("flow-document", f"flow `{name}` cannot run: {problems[0]}{more}", problems=problems)


async def _newest(conn: AsyncConnection, flow: Flow) -> FlowVersion:
    if flow.version is None:
        raise Refused(
            "not-published",
            f"flow `{flow.name}` has no version yet",
            next_step=f"headrace flow publish {flow.name} --start",
        )
    return await flows.get_version(conn, flow.id, flow.version)


async def _last(conn: AsyncConnection, flow: Flow) -> Deployment | None:
    return (await deployments.get(conn, flow.id, flow.epoch)) if flow.epoch else None


async def _resolve(conn: AsyncConnection, written: Document) -> Resolution:
    """What each step is to run; raises for the first step whose component version cannot be used."""
    resolved = {}
    for step in written.steps:
        try:
            version = await components.resolve(conn, step.component, step.version)
        except (NotFound, Refused) as error:
            raise Refused(error.reason, f"step `{step.id}`: {error.message}", next_step=error.next_step) from error
        resolved[step.id] = {
            "component": version.component,
            "revision": version.revision,
            "commit": version.commit,
        }
    return resolved


def _moved(last: Deployment, version: FlowVersion, resolved: Resolution) -> bool:
    return last.version != version.number or last.resolved != resolved


async def _deploy(conn: AsyncConnection, flow: Flow, version: FlowVersion, resolved: Resolution) -> Deployment:
    epoch = await flows.next_epoch(conn, flow.id)
    await flows.set_wish(conn, flow.id, "running")
    return await deployments.create(conn, flow.id, epoch, version.number, resolved)
