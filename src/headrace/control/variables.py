"""Environment variables of components: set and taken away by people, given to every host of the component.

Which are set is in the store, their values are in the broker, encrypted, as those of credentials are: they often are
secrets. A change reaches a host when it starts; a deployment says under which edition it was made, so one that is
made after a change is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus.secrets import VARIABLES, Secret, Secrets
from headrace.components.descriptor import Descriptor
from headrace.components.variables import MOST, problems
from headrace.errors import Invalid, NotFound, Problem, Refused
from headrace.flows.catalog import Variable
from headrace.ids import new_id
from headrace.store import components, deployments, flows
from headrace.store import variables as store
from headrace.store.database import Database

__all__ = ["Shown", "Variables", "values_of"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be told: which variables there are and which have a value, not which value."""

    declared: tuple[tuple[Variable, bool], ...]
    """Those in the descriptor, each with whether it has a value."""
    others: tuple[str, ...]
    """Names of further ones that have a value."""
    author: str
    changed_at: int | None
    behind: tuple[str, ...]
    """Flows that run under an earlier edition."""


class Variables:
    """The environment variables of a server's components."""

    def __init__(self, db: Database, secrets: Secrets) -> None:
        self._db = db
        self._secrets = secrets

    async def shown(self, component: str) -> Shown:
        """What may be told of the component's; `NotFound` (``component-not-found``)."""
        async with self._db.read() as conn:
            owner = await components.get(conn, component)
            found = await store.find(conn, owner.id)
            declared = await _declared(conn, owner)
            behind = await _behind(conn, component, found.edition if found is not None else 0)
        given = found.names if found is not None else ()
        return Shown(
            declared=tuple((each, name in given) for name, each in declared.items()),
            others=tuple(name for name in given if name not in declared),
            author=found.author if found is not None else "",
            changed_at=found.changed_at if found is not None and found.edition else None,
            behind=behind,
        )

    async def change(self, component: str, changes: Mapping[str, Any], *, author: str = "") -> Shown:
        """Set values; `None` takes one away. The server may die anywhere in here: the same change again mends it.

        Raises `NotFound` (``component-not-found``), `Invalid` (``bad-variables``), `TooLarge` (``too-large``).
        """
        _check(list(problems(changes)))
        async with self._db.begin() as conn:
            owner = await components.get(conn, component)
            held = await store.ensure(conn, owner.id, f"{VARIABLES}{new_id()}")
        secret = await self._changed(held.id, changes)
        async with self._db.begin() as conn:
            await store.note(conn, held.id, secret.edition, sorted(secret.values), author)
        return await self.shown(component)

    async def values(self, component_id: int) -> dict[str, str]:
        """See `values_of`."""
        return await values_of(self._db, self._secrets, component_id)

    async def forget(self, id_: str) -> None:
        """Forget the values of a component that was removed."""
        await self._secrets.delete(id_)

    async def _changed(self, id_: str, changes: Mapping[str, Any]) -> Secret:
        try:
            return await self._secrets.change(id_, lambda secret: _applied(secret, changes))
        except NotFound:
            wanted = _applied(Secret({}), changes)
        if not wanted.values:
            return Secret({})
        try:
            return await self._secrets.create(id_, wanted.values)
        except Refused as error:
            if error.reason != "changed":
                raise
        return await self._secrets.change(id_, lambda secret: _applied(secret, changes))


async def values_of(db: Database, secrets: Secrets, component_id: int) -> dict[str, str]:
    """What hosts of the component get; `Unavailable`, or `Refused` where the keys do not open it."""
    async with db.read() as conn:
        held = await store.find(conn, component_id)
    if held is None:
        return {}
    try:
        return dict((await secrets.get(held.id)).values)
    except NotFound:  # the server died between the two halves of the first change
        return {}


def _applied(secret: Secret, changes: Mapping[str, Any]) -> Secret:
    values = {name: value for name, value in {**secret.values, **changes}.items() if value is not None}
    if values == secret.values:
        return secret
    if len(values) > MOST:
        _check([Problem("values", "too-many", f"a component may have {MOST} variables", "take some away")])
    return replace(secret, values=values, edition=secret.edition + 1)


def _check(found: list[Problem]) -> None:
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise Invalid("bad-variables", f"{found[0]}{more}", problems=found)


async def _declared(conn: AsyncConnection, owner: components.Component) -> dict[str, Variable]:
    """As the latest version says, or, where none is built yet, the newest push: it may need them to be built."""
    versions = await components.list_versions(conn, owner.name)
    chosen = next((each for each in versions if each.revision == owner.latest), versions[0] if versions else None)
    return {} if chosen is None else Descriptor(chosen.descriptor).variables


async def _behind(conn: AsyncConnection, component: str, edition: int) -> tuple[str, ...]:
    names = {flow.id: flow.name for flow in await flows.list_(conn)}
    return tuple(
        sorted(
            {
                names[row.flow_id]
                for row in await deployments.active(conn)
                for which in row.resolved.values()
                if row.state == "live" and which["component"] == component and which.get("variables", 0) != edition
            }
            & set(names.values())
        )
    )
