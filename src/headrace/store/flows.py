"""Flows, their drafts and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.ids import new_id
from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import flow_versions as versions
from headrace.store.tables import flows

__all__ = [
    "Flow",
    "FlowVersion",
    "StaleDraft",
    "Wish",
    "add_version",
    "create",
    "discard_draft",
    "get",
    "get_by_id",
    "get_version",
    "list_",
    "list_versions",
    "next_epoch",
    "remove",
    "save_draft",
    "set_wish",
]

WORKSPACE = "default"
TESTS = "tests"
"""Workspace of the flows under which drafts are tried: no list shows them. Their names are their ids."""
Wish = Literal["stopped", "running", "suspended"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow. ``version`` is the newest published one, ``epoch`` the number of its last deployment (0: none).

    ``draft_tag`` grows with every change of the draft: who saves shows the tag of the text that was edited.
    ``draft_author`` is whose change was the last, also when that took the draft away.
    """

    id: str
    name: str
    workspace: str
    type: str
    wish: Wish
    draft: str | None
    draft_tag: int
    draft_at: int | None
    draft_author: str | None
    version: int | None
    epoch: int
    created_at: int


@dataclass(frozen=True, slots=True)
class FlowVersion:
    """A published document. Never changes."""

    flow_id: str
    number: int
    document: str
    author: str
    note: str
    published_at: int
    name: str = ""
    """What people call it; empty: by its number."""


class StaleDraft(Refused):
    """The draft was changed in the meantime: carries both texts, so that nobody's work is lost."""

    def __init__(self, flow: Flow, yours: str | None, tag: int) -> None:
        self.now = flow
        self.yours = yours
        """The text that was to be saved; None when the draft was to be discarded."""
        who = f" by {flow.draft_author}" if flow.draft_author else ""
        did = f"was {'changed' if flow.draft is not None else 'published or discarded'}{who}"
        super().__init__(
            "stale-draft",
            f"the draft of flow `{flow.name}` {did} in the meantime (tag {flow.draft_tag}, not {tag})",
            next_step="read the draft again and repeat the change",
        )


_flows = select(*columns(flows, Flow))
_versions = select(*columns(versions, FlowVersion))


async def create(
    conn: AsyncConnection,
    name: str,
    *,
    type: str = "real-time",
    workspace: str = WORKSPACE,
    flow_id: str | None = None,
) -> Flow:
    """Make a stopped flow without a draft; its id is a new one unless given.

    `Refused` (``flow-exists``) when the name is taken.
    """
    values = {
        "id": flow_id or new_id(),
        "name": name,
        "workspace": workspace,
        "type": type,
        "wish": "stopped",
        "draft_tag": 0,
        "epoch": 0,
        "created_at": now_ms(),
    }
    try:
        async with conn.begin_nested():
            await conn.execute(insert(flows).values(**values))
    except IntegrityError:
        raise Refused("flow-exists", f"there already is a flow `{name}`") from None
    return await get(conn, name, workspace=workspace)


async def get(conn: AsyncConnection, name: str, *, workspace: str = WORKSPACE) -> Flow:
    """The flow of that name, or `NotFound` (``flow-not-found``)."""
    row = (await conn.execute(_flows.where(flows.c.workspace == workspace, flows.c.name == name))).one_or_none()
    if row is None:
        raise _no_flow(f"`{name}`")
    return Flow(*row)


async def get_by_id(conn: AsyncConnection, flow_id: str) -> Flow:
    """The flow of that id, or `NotFound` (``flow-not-found``)."""
    row = (await conn.execute(_flows.where(flows.c.id == flow_id))).one_or_none()
    if row is None:
        raise _no_flow(f"with the id {flow_id}")
    return Flow(*row)


async def list_(conn: AsyncConnection, *, workspace: str = WORKSPACE) -> list[Flow]:
    """All flows by name."""
    found = _flows.where(flows.c.workspace == workspace).order_by(flows.c.name)
    return [Flow(*row) for row in await conn.execute(found)]


