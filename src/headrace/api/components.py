"""Components and their versions. Code comes by git (`headrace.api.git`); `headrace.control` builds what is pushed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from headrace.api.commits import Commits, between
from headrace.api.icons import icon_path
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, ComponentName, Moment, Number, Page, PagingOf, Request, Text, paged
from headrace.api.streams import until
from headrace.api.usage import Usage, refuse_used
from headrace.components import build_log
from headrace.control.catalog import described
from headrace.control.variables import Shown
from headrace.errors import NotFound, Refused
from headrace.flows.catalog import Help
from headrace.store import components as store
from headrace.store import credentials, variables

__all__ = ["router"]

router = APIRouter(prefix="/components", tags=["components"])


class HelpView(Answer):
    """More than a description; either part may be empty."""

    description: str
    link: str


class OfferView(Answer):
    """A trigger or action."""

    name: str
    title: str
    description: str
    type: Literal["polling", "webhook", "listener"] | None = Field(default=None, description="Of a trigger.")
    help: HelpView | None = None
    order: float = Field(default=0.0, description="Place in lists, highest first.")
    deprecated: bool = Field(default=False, description="Not for new steps.")


class VersionView(Answer):
    """A component version: one pushed commit."""

    component: str
    revision: int
    commit: str
    semver: str | None = Field(description="The semantic version its descriptor states.")
    author: str
    message: str
    committed_at: Moment | None
    pushed_at: Moment
    state: Literal["pushed", "building", "ready", "failed"]
    reason: str = Field(description="Why it failed.")
    built_at: Moment | None
    is_latest: bool
    flows: list[str] = Field(description="Flows that run it now.")
    log: str = Field(description="Where its build log is: a path on this server.")
    warnings: list[str]


class VersionDetail(VersionView):
    """A component version with its whole descriptor."""

    descriptor: dict[str, Any]


class ComponentView(Answer):
    """A component, with what its latest version offers."""

    name: str
    created_at: Moment
    latest: int | None = Field(description="The revision that `version: latest` means; null before the first build.")
    git_path: str = Field(description="Where to push to, on this server.")
    title: str
    description: str
    help: HelpView | None = Field(description="What its descriptor says beside the description, or its `docsUrl`.")
    icon: str | None = Field(description="Where its picture is: a path on this server; null when it has none.")
    deprecated: bool
    triggers: list[OfferView]
    actions: list[OfferView]
    newest: VersionView | None = Field(description="The version pushed last.")
    flows: list[str] = Field(description="Flows whose newest version uses it.")


class VariableView(Answer):
    """An environment variable; never its value."""

    name: str
    is_set: bool
    required: bool
    declared: bool = Field(description="`component.json` names it.")
    description: str


class VariablesView(Answer):
    """The environment variables of a component's hosts."""

    component: str
    variables: list[VariableView] = Field(description="Those declared, then others that have a value.")
    author: str = Field(description="Who changed them last.")
    changed_at: Moment | None
    behind: list[str] = Field(description="Flows whose running deployment was made before the last change.")


class VariableChanges(Request):
    values: dict[Text, Text | None] = Field(
        max_length=200, description="Values to set; null takes one away, others stay. They are stored encrypted."
    )


class NewComponent(Request):
    name: ComponentName


class Received(Request):
    """What the repository's hook tells of a push."""

    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    ref: str = Field(default="refs/heads/main", max_length=300)


@router.get("", operation_id="listComponents")
async def list_components(parts: PartsOf, page: PagingOf) -> Page[ComponentView]:
    """All components, by name."""
    async with parts.db.read() as conn:
        items, following = paged(await store.list_(conn), lambda each: each.name, page)
        usage = await Usage.read(conn)
        views = [_component(each, await store.list_versions(conn, each.name), usage) for each in items]
    return Page(items=views, next=following)


@router.post("", status_code=201, operation_id="createComponent")
async def create_component(parts: PartsOf, new: NewComponent) -> ComponentView:
    """Make an empty component to push to."""
    async with parts.db.begin() as conn:
        made = await store.create(conn, new.name)
        await parts.repositories.create(new.name)
    return _component(made, [], Usage.none())


