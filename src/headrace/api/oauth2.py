"""Where OAuth2 providers send people back to. No token: the browser comes from another site, without its session.

What is let in is decided by ``state``, a random word that this server gave to whoever began the connection, and which
counts once.
"""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from headrace.api.parts import PartsOf
from headrace.control.tokens import CALLBACK
from headrace.errors import HeadraceError

__all__ = ["router"]

router = APIRouter()

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Headrace</title>
<body style="font-family: system-ui; margin: 4rem auto; max-width: 36rem"><h1>{title}</h1><p>{text}</p></body></html>
"""
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@router.get(CALLBACK, include_in_schema=False)
async def callback(
    parts: PartsOf,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=8000)] = "",
    error: Annotated[str, Query(max_length=500)] = "",
    error_description: Annotated[str, Query(max_length=2000)] = "",
) -> HTMLResponse:
    """Take the code, get the token, and tell the person."""
    try:
        told = ": ".join(filter(None, (error, error_description)))
        credential = await parts.credentials.agreed(state, code, told)
    except HeadraceError as failure:
        return _page("Not connected", f"{failure.message}. {failure.next_step}", failure.status)
    parts.announce("credential", {"credential": credential.name})
    if credential.state == "failed":
        return _page("Connected, but", f"credential {credential.name} is not good: {credential.reason}", 200)
    return _page("Connected", f"Credential {credential.name} is connected. You can close this window.", 200)


def _page(title: str, text: str, status: int) -> HTMLResponse:
    return HTMLResponse(PAGE.format(title=escape(title), text=escape(text)), status, HEADERS)
