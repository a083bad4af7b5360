"""Credentials: what is known of them. Their values are not here but in the broker, encrypted (`headrace.bus.secrets`).

unverified ──verify──▶ verified        An edit starts again at the front. A token that cannot be renewed is told
     └───────verify──▶ failed          apart, in ``token_error``: the state is the one before when it works again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.ids import new_id
from headrace.store import components as components_store
from headrace.store.clock import now_ms
from headrace.store.flows import WORKSPACE
from headrace.store.rows import columns
from headrace.store.tables import components, credentials

__all__ = [
    "Credential",
    "State",
    "changed",
    "checked",
    "create",
    "get",
    "list_",
    "remove",
    "token_due",
    "token_failed",
    "token_got",
    "with_tokens",
]

State = Literal["unverified", "verified", "failed"]


@dataclass(frozen=True, slots=True)
class Credential:
    """``reason`` says why it failed, or why it could not be verified; ``token_error`` why it has no fresh token.

    ``token_until`` is when its token expires, ``token_due_at`` when the next one is to be got.
    """

    id: str
    workspace: str
    name: str
    component: str
    author: str
    created_at: int
    changed_at: int
    state: State
    reason: str
    checked_at: int | None
    token_until: int | None
    token_due_at: int | None
    token_failures: int
    token_error: str


_select = select(*columns(credentials, Credential, component=components.c.name)).join_from(credentials, components)


async def create(
    conn: AsyncConnection, name: str, component: str, *, author: str = "", workspace: str = WORKSPACE
) -> Credential:
    """Note a credential. `Refused` (``credential-exists``), `NotFound` (``component-not-found``)."""
    owner = await components_store.get(conn, component)
    now = now_ms()
    made = Credential(new_id(), workspace, name, component, author, now, now, "unverified", "", None, None, None, 0, "")
    values: dict[str, Any] = {field: getattr(made, field) for field in Credential.__slots__ if field != "component"}
    try:
        async with conn.begin_nested():
            await conn.execute(insert(credentials).values(**values, component_id=owner.id))
    except IntegrityError:
        told = f"there already is a credential `{name}`"
        raise Refused("credential-exists", told, next_step=f"headrace credential edit {name}") from None
    return made


async def get(conn: AsyncConnection, name: str, workspace: str = WORKSPACE) -> Credential:
    """The credential of that name, or `NotFound` (``credential-not-found``)."""
    found = _select.where(credentials.c.name == name, credentials.c.workspace == workspace)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        told = f"there is no credential `{name}`"
        raise NotFound("credential-not-found", told, next_step="see `headrace credential list`")
    return Credential(*row)


async def list_(conn: AsyncConnection, *, component: str | None = None) -> list[Credential]:
    """All credentials, or those for one component, by name."""
    found = _select if component is None else _select.where(components.c.name == component)
    return [Credential(*row) for row in await conn.execute(found.order_by(credentials.c.name))]


async def changed(conn: AsyncConnection, id_: str, author: str) -> None:
    """Note that a person has changed its values: nothing is known of them now."""
    await _update(conn, id_, changed_at=now_ms(), author=author, state="unverified", reason="", checked_at=None)


async def checked(conn: AsyncConnection, id_: str, state: State, reason: str = "") -> None:
    """Note what a verification said; nothing happens when the credential is gone."""
    await _update(conn, id_, state=state, reason=reason, checked_at=now_ms())


async def token_got(conn: AsyncConnection, id_: str, *, until: int | None, due_at: int | None) -> None:
    """Note that it has a fresh token, until when, and when to get the next one (`None`: never)."""
    await _update(conn, id_, token_until=until, token_due_at=due_at, token_failures=0, token_error="")


async def token_failed(conn: AsyncConnection, id_: str, why: str, *, failures: int, due_at: int) -> None:
    """Note why it got no token, the how many-eth time in a row that was, and when to try again."""
    await _update(conn, id_, token_error=why, token_failures=failures, token_due_at=due_at)


async def token_due(conn: AsyncConnection, id_: str, at: int) -> None:
    """Have a token got at that time."""
    await _update(conn, id_, token_due_at=at)


async def with_tokens(conn: AsyncConnection) -> list[Credential]:
    """Those that are to get a token some time, the next one first."""
    found = _select.where(credentials.c.token_due_at.is_not(None)).order_by(credentials.c.token_due_at)
    return [Credential(*row) for row in await conn.execute(found)]


async def remove(conn: AsyncConnection, id_: str) -> None:
    """Forget it; a second call does nothing. Whether a flow uses it is asked elsewhere."""
    await conn.execute(delete(credentials).where(credentials.c.id == id_))


async def _update(conn: AsyncConnection, id_: str, **values: Any) -> None:
    await conn.execute(update(credentials).where(credentials.c.id == id_).values(**values))