async def save_draft(conn: AsyncConnection, name: str, text: str, tag: int | None, author: str) -> Flow:
    """Replace the draft. With a ``tag``, only if the draft still has it: else `StaleDraft` (``stale-draft``)."""
    return await _set_draft(conn, name, tag, draft=text, draft_at=now_ms(), draft_author=author)


async def discard_draft(conn: AsyncConnection, name: str, tag: int | None = None, *, author: str = "") -> Flow:
    """Remove the draft; nothing happens when there is none. ``tag`` as in `save_draft`."""
    return await _set_draft(conn, name, tag, draft=None, draft_at=None, draft_author=author or None)


async def _set_draft(conn: AsyncConnection, name: str, tag: int | None, **changes: Any) -> Flow:
    flow = await get(conn, name)
    where = [flows.c.id == flow.id]
    if tag is not None:
        where.append(flows.c.draft_tag == tag)
    result = await conn.execute(update(flows).where(*where).values(**changes, draft_tag=flows.c.draft_tag + 1))
    if result.rowcount == 0:
        assert tag is not None, "without a tag the flow itself is gone, and `get` has said so"
        raise StaleDraft(await get(conn, name), changes["draft"], tag)
    return await get(conn, name)


async def set_wish(conn: AsyncConnection, flow_id: str, wish: Wish) -> None:
    """Say what should be; control makes it so. `NotFound` for an unknown flow."""
    result = await conn.execute(update(flows).where(flows.c.id == flow_id).values(wish=wish))
    if result.rowcount == 0:
        raise _no_flow(f"with the id {flow_id}")


async def remove(conn: AsyncConnection, flow_id: str) -> None:
    """Remove a flow with its versions and deployments; a second call does nothing.

    Its executions and errors are no longer listed, and are deleted by and by (`executions.retain`).
    """
    await conn.execute(delete(flows).where(flows.c.id == flow_id))


async def next_epoch(conn: AsyncConnection, flow_id: str) -> int:
    """Count up and return the number of the flow's next deployment."""
    counted = update(flows).where(flows.c.id == flow_id).values(epoch=flows.c.epoch + 1).returning(flows.c.epoch)
    epoch = (await conn.execute(counted)).scalar_one_or_none()
    if epoch is None:
        raise _no_flow(f"with the id {flow_id}")
    return int(epoch)


async def add_version(
    conn: AsyncConnection, flow_id: str, document: str, *, author: str = "", note: str = "", name: str = ""
) -> FlowVersion:
    """Publish a document under the next number. The draft stays; `NotFound` for an unknown flow."""
    number = (
        await conn.execute(
            update(flows)
            .where(flows.c.id == flow_id)
            .values(version=func.coalesce(flows.c.version, 0) + 1)
            .returning(flows.c.version)
        )
    ).scalar_one_or_none()
    if number is None:
        raise _no_flow(f"with the id {flow_id}")
    version = FlowVersion(flow_id, number, document, author, note, now_ms(), name)
    await conn.execute(
        insert(versions).values(
            flow_id=flow_id,
            number=number,
            document=document,
            author=author,
            note=note,
            name=name,
            published_at=version.published_at,
        )
    )
    return version


async def get_version(conn: AsyncConnection, flow_id: str, number: int) -> FlowVersion:
    """That version, or `NotFound` (``version-not-found``)."""
    found = _versions.where(versions.c.flow_id == flow_id, versions.c.number == number)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        raise NotFound(
            "version-not-found", f"the flow has no version {number}", next_step="see `headrace flow versions`"
        )
    return FlowVersion(*row)


async def list_versions(conn: AsyncConnection, flow_id: str) -> list[FlowVersion]:
    """All versions, newest first."""
    found = _versions.where(versions.c.flow_id == flow_id).order_by(versions.c.number.desc())
    return [FlowVersion(*row) for row in await conn.execute(found)]


def _no_flow(which: str) -> NotFound:
    return NotFound("flow-not-found", f"there is no flow {which}", next_step="see `headrace flow list`")
