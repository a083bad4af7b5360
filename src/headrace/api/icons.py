"""The pictures of components: ``logo.png`` of a component version, out of its git repository."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from headrace.api.parts import PartsOf
from headrace.api.shapes import ComponentName, Number
from headrace.errors import NotFound
from headrace.store import components
from headrace.store.components import ComponentVersion

__all__ = ["icon_path", "router"]

FILE = "logo.png"
LARGEST = 128 * 1024
PNG = b"\x89PNG\r\n\x1a\n"
HEADERS = {"Cache-Control": "private, max-age=31536000, immutable"}
"""A revision is one commit for good."""

router = APIRouter(prefix="/components", tags=["components"])


@router.get(
    "/{name}/versions/{revision}/icon",
    operation_id="getComponentIcon",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "A picture"}
    },
)
async def get_component_icon(parts: PartsOf, name: ComponentName, revision: Number) -> Response:
    """Its `logo.png`, if that is a PNG picture of 128 KB at most; else `no-icon`."""
    async with parts.db.read() as conn:
        version = await components.get_version(conn, name, revision)
    found = await parts.repositories.file(name, version.commit, FILE, limit=LARGEST)
    if found is None or not found.startswith(PNG):
        told = f"revision {revision} of component `{name}` has no picture"
        raise NotFound("no-icon", told, next_step=f"put a {FILE} of 128 KB at most at the root of its repository")
    return Response(found, media_type="image/png", headers=HEADERS)


def icon_path(version: ComponentVersion) -> str | None:
    """Where the picture of a built version is, as far as the built files tell without asking git; `None`: nowhere."""
    root = (version.build or {}).get("root")
    if root is None or not (Path(root) / FILE).is_file():
        return None
    return f"/api/v1/components/{version.component}/versions/{version.revision}/icon"
