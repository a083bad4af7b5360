"""What publishing, starting or rolling back a flow would change, and what keeps it from happening. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api import scene as scenes
from headrace.api.commits import Commits, between
from headrace.api.deployment_views import Strategy
from headrace.api.diffs import ChangeView, change_view
from headrace.api.parts import Parts, PartsOf
from headrace.api.problems import Mistake, mistakes
from headrace.api.scene import Scene
from headrace.api.shapes import Answer, FlowName, Number, Request
from headrace.control.choice import challenged, switching
from headrace.errors import Problem
from headrace.flows.catalog import Described
from headrace.flows.diff import Change, diff
from headrace.flows.document import Step
from headrace.flows.grants import Granted, grants, step_grants
from headrace.flows.transition import hooks, interruption, resets
from headrace.store import components, deployments
from headrace.store.components import ComponentVersion

__all__ = ["router"]

PAST = 5
"""Deployments whose figures an estimate is made from."""

router = APIRouter(prefix="/flows", tags=["flows"])


class Wanted(Request):
    """What is to be planned."""

    version: Number | None = Field(default=None, description="A rollback to this version; a publish by default.")
    strategy: Strategy = "handover"


class PlannedStep(Answer):
    """One step as it would run."""

    id: str
    kind: Literal["trigger", "action", "mapper"]
    component: str | None = Field(description="Null for a mapper, which runs in the worker.")
    function: str | None
    selector: str | None = Field(description="The component version the document asks for.")
    revision: int | None = Field(description="The one it would run now; null when there is none that is built.")
    running_revision: int | None = Field(description="The one it runs at the moment.")
    change: Literal["added", "changed", "code", "same"] = Field(
        description="`code`: only its component version moves; `same`: the same code with the same text, in a new host."
    )
    snapshot: Literal["kept", "reset", "empty"] | None = Field(
        description="What it remembers: `empty` when it does not run yet; null for a mapper, which remembers nothing."
    )
    read: list[str] = Field(description="Paths of this machine it may read.")
    write: list[str] = Field(description="Paths of this machine it may read and change.")
    newly_granted: list[str] = Field(description="Those of them that it may not use so at the moment.")


class GoneView(Answer):
    """A step that runs and would run no more: its host ends once it has finished what waits for it."""

    step: str
    component: str


class NewerView(Answer):
    """A step that would stay behind the latest of its component, because the document names a component version."""

    step: str
    component: str
    selector: str
    revision: int = Field(description="The one it would run.")
    latest: int
    commits: Commits = Field(description="From the one it would run to the latest.")


class MoveView(Answer):
    """A step that would run another component version than now, and the commits in between."""

    step: str
    component: str
    from_component: str = Field(description="Another one when the step changes its component.")
    from_revision: int
    to_revision: int
    commits: Commits


class BuildView(Answer):
    """A newer component version that is not built yet: a publish now takes an older one."""

    component: str
    revision: int
    state: Literal["pushed", "building"]


class ResetView(Answer):
    """A step that begins without its snapshot: the same id would stand for other code."""

    step: str
    before: str
    after: str


class HooksView(Answer):
    """Which hooks of the trigger run within the switch, where its component has them."""

    shutdown: bool
    startup: bool
    changed: list[str] = Field(description="Because of which keys of the trigger.")


class InterruptionView(Answer):
    """How long no event is accepted; webhooks go from one deployment to the next without a gap."""

    trigger_type: Literal["polling", "webhook", "listener"] | None
    expected_ms: float | None = Field(description="From this flow's last deployments; null when there is nothing yet.")
    text: str


class PlanView(Answer):
    """``source``: what would run, the draft or, without one, a version."""

    flow: str
    source: Literal["draft", "version"]
    strategy: Strategy
    running_version: int | None
    running_epoch: int | None
    next_version: int
    step_count: int = Field(description="Steps and their mappers.")
    must_be_ready: list[str] = Field(description="Steps that have to get ready before anything is switched.")
    left_out: list[str] = Field(
        description="Steps that would not run: disabled ones, and those that only a disabled one leads to."
    )
    changes: list[ChangeView]
    moves: list[MoveView]
    variables: list[str] = Field(description="Components whose environment variables were changed since.")
    building: list[BuildView]
    steps: list[PlannedStep]
    gone: list[GoneView]
    newer: list[NewerView]
    snapshots_reset: list[ResetView]
    hooks: HooksView
    interruption: InterruptionView
    blockers: list[Mistake] = Field(description="Why it would be refused; empty when it can go ahead.")
    remarks: list[str] = Field(
        description="What else to know: builds under way, a deployment that would be superseded."
    )
    problems: list[Mistake] = Field(description="What lint says of the document.")


@router.get("/{name}/plan", operation_id="getPlan")
async def get_plan(parts: PartsOf, name: FlowName, wanted: Annotated[Wanted, Query()]) -> PlanView:
    """What would change, which code would run, what the source of events would notice, and what stands against it."""
    async with parts.db.read() as conn:
        scene = await scenes.read(conn, name, wanted.version)
    moves = await _moves(parts, scene)
    running = scene.running
    written, runs = scene.written, scene.written_before
    changes = diff(runs, written) if runs is not None and written is not None else ()
    return PlanView(
        flow=name,
        source=scene.source,
        strategy=wanted.strategy,
        running_version=running.version if running is not None else None,
        running_epoch=running.epoch if running is not None else None,
        next_version=scene.number,
        step_count=scene.after.step_count if scene.after is not None else 0,
        must_be_ready=[step.id for step in scene.after.steps] if scene.after is not None else [],
        left_out=scene.left_out,
        changes=[change_view(each) for each in changes],
        moves=moves,
        variables=scene.varied,
        building=_building(scene),
        steps=_steps(scene, changes),
        gone=_gone(scene),
        newer=await _newer(parts, scene),
        snapshots_reset=_resets(scene),
        hooks=_hooks(scene),
        interruption=_interruption(scene, wanted.strategy),
        blockers=_blockers(scene, wanted, something=bool(changes or moves or scene.varied)),
        remarks=_remarks(scene),
        problems=mistakes(scene.problems),
    )


async def _moves(parts: Parts, scene: Scene) -> list[MoveView]:
    found = []
    for step in scene.after.steps if scene.after is not None else ():
        runs, becomes = scene.now.get(step.id), scene.catalog.find(step.component, step.version)
        if runs is None or becomes is None:
            continue
        if (runs.component, runs.revision) != (step.component, becomes.revision):
            found.append((step, runs, becomes.revision))
    commits = await asyncio.gather(*(_commits(parts, step, runs, revision) for step, runs, revision in found))
    return [
        MoveView(
            step=step.id,
            component=step.component,
            from_component=runs.component,
            from_revision=runs.revision,
            to_revision=revision,
            commits=between_them,
        )
        for (step, runs, revision), between_them in zip(found, commits, strict=True)
    ]


async def _commits(parts: Parts, step: Step, runs: ComponentVersion, revision: int) -> Commits:
    if runs.component != step.component:
        return Commits(added=[], removed=[])
    async with parts.db.read() as conn:
        becomes = await components.get_version(conn, step.component, revision)
    return await between(parts, step.component, runs.commit, becomes.commit)


async def _newer(parts: Parts, scene: Scene) -> list[NewerView]:
    found = []
    for step in scene.after.steps if scene.after is not None else ():
        becomes, latest = scene.catalog.find(step.component, step.version), scene.latest.get(step.component)
        if becomes is not None and latest is not None and step.version != "latest" and becomes.revision != latest:
            found.append((step, becomes.revision, latest))
    commits = await asyncio.gather(*(_behind(parts, step.component, old, new) for step, old, new in found))
    return [
        NewerView(
            step=step.id,
            component=step.component,
            selector=str(step.version),
            revision=revision,
            latest=latest,
            commits=between_them,
        )
        for (step, revision, latest), between_them in zip(found, commits, strict=True)
    ]


async def _behind(parts: Parts, component: str, old: int, new: int) -> Commits:
    async with parts.db.read() as conn:
        runs, becomes = [await components.get_version(conn, component, revision) for revision in (old, new)]
    return await between(parts, component, runs.commit, becomes.commit)


def _gone(scene: Scene) -> list[GoneView]:
    stay = {step.id for step in scene.after.steps} if scene.after is not None else set()
    return [GoneView(step=id_, component=runs.component) for id_, runs in scene.now.items() if id_ not in stay]


def _building(scene: Scene) -> list[BuildView]:
    return [
        BuildView(component=component, revision=version.revision, state=version.state)
        for component, version in sorted(scene.newest.items())
        if version.state in ("pushed", "building")
    ]


def _steps(scene: Scene, changes: Sequence[Change]) -> list[PlannedStep]:
    if scene.after is None:
        return []
    granted = grants(scene.after, scene.catalog)
    reset = {each.step for each in resets(scene.before, scene.after)} if scene.before is not None else set()
    found = []
    for step in scene.after.steps:
        if step.input is not None:
            found.append(_mapper(step, changes))
        becomes, runs = scene.catalog.find(step.component, step.version), scene.now.get(step.id)
        found.append(
            PlannedStep(
                id=step.id,
                kind=step.kind,
                component=step.component,
                function=step.function,
                selector=str(step.version),
                revision=becomes.revision if becomes is not None else None,
                running_revision=runs.revision if runs is not None else None,
                change=_change(step, changes, runs, becomes),
                snapshot="empty" if runs is None else "reset" if step.id in reset else "kept",
                read=_paths(granted[step.id], "read"),
                write=_paths(granted[step.id], "write"),
                newly_granted=_new_paths(scene, step, granted[step.id]),
            )
        )
    return found


def _change(
    step: Step, changes: Sequence[Change], runs: ComponentVersion | None, becomes: Described | None
) -> Literal["added", "changed", "code", "same"]:
    if runs is None:
        return "added"
    if any(each.step == step.id for each in changes):
        return "changed"
    return "code" if becomes is not None and becomes.revision != runs.revision else "same"


def _mapper(step: Step, changes: Sequence[Change]) -> PlannedStep:
    kinds = {each.kind for each in changes if each.step == step.id and each.path in ("", "input")}
    return PlannedStep(
        id=f"{step.id}:mapper",
        kind="mapper",
        component=None,
        function=None,
        selector=None,
        revision=None,
        running_revision=None,
        change="added" if "added" in kinds else "changed" if kinds else "same",
        snapshot=None,
        read=[],
        write=[],
        newly_granted=[],
    )


def _paths(granted: tuple[Granted, ...], access: Literal["read", "write"]) -> list[str]:
    return [each.path for each in granted if each.access == access]


def _new_paths(scene: Scene, step: Step, granted: tuple[Granted, ...]) -> list[str]:
    """What it is granted now for the first time: to read, or to write what it could only read."""
    before = scene.before.step(step.id) if scene.before is not None and scene.running is not None else None
    had = step_grants(before, scene.runs_offer(before)) if before is not None else ()
    writes = {each.path for each in had if each.access == "write"}
    reads = writes | {each.path for each in had}
    return [each.path for each in granted if each.path not in (writes if each.access == "write" else reads)]


def _resets(scene: Scene) -> list[ResetView]:
    if scene.before is None or scene.after is None:
        return []
    found = resets(scene.before, scene.after)
    return [ResetView(step=each.step, before=each.before, after=each.after) for each in found]


def _hooks(scene: Scene) -> HooksView:
    trigger = scene.after.trigger if scene.after is not None else None
    if trigger is None:
        return HooksView(shutdown=False, startup=False, changed=[])
    before = scene.before.trigger if scene.before is not None and scene.running is not None else None
    found = hooks(before, scene.runs_offer(before) if before is not None else None, trigger, scene.next_offer(trigger))
    return HooksView(shutdown=found.shutdown, startup=found.startup, changed=list(found.changed))


def _interruption(scene: Scene, strategy: Strategy) -> InterruptionView:
    trigger = scene.after.trigger if scene.after is not None else None
    offer = scene.next_offer(trigger) if trigger is not None else None
    kind = offer.trigger_type if offer is not None else None
    past = list(scene.rows)
    gaps = [row.handover["gap_ms"] for row in past if row.handover is not None and "gap_ms" in row.handover]
    warm_ups = [float(row.ready_ms) for row in past if row.ready_ms]
    runs = scene.running is not None and scene.flow.wish == "running"
    found = interruption(kind, strategy, runs=runs, gaps=gaps[:PAST], warm_ups=warm_ups[:PAST])
    return InterruptionView(trigger_type=kind, expected_ms=found.expected_ms, text=found.text)


def _blockers(scene: Scene, wanted: Wanted, *, something: bool) -> list[Mistake]:
    """What a publish, or a rollback to ``wanted.version``, would be refused for."""
    found = [each for each in scene.problems if each.severity == "error"]
    name = scene.flow.name
    if scene.source == "version" and scene.flow.wish == "stopped":
        if wanted.version is None:
            told, suggestion = (
                "there is no draft to publish",
                f"headrace flow edit {name}, or headrace flow start {name}",
            )
            found.append(Problem("", "no-draft", told, suggestion))
        else:
            found.append(Problem("", "flow-stopped", "the flow is stopped", "roll back with --start"))
    elif scene.source == "version" and not something and not challenged(scene.rows) and scene.running is not None:
        found.append(Problem("", "nothing-moved", "the flow runs this version already, on the newest components"))
    return mistakes(found)


def _remarks(scene: Scene) -> list[str]:
    said = []
    for component, version in sorted(scene.newest.items()):
        taken = scene.catalog.find(component, "latest")
        uses = f"; revision {taken.revision} is used" if taken is not None else ""
        if version.state in ("pushed", "building"):
            said.append(f"revision {version.revision} of {component} is still being built{uses}")
        elif version.state == "failed":
            said.append(f"revision {version.revision} of {component} failed to build{uses}")
    active = [row for row in scene.rows if row.state not in deployments.ENDED]
    if scene.running is not None and switching(active):
        said.append("a switch is under way; a publish waits for its end")
    elif challenged(scene.rows):
        said.append(f"deployment {scene.rows[0].epoch} warms up, and would be superseded")
    if scene.flow.wish == "suspended":
        said.append("the flow is suspended: what is published runs when it is resumed")
    elif scene.flow.wish == "stopped":
        said.append("the flow is stopped: what is published runs when it is started")
    return said
