"""What people wish of flows, written into the store. Nothing here starts anything: `headrace.control.reconcile` does.

Component versions are resolved here, whenever a person or a policy starts a deployment, and frozen for its life.
Starting a flow that is stopped goes on with its last deployment if nothing moved since, else makes a new one, which
takes over the queue.

Two wishes at once. The planner runs the newest deployment that has not ended, so a wish made while another deployment
warms up supersedes that one, which never was live. While a switch is under way (`choice.switching`) a wish waits for
its end, a moment, and nothing is written before. Either way one deployment after the other takes the place of the live
one, and never two at once.

What is on its way can be cancelled until the switch begins. Whoever cancels and whoever begins the switch hold the flow
(`deployments.hold`), so one of the two comes first, and the other one sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.control.catalog import catalog_for, described
from headrace.control.choice import Resolution, challenged, moved, switching, to_cancel, to_roll_back_to, to_start
from headrace.errors import Busy, Invalid, NotFound, Problem, Refused
from headrace.flows import document
from headrace.flows.catalog import set_command
from headrace.flows.disabled import running
from headrace.flows.document import Document
from headrace.flows.lint import lint
from headrace.store import components, deployments, flows, variables
from headrace.store.database import Database
from headrace.store.deployments import Cause, Deployment, Strategy
from headrace.store.flows import Flow, FlowVersion

__all__ = [
    "Cancelled",
    "Published",
    "cancel",
    "checked",
    "publish",
    "redeploy",
    "remove",
    "resolve",
    "resume",
    "rollback",
    "start",
    "stop",
    "suspend",
]

SWITCHED_WITHIN = 45.0
"""Seconds a wish waits for a switch under way, which takes a moment unless a ``startup`` hook is slow."""
LOOK_AGAIN = 0.02


@dataclass(frozen=True, slots=True)
class Published:
    """A version, and the deployment that is to run it; `None` when the flow is not to run it now."""

    version: FlowVersion
    deployment: Deployment | None
    replaces: int | None = None
    """The epoch that is live, and stays so until the deployment takes its place."""
    draft_tag: int | None = None
    """What whoever edits on saves with; `None` when there was no draft."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A deployment that will not take anybody's place."""

    flow_id: str
    deployment: Deployment
    runs: int | None
    """The epoch that goes on; `None`: the flow is stopped now."""
    draft_tag: int | None
    """Of the draft that its version was made again; `None` when it was not."""


async def publish(
    db: Database,
    name: str,
    *,
    note: str = "",
    called: str = "",
    author: str = "",
    start: bool | None = None,
    strategy: Strategy = "handover",
) -> Published:
    """Make the draft the flow's newest version and, if the flow is to run, a deployment of it.

    ``called`` is the version's own name. ``start``: True also starts a stopped flow; False leaves a running one on what
    it runs; `None` moves a running flow and leaves a stopped one stopped. Without a draft the newest version is
    deployed again on the component versions of now. Raises `NotFound` (``flow-not-found``), `Refused` (``no-draft``,
    ``nothing-moved``, or why a component version cannot be used), `Busy` (``switching``) and `Invalid`
    (``flow-document``) with every problem.
    """
    async with _settled(db, name) as (conn, flow):
        runs = _runs(flow, start)
        if flow.draft is None:
            return await _publish_again(conn, flow, _Wish(start, strategy, "publish", author, note), runs)
        written = await checked(conn, flow.draft, name)
        resolved = await resolve(conn, written) if runs else {}
        version = await flows.add_version(conn, flow.id, flow.draft, author=author, note=note, name=called)
        tag = (await flows.discard_draft(conn, name, author=author)).draft_tag
        wish = _Wish(start, strategy, "publish", author, note)
        made = await _deployed(conn, flow, version, resolved, wish) if runs else Published(version, None)
        return replace(made, draft_tag=tag)


async def rollback(
    db: Database,
    name: str,
    number: int | None = None,
    *,
    note: str = "",
    author: str = "",
    start: bool | None = None,
    strategy: Strategy = "handover",
) -> Published:
    """Run an older version as it is, on the component versions of now; without a number the one before that which runs.

    The draft and the numbers of versions stay. ``start`` and ``strategy`` as in `publish`. Raises `NotFound`
    (``flow-not-found``, ``version-not-found``), `Refused` (``flow-stopped``, ``no-older-version``, ``nothing-moved``,
    or why a component version cannot be used), `Busy` (``switching``) and `Invalid` (``flow-document``).
    """
    async with _settled(db, name) as (conn, flow):
        if not _runs(flow, start):
            next_step = f"headrace flow rollback {name} VERSION --start"
            raise Refused("flow-stopped", f"flow `{name}` is stopped", next_step=next_step)
        current = await deployments.current(conn, flow.id) or await _last(conn, flow)
        numbers = [each.number for each in await flows.list_versions(conn, flow.id)]
        chosen = to_roll_back_to(current.version if current else None, numbers, number)
        version = await flows.get_version(conn, flow.id, chosen)
        resolved = await resolve(conn, await checked(conn, version.document, name))
        await _refuse_same(conn, flow, version, resolved)
        wish = _Wish(start, strategy, "rollback", author, note)
        return await _deployed(conn, flow, version, resolved, wish)


