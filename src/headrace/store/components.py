"""Components and their versions.

    pushed ──▶ building ──▶ ready
      ▲           │  └────▶ failed
      └───────────┘ server restart; a failed commit pushed again goes back to pushed, too

The *latest* of a component is the ready version that was pushed last. A push of a commit that is known makes no new
revision: it counts as that revision's newest push.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import component_versions as versions
from headrace.store.tables import components

__all__ = [
    "BuildState",
    "Component",
    "ComponentVersion",
    "add_version",
    "build_failed",
    "built",
    "create",
    "get",
    "get_version",
    "list_",
    "list_versions",
    "next_to_build",
    "remove",
    "remove_version",
    "requeue_building",
    "resolve",
]

BuildState = Literal["pushed", "building", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Component:
    """``latest`` is the revision that ``version: latest`` means; None before the first good build."""

    id: int
    name: str
    created_at: int
    latest: int | None


@dataclass(frozen=True, slots=True)
class ComponentVersion:
    """One pushed commit. ``build`` is the JSON of a `headrace.flows.deployment.Code` when ready, ``reason`` why not."""

    component: str
    component_id: int
    revision: int
    commit: str
    semver: str | None
    author: str
    message: str
    committed_at: int | None
    pushed_at: int
    descriptor: dict[str, Any]
    state: BuildState
    reason: str
    built_at: int | None
    build: dict[str, Any] | None
    warnings: list[str]


_components = select(*columns(components, Component))
_versions = select(*columns(versions, ComponentVersion, component=components.c.name)).join_from(versions, components)


async def create(conn: AsyncConnection, name: str) -> Component:
    """Make an empty component. `Refused` (``component-exists``) when the name is taken."""
    now = now_ms()
    values = {"name": name, "created_at": now, "last_revision": 0, "last_push": 0}
    try:
        async with conn.begin_nested():
            result = await conn.execute(insert(components).values(**values).returning(components.c.id))
    except IntegrityError:
        raise Refused(
            "component-exists",
            f"there already is a component `{name}`",
            next_step="push to it, or choose another name",
        ) from None
    return Component(id=result.scalar_one(), name=name, created_at=now, latest=None)


async def get(conn: AsyncConnection, name: str) -> Component:
    """The component of that name, or `NotFound` (``component-not-found``)."""
    row = (await conn.execute(_components.where(components.c.name == name))).one_or_none()
    if row is None:
        raise _no_component(name)
    return Component(*row)


async def list_(conn: AsyncConnection) -> list[Component]:
    """All components by name."""
    return [Component(*row) for row in await conn.execute(_components.order_by(components.c.name))]


async def remove(conn: AsyncConnection, name: str) -> Component:
    """Remove the component with all its versions; returns what it was. Whether a flow uses it is asked elsewhere."""
    component = await get(conn, name)
    await conn.execute(delete(components).where(components.c.id == component.id))
    return component


async def add_version(
    conn: AsyncConnection,
    component: str,
    commit: str,
    *,
    descriptor: Mapping[str, Any],
    semver: str | None = None,
    author: str = "",
    message: str = "",
    committed_at: int | None = None,
    warnings: Sequence[str] = (),
) -> ComponentVersion:
    """Note a push. A new commit gets the next revision and waits to be built.

    A known commit keeps its revision: a ready one becomes latest at once, a failed one waits to be built again.
    """
    owner = (
        await conn.execute(
            update(components)
            .where(components.c.name == component)
            .values(last_push=components.c.last_push + 1)
            .returning(components.c.id, components.c.last_revision, components.c.last_push)
        )
    ).one_or_none()
    if owner is None:
        raise _no_component(component)
    known = (
        await conn.execute(
            select(versions.c.revision, versions.c.state).where(
                versions.c.component_id == owner.id, versions.c.commit == commit
            )
        )
    ).one_or_none()
    if known is not None:
        await _push_again(conn, owner.id, known.revision, known.state, owner.last_push)
        return await get_version(conn, component, known.revision)
    revision = owner.last_revision + 1
    await conn.execute(update(components).where(components.c.id == owner.id).values(last_revision=revision))
    await conn.execute(
        insert(versions).values(
            component_id=owner.id,
            revision=revision,
            push=owner.last_push,
            commit=commit,
            semver=semver,
            author=author,
            message=message,
            committed_at=committed_at,
            pushed_at=now_ms(),
            descriptor=dict(descriptor),
            state="pushed",
            reason="",
            warnings=list(warnings),
        )
    )
    return await get_version(conn, component, revision)


async def _push_again(conn: AsyncConnection, component_id: int, revision: int, state: str, push: int) -> None:
    changes: dict[str, Any] = {"push": push}
    if state == "failed":
        changes |= {"state": "pushed", "reason": ""}
    await _update(conn, component_id, revision, **changes)
    if state == "ready":
        await _set_latest(conn, component_id)


async def get_version(conn: AsyncConnection, name: str, revision: int) -> ComponentVersion:
    """That revision, or `NotFound` (``component-not-found``, ``version-not-found``)."""
    found = _versions.where(components.c.name == name, versions.c.revision == revision)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        await get(conn, name)
        raise _no_version(name, str(revision))
    return ComponentVersion(*row)


async def list_versions(conn: AsyncConnection, name: str) -> list[ComponentVersion]:
    """All versions, newest revision first; `NotFound` for an unknown component."""
    await get(conn, name)
    return await _all(conn, _versions.where(components.c.name == name).order_by(versions.c.revision.desc()))


async def next_to_build(conn: AsyncConnection) -> ComponentVersion | None:
    """Claim the version that has waited longest (it is ``building`` from now on); None when none waits."""
    waiting = (
        _versions.where(versions.c.state == "pushed")
        .order_by(versions.c.pushed_at, versions.c.push)
        .limit(1)
        .with_for_update(of=versions, skip_locked=True)
    )
    row = (await conn.execute(waiting)).one_or_none()
    if row is None:
        return None
    found = ComponentVersion(*row)
    await _update(conn, found.component_id, found.revision, state="building")
    return replace(found, state="building")


async def built(conn: AsyncConnection, name: str, revision: int, code: Mapping[str, Any]) -> ComponentVersion:
    """Note a good build. It becomes latest unless one that was pushed later already is."""
    version = await get_version(conn, name, revision)
    await _update(conn, version.component_id, revision, state="ready", reason="", built_at=now_ms(), build=dict(code))
    await _set_latest(conn, version.component_id)
    return await get_version(conn, name, revision)


async def build_failed(conn: AsyncConnection, name: str, revision: int, reason: str) -> ComponentVersion:
    """Note a failed build; latest stays what it is."""
    version = await get_version(conn, name, revision)
    await _update(conn, version.component_id, revision, state="failed", reason=reason, built_at=now_ms())
    return await get_version(conn, name, revision)


async def requeue_building(conn: AsyncConnection) -> int:
    """Let builds that a stopped server left unfinished wait again; returns how many."""
    result = await conn.execute(update(versions).where(versions.c.state == "building").values(state="pushed"))
    return result.rowcount


async def remove_version(conn: AsyncConnection, name: str, revision: int) -> ComponentVersion:
    """Remove one version; its number is not given again. Whether a flow uses it is asked elsewhere."""
    version = await get_version(conn, name, revision)
    await conn.execute(
        delete(versions).where(versions.c.component_id == version.component_id, versions.c.revision == revision)
    )
    await _set_latest(conn, version.component_id)
    return version


async def resolve(conn: AsyncConnection, name: str, selector: str | int) -> ComponentVersion:
    """The built version that ``selector`` means: ``latest``, a revision, or a semantic version (its newest push).

    `NotFound` (``component-not-found``, ``version-not-found``) or `Refused` (``not-built``).
    """
    component = await get(conn, name)
    if selector == "latest":
        return await _latest(conn, component)
    text = str(selector)
    if text.isdecimal():
        found = await get_version(conn, name, int(text))
    else:
        ready_first = versions.c.state != "ready"
        query = _versions.where(components.c.name == name, versions.c.semver == text)
        row = (await conn.execute(query.order_by(ready_first, versions.c.push.desc()).limit(1))).one_or_none()
        if row is None:
            raise _no_version(name, text)
        found = ComponentVersion(*row)
    if found.state != "ready":
        raise _not_built(found)
    return found


async def _latest(conn: AsyncConnection, component: Component) -> ComponentVersion:
    if component.latest is not None:
        return await get_version(conn, component.name, component.latest)
    all_ = await list_versions(conn, component.name)
    if all_:
        raise _not_built(all_[0])
    raise NotFound(
        "version-not-found",
        f"nothing was pushed to component `{component.name}` yet",
        next_step=f"use `headrace component push DIR --name {component.name}` or git push",
    )


async def _all(conn: AsyncConnection, query: Select[Any]) -> list[ComponentVersion]:
    return [ComponentVersion(*row) for row in await conn.execute(query)]


async def _update(conn: AsyncConnection, component_id: int, revision: int, **changes: Any) -> None:
    where = (versions.c.component_id == component_id, versions.c.revision == revision)
    await conn.execute(update(versions).where(*where).values(**changes))


async def _set_latest(conn: AsyncConnection, component_id: int) -> None:
    newest = (
        select(versions.c.revision)
        .where(versions.c.component_id == component_id, versions.c.state == "ready")
        .order_by(versions.c.push.desc())
        .limit(1)
        .scalar_subquery()
    )
    await conn.execute(update(components).where(components.c.id == component_id).values(latest=newest))


def _no_component(name: str) -> NotFound:
    return NotFound("component-not-found", f"there is no component `{name}`", next_step="see `headrace component list`")


def _no_version(name: str, selector: str) -> NotFound:
    return NotFound(
        "version-not-found",
        f"component `{name}` has no version {selector}",
        next_step=f"see `headrace component versions {name}`",
    )


def _not_built(version: ComponentVersion) -> Refused:
    name, commit = version.component, version.commit[:7]
    failed = version.state == "failed"
    happened = f"failed to build: {version.reason}" if failed else "is not built yet"
    return Refused(
        "not-built",
        f"revision {version.revision} of component `{name}` ({commit}) {happened}",
        next_step=f"see `headrace component log {name} {version.revision}`",
    )
