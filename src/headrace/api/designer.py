"""``/`` and the designer's other pages: files that were built from ``web/``. They need no session: they hold no data.

Every page is the same document; the program in it shows what the address asks for, and a form to sign in with when the
API wants one.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.api.auth import PAGES

__all__ = ["ASSETS", "assets", "router"]

ASSETS = "/assets"
BUILT = Path(__file__).parent.parent / "designer"
"""Where ``npm --prefix web run build`` writes."""
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Headrace</title>
<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>Headrace is up, the designer is not built</h1><p><code>make designer</code> builds it, in a minute, with Node.js 20
or newer; then load this page again. The command line (<code>headrace --help</code>) and the API work without it.</p>
"""
FOREVER = b"public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


async def show_page() -> Response:
    """The document of every page."""
    index = BUILT / "index.html"
    if not index.is_file():
        return HTMLResponse(UNBUILT, 503, HEADERS)
    return HTMLResponse(index.read_bytes(), 200, HEADERS)


for page in PAGES:
    router.add_api_route(page, show_page, methods=["GET", "HEAD"])
    if page != "/":
        router.add_api_route(page + "/{rest:path}", show_page, methods=["GET", "HEAD"])


class _Immutable:
    """ASGI: a file whose name has a digest of its content is kept by browsers for good."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["headers"] = [*message["headers"], (b"cache-control", FOREVER)]
            await send(message)

        await self._app(scope, receive, sending)


def assets() -> ASGIApp:
    """Scripts, styles and pictures."""
    return GZipMiddleware(_Immutable(StaticFiles(directory=BUILT / "assets", check_dir=False)))