@router.get("/{name}", operation_id="getComponent")
async def get_component(parts: PartsOf, name: ComponentName) -> ComponentView:
    """One component."""
    async with parts.db.read() as conn:
        component = await store.get(conn, name)
        return _component(component, await store.list_versions(conn, name), await Usage.read(conn))


@router.delete("/{name}", status_code=204, operation_id="removeComponent")
async def remove_component(parts: PartsOf, name: ComponentName) -> None:
    """Remove a component with its repository and all its versions. Refused (`in-use`) while a flow uses it."""
    async with parts.db.begin() as conn:
        owner = await store.get(conn, name)
        refuse_used(f"component `{name}`", (await Usage.read(conn)).of_component(name))
        if theirs := [each.name for each in await credentials.list_(conn, component=name)]:
            told = f"component `{name}` has the credentials {', '.join(theirs)}"
            raise Refused("in-use", told, next_step=f"headrace credential remove {theirs[0]}")
        held = await variables.find(conn, owner.id)
        await store.remove(conn, name)
    if held is not None:
        await parts.variables.forget(held.id)
    await parts.repositories.remove(name)


@router.get("/{name}/variables", operation_id="getComponentVariables")
async def get_component_variables(parts: PartsOf, name: ComponentName) -> VariablesView:
    """Which environment variables its hosts get, and which its latest version needs; never a value."""
    return _variables(name, await parts.variables.shown(name))


@router.patch("/{name}/variables", operation_id="setComponentVariables")
async def set_component_variables(
    parts: PartsOf, caller: Caller, name: ComponentName, changes: VariableChanges
) -> VariablesView:
    """Set environment variables. A running flow gets them with its next deployment."""
    shown = await parts.variables.change(name, changes.values, author=caller)
    parts.announce("component", {"component": name})
    return _variables(name, shown)


@router.get("/{name}/versions", operation_id="listComponentVersions")
async def list_component_versions(parts: PartsOf, name: ComponentName, page: PagingOf) -> Page[VersionView]:
    """Its versions, newest first."""
    async with parts.db.read() as conn:
        component = await store.get(conn, name)
        versions = await store.list_versions(conn, name)
        usage = await Usage.read(conn)
    items, following = paged(versions, lambda each: str(each.revision), page)
    return Page(items=[VersionView(**_version(each, component.latest, usage)) for each in items], next=following)


@router.get("/{name}/versions/{revision}", operation_id="getComponentVersion")
async def get_component_version(parts: PartsOf, name: ComponentName, revision: Number) -> VersionDetail:
    """One version, with its descriptor."""
    async with parts.db.read() as conn:
        component = await store.get(conn, name)
        version = await store.get_version(conn, name, revision)
        usage = await Usage.read(conn)
    return VersionDetail(**_version(version, component.latest, usage), descriptor=version.descriptor)


@router.get("/{name}/versions/{revision}/commits", operation_id="listComponentCommits")
async def list_component_commits(
    parts: PartsOf,
    name: ComponentName,
    revision: Number,
    since: Annotated[Number, Query(description="The revision to come from; either may be the older one.")],
) -> Commits:
    """The commits that lie between two versions: what a step would get that moves from `since` to this one."""
    async with parts.db.read() as conn:
        old, new = [await store.get_version(conn, name, each) for each in (since, revision)]
    return await between(parts, name, old.commit, new.commit)


@router.delete("/{name}/versions/{revision}", status_code=204, operation_id="removeComponentVersion")
async def remove_component_version(parts: PartsOf, name: ComponentName, revision: Number) -> None:
    """Remove one version; its number is not given again. Refused (`in-use`) while a flow runs or names it."""
    async with parts.db.begin() as conn:
        version = await store.get_version(conn, name, revision)
        refuse_used(f"revision {revision} of component `{name}`", (await Usage.read(conn)).of_version(version))
        await store.remove_version(conn, name, revision)


@router.post("/{name}/received", operation_id="receivePush")
async def receive_push(parts: PartsOf, name: ComponentName, received: Received) -> VersionDetail:
    """Note a push and have it built. Called by the repository's hook; a second call for a commit changes nothing."""
    version = await parts.builds.received(name, received.commit, received.ref)
    async with parts.db.read() as conn:
        component = await store.get(conn, name)
        usage = await Usage.read(conn)
    return VersionDetail(**_version(version, component.latest, usage), descriptor=version.descriptor)


