"""What is shown of messages: without the values of credentials and variables that the flow's steps are given."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.flow_views import deployment_of
from headrace.api.parts import Parts
from headrace.errors import NotFound
from headrace.flows.redaction import Redaction
from headrace.store import flows

__all__ = ["mask_of", "mask_of_version"]


async def mask_of(parts: Parts, flow: flows.Flow) -> Redaction:
    """For messages of what runs, and of the newest version."""
    async with parts.db.read() as conn:
        current = await deployment_of(conn, flow)
        numbers = {number for number in (flow.version, current.version if current else None) if number is not None}
        texts = [await _text(conn, flow.id, number) for number in sorted(numbers)]
    return await parts.credentials.redaction(*texts)


async def mask_of_version(parts: Parts, flow_id: str, number: int) -> Redaction:
    """For messages of one version."""
    async with parts.db.read() as conn:
        text = await _text(conn, flow_id, number)
    return await parts.credentials.redaction(text)


async def _text(conn: AsyncConnection, flow_id: str, number: int) -> str:
    try:
        return (await flows.get_version(conn, flow_id, number)).document
    except NotFound:
        return ""  # removed meanwhile
