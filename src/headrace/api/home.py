"""``/`` and ``/signin``: what a browser sees before there is a designer."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from headrace import __version__
from headrace.api.auth import session_cookie
from headrace.api.parts import PartsOf
from headrace.store import deployments, flows

__all__ = ["router"]

MONTH = 30 * 24 * 3600
STYLE = (
    "body{font:16px/1.5 system-ui;max-width:50rem;margin:3rem auto;padding:0 1rem}"
    "td,th{padding:0 1.5rem 0 0;text-align:left}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_home(parts: PartsOf) -> Response:
    """What runs here."""
    async with parts.db.read() as conn:
        all_flows = await flows.list_(conn)
        states = {deployment.flow_id: deployment.state for deployment in await deployments.active(conn)}
    rows = "".join(
        f"<tr><td>{escape(flow.name)}<td>{escape(states.get(flow.id, 'not running'))}<td>{flow.version or '–'}</tr>"
        for flow in all_flows
    )
    table = f"<table><tr><th>Flow<th>State<th>Version</tr>{rows}</table>" if rows else "<p>No flows yet.</p>"
    return _page(
        f"<h1>Headrace {escape(__version__)}</h1><p>Data folder: <code>{escape(str(parts.settings.data))}</code></p>"
        f"{table}<p>Work with it by <code>headrace --help</code>, or by the API: <a href='/api/v1/status'>status</a>, "
        "<a href='/api/v1/flows'>flows</a>, <a href='/api/v1/components'>components</a>, "
        "<a href='/api/v1/executions'>executions</a>. The documentation is in the folder <code>docs/</code>.</p>"
    )


@router.get("/signin")
async def sign_in(parts: PartsOf, request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Turn a token into a session: a cookie no script can read and no other site can send."""
    if not token or await parts.identities.of(token) is None:
        return _page(
            "<h1>Not signed in</h1><p>There is no sign-in link here, or it does not count (any more). "
            "<code>headrace up</code> prints one; <code>headrace token create NAME</code> makes another token.</p>",
            status=401,
        )
    response = RedirectResponse("/", 303)
    response.set_cookie(
        session_cookie(parts.settings.port),
        token,
        max_age=MONTH,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(body: str, status: int = 200) -> HTMLResponse:
    content = f"<!doctype html><meta charset=utf-8><title>Headrace</title><style>{STYLE}</style>{body}"
    return HTMLResponse(content, status, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