async def cancel(db: Database, name: str, epoch: int | None = None, *, author: str = "") -> Cancelled:
    """Call off the deployment that is on its way, the newest or ``epoch``; what runs goes on. Safe twice.

    Its version stays, and, when it was published from a draft, is the draft again, unless there is one. Where nothing
    runs that could go on, the flow is stopped. Raises `NotFound` (``flow-not-found``, ``deployment-not-found``) and
    `Refused`: ``switched`` once it takes, or has taken, the place of the one before, ``nothing-to-cancel`` when it has
    ended, or nothing is on its way.
    """
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        await deployments.hold(conn, flow.id)
        rows = await deployments.list_(conn, flow.id)
        row = to_cancel(name, rows, epoch)
        if row.cancelled_by is None:
            row = await deployments.update(conn, flow.id, row.epoch, cancelled_by=author or "somebody")
        runs = next((each.epoch for each in rows if each.state == "live"), None)
        if runs is None:
            await flows.set_wish(conn, flow.id, "stopped")
        return Cancelled(flow.id, row, runs, await _draft_again(conn, flow, row, rows))


async def _draft_again(conn: AsyncConnection, flow: Flow, row: Deployment, rows: Sequence[Deployment]) -> int | None:
    """Make the newest version, which only this deployment was to run, the draft again; its tag."""
    first = not any(each.version == row.version and each.epoch != row.epoch for each in rows)
    if flow.draft is not None or row.cause != "publish" or row.version != flow.version or not first:
        return None
    version = await flows.get_version(conn, flow.id, row.version)
    return (await flows.save_draft(conn, flow.name, version.document, None, version.author)).draft_tag


async def redeploy(
    db: Database, name: str, *, cause: Cause, author: str = "", note: str = "", again: bool = False
) -> Deployment | None:
    """Run the version that runs on the component versions of now; `None` when that would change nothing.

    `None`, too, unless the flow is wished to run and live, while another deployment is on its way, and, without
    ``again``, when this very deployment was the last that was tried: a policy does not insist. Raises as `publish`.
    """
    async with _settled(db, name) as (conn, flow):
        rows = await deployments.list_(conn, flow.id)
        live = next((row for row in rows if row.state == "live"), None)
        if flow.wish != "running" or live is None or challenged(rows):
            return None
        version = await flows.get_version(conn, flow.id, live.version)
        resolved = await resolve(conn, await checked(conn, version.document, name))
        tried = live if again else rows[0]
        if not moved(live, version.number, resolved) or not moved(tried, version.number, resolved):
            return None
        return await _deploy(conn, flow, version, resolved, _Wish(None, "handover", cause, author, note))


async def start(db: Database, name: str, *, author: str = "") -> Deployment:
    """Wish the flow to run, its newest version unless it went on with another (`choice.to_start`); its deployment.

    A flow that is wished to run already goes on with what it has. Raises `NotFound` (``flow-not-found``) and `Refused`
    (``not-published``, or why a component version cannot be used).
    """
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        newest = await _newest(conn, flow)
        current = await deployments.current(conn, flow.id)
        if flow.wish == "running" and current is not None:
            return current
        number = to_start(newest, await deployments.list_(conn, flow.id))
        version = await flows.get_version(conn, flow.id, number)
        resolved = await resolve(conn, document.parse(version.document))
        last = current or await _last(conn, flow)
        if last is None or last.state == "failed" or moved(last, version.number, resolved):
            return await _deploy(conn, flow, version, resolved, _Wish(True, "handover", "start", author, ""))
        await flows.set_wish(conn, flow.id, "running")
        if last.state != "stopped":  # suspended, or still on its way to a stop
            return last
        return await deployments.update(
            conn,
            flow.id,
            last.epoch,
            state="warming",
            reason="",
            cancelled_by=None,
            ready_at=None,
            live_at=None,
            ended_at=None,
        )


async def stop(db: Database, name: str) -> Flow:
    """Wish the flow to be stopped; its queue stays. Safe twice. `NotFound` (``flow-not-found``)."""
    async with db.begin() as conn:
        flow = await flows.get(conn, name)
        await flows.set_wish(conn, flow.id, "stopped")
        return await flows.get(conn, name)


async def suspend(db: Database, name: str) -> Flow:
    """Wish the flow to accept events and process none. Safe twice.

    Raises `NotFound` (``flow-not-found``), `Refused` (``flow-stopped``) and `Busy` (``switching``).
    """
    return await _set(db, name, "suspended")


async def resume(db: Database, name: str) -> Flow:
    """Wish a suspended flow to go on, with the same deployments on the same component versions. Raises as `suspend`."""
    return await _set(db, name, "running")


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


