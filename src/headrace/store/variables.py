"""Environment variables of components: which are set. Their values are not here but in the broker, encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import components, variables

__all__ = ["Variables", "editions", "ensure", "find", "ids", "note", "set_names"]


@dataclass(frozen=True, slots=True)
class Variables:
    """``id`` is where the broker has the values of ``names``. ``edition`` counts the changes; 0: there was none yet."""

    component_id: int
    id: str
    edition: int
    names: list[str]
    author: str
    changed_at: int


_select = select(*columns(variables, Variables))


async def find(conn: AsyncConnection, component_id: int) -> Variables | None:
    """What is set for the component; `None`: nothing ever was."""
    row = (await conn.execute(_select.where(variables.c.component_id == component_id))).one_or_none()
    return None if row is None else Variables(*row)


async def ensure(conn: AsyncConnection, component_id: int, id_: str) -> Variables:
    """The same, made under ``id_`` when it is not there."""
    found = await find(conn, component_id)
    if found is None:
        found = Variables(component_id, id_, 0, [], "", now_ms())
        values = {name: getattr(found, name) for name in Variables.__slots__}
        await conn.execute(insert(variables).values(**values))
    return found


async def note(conn: AsyncConnection, id_: str, edition: int, names: Sequence[str], author: str) -> None:
    """Note what is set as of ``edition``; nothing happens when that or a later one is noted already."""
    values = {"edition": edition, "names": list(names), "author": author, "changed_at": now_ms()}
    older = (variables.c.id == id_, variables.c.edition < edition)
    await conn.execute(update(variables).where(*older).values(**values))


async def ids(conn: AsyncConnection) -> set[str]:
    """Where the broker has values."""
    return set(await conn.scalars(select(variables.c.id)))


async def editions(conn: AsyncConnection) -> dict[str, int]:
    """How often the variables of each component were changed, by its name; without those of which none ever was."""
    found = select(components.c.name, variables.c.edition).join_from(variables, components)
    return {name: edition for name, edition in await conn.execute(found) if edition}


async def set_names(conn: AsyncConnection) -> dict[str, frozenset[str]]:
    """Which variables have a value, by the component's name."""
    found = select(components.c.name, variables.c.names).join_from(variables, components)
    return {name: frozenset(names) for name, names in await conn.execute(found)}
