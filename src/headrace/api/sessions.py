"""``/signin`` and ``/signout``: a browser's session is a cookie that holds its token.

No script can read the cookie and no other site can send it along. Both are outside of the API: programs send tokens.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request as Incoming
from starlette.responses import HTMLResponse, RedirectResponse, Response

from headrace.api.auth import from_our_page, session_cookie
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Request
from headrace.errors import Refused, Unauthorized

__all__ = ["router"]

MONTH = 30 * 24 * 3600
REFUSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Not signed in · Headrace</title>
<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>Not signed in</h1><p>There is no token in this link, or it does not count (any more). <code>headrace up</code>
prints one that does; <code>headrace token create NAME</code> makes another token.</p>
<p><a href="/">Sign in with a token</a>
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

router = APIRouter(include_in_schema=False)


class SignIn(Request):
    token: Annotated[str, Field(max_length=200)]


@router.get("/signin")
async def follow_link(
    parts: PartsOf, incoming: Incoming, token: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The link that ``headrace up`` prints."""
    if not token or await parts.identities.of(token) is None:
        return HTMLResponse(REFUSED, 401, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
    return _with_session(RedirectResponse("/", 303), parts, incoming, token)


@router.post("/signin")
async def sign_in(parts: PartsOf, incoming: Incoming, who: SignIn) -> Response:
    """What the designer's own form sends; a page of another site may sign nobody in."""
    if not from_our_page(incoming.headers):
        raise Refused("cross-site", "a page of another site sent this request", next_step="Open the designer itself.")
    if await parts.identities.of(who.token.strip()) is None:
        raise Unauthorized(
            "bad-token",
            "this token does not count: it is unknown or revoked",
            next_step="`headrace token create NAME` makes another one.",
        )
    return _with_session(Response(status_code=204), parts, incoming, who.token.strip())


@router.post("/signout")
async def sign_out(parts: PartsOf) -> Response:
    """Forget the session in this browser. The token goes on to count."""
    response = Response(status_code=204)
    response.delete_cookie(session_cookie(parts.settings.port), path="/")
    return response


def _with_session(response: Response, parts: Parts, incoming: Incoming, token: str) -> Response:
    response.set_cookie(
        session_cookie(parts.settings.port),
        token,
        max_age=MONTH,
        path="/",
        httponly=True,
        samesite="strict",
        secure=incoming.url.scheme == "https",
    )
    response.headers["Cache-Control"] = "no-store"
    return response