@router.get(
    "/{name}/versions/{revision}/log",
    operation_id="readBuildLog",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The build log"}},
)
async def read_build_log(
    parts: PartsOf,
    name: ComponentName,
    revision: Number,
    follow: bool = Query(default=False, description="Go on until the build ends; the last line says how it did."),
) -> StreamingResponse:
    """What was said during the build. Followed, it ends with the line `ready` or `failed: <reason>`."""
    async with parts.db.read() as conn:
        await store.get_version(conn, name, revision)
    lines = _log(parts, name, revision, follow)
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def _variables(component: str, shown: Shown) -> VariablesView:
    views = [
        VariableView(name=each.name, is_set=is_set, required=each.required, declared=True, description=each.description)
        for each, is_set in shown.declared
    ]
    views += [
        VariableView(name=name, is_set=True, required=False, declared=False, description="") for name in shown.others
    ]
    return VariablesView(
        component=component,
        variables=views,
        author=shown.author,
        changed_at=shown.changed_at,
        behind=list(shown.behind),
    )


def _component(component: store.Component, versions: list[store.ComponentVersion], usage: Usage) -> ComponentView:
    by_revision = {version.revision: version for version in versions}
    shown = by_revision.get(component.latest or 0, versions[0] if versions else None)
    about = described(shown) if shown else None
    offers = list(about.offers.values()) if about else []
    views = {
        kind: [
            OfferView(
                name=offer.name,
                title=offer.title,
                description=offer.description,
                type=offer.trigger_type,
                help=_help(offer.help),
                order=offer.order,
                deprecated=offer.deprecated,
            )
            for offer in offers
            if offer.kind == kind
        ]
        for kind in ("trigger", "action")
    }
    return ComponentView(
        name=component.name,
        created_at=component.created_at,
        latest=component.latest,
        git_path=f"/git/{component.name}.git",
        title=about.title if about else "",
        description=about.description if about else "",
        help=(_help(about.help) or _docs(shown)) if about and shown else None,
        icon=icon_path(shown) if shown else None,
        deprecated=about.deprecated if about else False,
        triggers=views["trigger"],
        actions=views["action"],
        newest=VersionView(**_version(versions[0], component.latest, usage)) if versions else None,
        flows=list(usage.of_component(component.name)),
    )


def _help(help_: Help | None) -> HelpView | None:
    return HelpView(description=help_.description, link=help_.link) if help_ is not None else None


def _docs(version: store.ComponentVersion) -> HelpView | None:
    link = version.descriptor.get("docsUrl")
    return HelpView(description="", link=link) if isinstance(link, str) and link else None


def _version(version: store.ComponentVersion, latest: int | None, usage: Usage) -> Mapping[str, Any]:
    return {
        "component": version.component,
        "revision": version.revision,
        "commit": version.commit,
        "semver": version.semver,
        "author": version.author,
        "message": version.message,
        "committed_at": version.committed_at,
        "pushed_at": version.pushed_at,
        "state": version.state,
        "reason": version.reason,
        "built_at": version.built_at,
        "is_latest": version.revision == latest,
        "log": f"/api/v1/components/{version.component}/versions/{version.revision}/log",
        "flows": list(usage.running(version.component, version.revision)),
        "warnings": version.warnings,
    }


async def _log(parts: Parts, name: str, revision: int, follow: bool) -> AsyncIterator[str]:
    """Lines of the log; one that breaks off (the server was killed in between) ends with how the build went."""

    async def ended() -> bool:
        return not follow or await _outcome(parts, name, revision) is not None

    lines = build_log.follow(parts.settings.build_log(name, revision), ended)
    final = False
    async for line in until(parts.stopping, lines):
        final = build_log.is_final(line)
        yield f"{line}\n"
    outcome = None if final else await _outcome(parts, name, revision)
    if outcome is not None:
        yield f"{outcome}\n"


async def _outcome(parts: Parts, name: str, revision: int) -> str | None:
    """The last line of its log; `None` while it is to be built."""
    async with parts.db.read() as conn:
        try:
            version = await store.get_version(conn, name, revision)
        except NotFound:
            return "failed: it was removed"
    if version.state == "ready":
        return build_log.READY
    return f"failed: {version.reason}" if version.state == "failed" else None
