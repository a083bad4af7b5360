"""The components a flow document names, read from the store for lint, which reads nothing itself."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.components.descriptor import Descriptor
from headrace.control.credentials import NOT_CONNECTED
from headrace.errors import Invalid, NotFound, Refused
from headrace.flows import document
from headrace.flows.catalog import BuildState, Described, Listing, Selector
from headrace.store import components, credentials, variables
from headrace.store.components import ComponentVersion

__all__ = ["catalog_for", "described"]


async def catalog_for(conn: AsyncConnection, text: str) -> Listing:
    """What lint needs to know about the document ``text``; a text that is none names nothing."""
    names = tuple(component.name for component in await components.list_(conn))
    found: dict[tuple[str, Selector], Described] = {}
    states: dict[tuple[str, Selector], BuildState] = {}
    for component, selector in _named(text):
        if component not in names:
            continue
        try:
            found[component, selector] = described(await components.resolve(conn, component, selector))
        except (NotFound, Refused):
            states |= await _states(conn, component, selector)
    held = await credentials.list_(conn)
    secrets = {each.name: each.component for each in held}
    doubtful = {each.name: each.reason for each in held if each.state == "failed" or each.reason == NOT_CONNECTED}
    return Listing(names, found, states, secrets, await variables.set_names(conn), doubtful)


def described(version: ComponentVersion) -> Described:
    """A component version as flows see it."""
    language = (version.build or {}).get("language", "python")
    return Descriptor(version.descriptor).described(version.component, version.revision, language)


def _named(text: str) -> frozenset[tuple[str, Selector]]:
    try:
        return document.named(document.parse(text))
    except Invalid:
        return frozenset()


async def _states(conn: AsyncConnection, component: str, selector: Selector) -> dict[tuple[str, Selector], BuildState]:
    """All there is to choose from, where the choice that was made does not do."""
    states: dict[tuple[str, Selector], BuildState] = {}
    versions = await components.list_versions(conn, component)
    for version in reversed(versions):
        states[component, version.revision] = version.state
        if version.semver is not None:
            states[component, version.semver] = version.state
    if selector == "latest" and versions:
        states[component, "latest"] = versions[0].state
    return states
