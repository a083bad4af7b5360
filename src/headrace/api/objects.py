"""Objects of a flow, for people: what there is, and its content. Components use ``/storage``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from headrace.api.object_storage import content
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Moment
from headrace.bus.objects import ObjectInfo, Objects
from headrace.store import flows

__all__ = ["router"]

router = APIRouter(prefix="/flows/{name}/objects", tags=["objects"])

ObjectId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_~-]{1,64}$")]
LISTED = 1000


class ObjectView(Answer):
    """An object without its content."""

    id: str
    kind: str = Field(
        description="`file`: stored by component code. `body`: of a message that was too large to carry it."
    )
    content_type: str
    size: int
    created_at: Moment
    expires_at: Moment = Field(description="From when on it is deleted, unless something still refers to it.")


class ObjectsView(Answer):
    """The objects of a flow, newest first."""

    bytes: int = Field(description="What they take.")
    limit: int = Field(description="What they may take (`object_bytes`).")
    count: int
    items: list[ObjectView] = Field(description="A thousand at most.")


@router.get("", operation_id="listObjects")
async def list_objects(parts: PartsOf, name: FlowName) -> ObjectsView:
    """What component code has stored, and large bodies."""
    objects = await _objects(parts, name)
    found = sorted(await objects.all(), key=lambda each: each.created, reverse=True)
    return ObjectsView(
        bytes=await objects.used(),
        limit=parts.settings.object_bytes,
        count=len(found),
        items=[_view(each) for each in found[:LISTED]],
    )


@router.get(
    "/{object_id}",
    operation_id="readObject",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The content, or a range of it"}},
)
async def read_object(parts: PartsOf, request: Request, name: FlowName, object_id: ObjectId) -> Response:
    """The content of one object. `Range` asks for a part."""
    objects = await _objects(parts, name)
    response = content(objects, await objects.find(object_id), request)
    # What a flow stores is no page of ours: a browser saves it, and gives it no access to the session.
    response.headers["content-security-policy"] = "sandbox"
    response.headers["content-disposition"] = f'attachment; filename="{object_id}"'
    return response


async def _objects(parts: Parts, name: str) -> Objects:
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    return Objects(parts.bus, flow.id, parts.settings.object_bytes)


def _view(info: ObjectInfo) -> ObjectView:
    return ObjectView(
        id=info.name,
        kind=info.metadata.get("kind", "file"),
        content_type=info.metadata.get("content-type", "application/octet-stream"),
        size=info.size,
        created_at=info.created,
        expires_at=info.expires,
    )