async def checked(conn: AsyncConnection, text: str, name: str) -> Document:
    """The document of flow ``name`` that ``text`` spells; `Invalid` (``flow-document``) when it cannot be published."""
    problems = [each for each in lint(text, await catalog_for(conn, text)) if each.severity == "error"]
    if not problems:
        written = document.parse(text)
        if written.flow == name:
            return written
        problems = [Problem("flow", "wrong-name", f"the document is of flow `{written.flow}`, not of `{name}`")]
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    raise Invalid("flow-document", f"flow `{name}` cannot run: {problems[0]}{more}", problems=problems)


async def resolve(conn: AsyncConnection, written: Document) -> Resolution:
    """What each step that runs is to run; raises for the first one whose component version cannot be used."""
    resolved: dict[str, dict[str, Any]] = {}
    given, editions = await variables.set_names(conn), await variables.editions(conn)
    for step in running(written).steps:
        try:
            version = await components.resolve(conn, step.component, step.version)
        except (NotFound, Refused) as error:
            raise Refused(error.reason, f"step `{step.id}`: {error.message}", next_step=error.next_step) from error
        resolved[step.id] = {
            "component": version.component,
            "revision": version.revision,
            "commit": version.commit,
        }
        if lacking := described(version).lacking(given.get(step.component, ())):
            told = f"step `{step.id}`: component `{step.component}` needs the environment variable `{lacking[0]}`"
            raise Refused("variable-missing", told, next_step=set_command(step.component, lacking[0]))
        if step.component in editions:
            resolved[step.id]["variables"] = editions[step.component]
    return resolved


# -- a wish -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wish:
    """For a deployment. ``start`` as in `publish`."""

    start: bool | None
    strategy: Strategy
    cause: Cause
    author: str
    note: str


@asynccontextmanager
async def _settled(db: Database, name: str) -> AsyncIterator[tuple[AsyncConnection, Flow]]:
    """A writing transaction in which the flow is not between two deployments; waits for the end of a switch."""
    deadline = asyncio.get_running_loop().time() + SWITCHED_WITHIN
    while True:
        async with db.begin() as conn:
            flow = await flows.get(conn, name)
            await deployments.hold(conn, flow.id)
            if flow.wish != "running" or not switching(await deployments.active_of(conn, flow.id)):
                yield conn, flow
                return
        if asyncio.get_running_loop().time() >= deadline:
            told = f"flow `{name}` is between two deployments, for longer than usual"
            raise Busy("switching", told, retry_after=5, next_step=f"try again; `headrace flow deployments {name}`")
        await asyncio.sleep(LOOK_AGAIN)


async def _set(db: Database, name: str, wish: flows.Wish) -> Flow:
    async with _settled(db, name) as (conn, flow):
        if flow.wish == "stopped":
            raise Refused("flow-stopped", f"flow `{name}` is stopped", next_step=f"headrace flow start {name}")
        await flows.set_wish(conn, flow.id, wish)
        return await flows.get(conn, name)


def _runs(flow: Flow, start: bool | None) -> bool:
    return start is not False and (flow.wish != "stopped" or bool(start))


async def _publish_again(conn: AsyncConnection, flow: Flow, wish: _Wish, runs: bool) -> Published:
    if flow.version is None or not runs:
        raise Refused(
            "no-draft",
            f"flow `{flow.name}` has no draft to publish",
            next_step="headrace flow edit FLOW makes one; headrace flow start FLOW runs the newest version",
        )
    version = await _newest(conn, flow)
    resolved = await resolve(conn, await checked(conn, version.document, flow.name))
    if flow.wish != "stopped":
        await _refuse_same(conn, flow, version, resolved)
    return await _deployed(conn, flow, version, resolved, wish)


async def _refuse_same(conn: AsyncConnection, flow: Flow, version: FlowVersion, resolved: Resolution) -> None:
    """Refuse what would replace the newest deployment by its like: a second click must not begin a warm-up anew."""
    rows = [row for row in await deployments.active_of(conn, flow.id) if row.cancelled_by is None]
    if not rows or moved(rows[-1], version.number, resolved):
        return
    does = "runs" if rows[-1].state == "live" else f"starts deployment {rows[-1].epoch} of"
    raise Refused(
        "nothing-moved",
        f"flow `{flow.name}` {does} version {version.number} already, on the newest component versions",
        next_step=f"headrace flow show {flow.name}",
    )


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


async def _deployed(
    conn: AsyncConnection, flow: Flow, version: FlowVersion, resolved: Resolution, wish: _Wish
) -> Published:
    rows = await deployments.active_of(conn, flow.id)
    live = max((row.epoch for row in rows if row.state == "live"), default=None)
    return Published(version, await _deploy(conn, flow, version, resolved, wish), live)


async def _deploy(
    conn: AsyncConnection, flow: Flow, version: FlowVersion, resolved: Resolution, wish: _Wish
) -> Deployment:
    epoch = await flows.next_epoch(conn, flow.id)
    if flow.wish == "stopped" or wish.start:  # what is suspended stays so: it runs this when it is resumed
        await flows.set_wish(conn, flow.id, "running")
    return await deployments.create(
        conn,
        flow.id,
        epoch,
        version.number,
        resolved,
        strategy=wish.strategy,
        cause=wish.cause,
        author=wish.author,
        note=wish.note,
    )
