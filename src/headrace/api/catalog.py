"""The components a flow document names, read from the store for lint, which reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.components.descriptor import Descriptor, Language
from headrace.errors import Invalid, NotFound, Refused
from headrace.flows.catalog import BuildState, Described, Listing, Selector
from headrace.flows.document import named, parse
from headrace.store import components
from headrace.store.components import ComponentVersion

__all__ = ["catalog_for", "described"]


async def catalog_for(conn: AsyncConnection, text: str) -> Listing:
    """What lint needs to know about the document ``text``; a text that is none names nothing."""
    names = tuple(component.name for component in await components.list_(conn))
    try:
        wanted = named(parse(text))
    except Invalid:
        return Listing(names)
    found: dict[tuple[str, Selector], Described] = {}
    states: dict[tuple[str, Selector], BuildState] = {}
    for component in {component for component, _ in wanted} & set(names):
        for selector, state in _states(await components.list_versions(conn, component)):
            states.setdefault((component, selector), state)
    for component, selector in wanted:
        try:
            found[component, selector] = described(await components.resolve(conn, component, selector))
        except (NotFound, Refused):
            continue
    return Listing(names, found, states)


def described(version: ComponentVersion) -> Described:
    """A component version as flows see it."""
    language = cast(Language, (version.build or {}).get("language", "python"))
    return Descriptor(version.descriptor).described(version.component, version.revision, language)


def _states(versions: Iterable[ComponentVersion]) -> Iterable[tuple[Selector, BuildState]]:
    """How far each is, newest first, under every name it has."""
    for version in versions:
        yield "latest", version.state
        yield version.revision, version.state
        if version.semver is not None:
            yield version.semver, version.state
