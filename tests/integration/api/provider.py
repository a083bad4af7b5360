"""An OAuth2 provider of our own: strict about every rule, and misbehaving when it is told to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Provider"]

CLIENT_ID, CLIENT_SECRET = "headrace client", "cl1ent:secret/+%"


@dataclass
class Provider:
    """``mode`` says how it misbehaves at the token endpoint; ``basic`` how clients have to say who they are."""

    redirect_uri: str = ""
    basic: bool = False
    expires_in: object = 3600
    mode: str = ""
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    grants: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    pause: float = 0.0
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def app(self) -> Starlette:
        routes = [Route("/authorize", self.authorize), Route("/token", self.token, methods=["POST"])]
        return Starlette(routes=[*routes, Route("/elsewhere", self.elsewhere, methods=["GET", "POST"])])

    async def authorize(self, request: Request) -> Response:
        """A person who always agrees, unless the mode is ``deny``."""
        asked = dict(request.query_params)
        right = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": self.redirect_uri,
            "scope": "read write",
            "code_challenge_method": "S256",
            "access_type": "offline",
        }
        wrong = [key for key, value in right.items() if asked.get(key) != value]
        if wrong or len(asked.get("state", "")) < 20 or len(asked.get("code_challenge", "")) != 43:
            return PlainTextResponse(f"wrong: {wrong}", 400)
        if self.mode == "deny":
            back = {"error": "access_denied", "error_description": "the person said no"}
        else:
            code = f"code-{next(self.numbers)}"
            self.codes[code] = (asked["code_challenge"], asked["redirect_uri"])
            back = {"code": code}
        return RedirectResponse(f"{self.redirect_uri}?{urlencode({**back, 'state': asked['state']})}", 302)

    async def token(self, request: Request) -> Response:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(self.pause)
            return await self._token(request)
        finally:
            self.busy -= 1

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.grants.append(form.get("grant_type", ""))
        odd: dict[str, Response] = {
            "html": HTMLResponse("<h1>down for maintenance</h1>", 503),
            "redirect": RedirectResponse("/elsewhere", 307),
            "huge": PlainTextResponse("x" * 1_000_000),
            "empty": JSONResponse({"token_type": "Bearer"}),
            "list": JSONResponse([1, 2]),
        }
        if self.mode in odd:
            return odd[self.mode]
        error = self._error(request, form)
        if error:
            self.refused.append(error)
            return JSONResponse({"error": error, "error_description": f"we call this {error}"}, 400)
        number = next(self.numbers)
        given = {"access_token": f"access-{number}", "token_type": "Bearer", "expires_in": self.expires_in}
        if form["grant_type"] != "client_credentials":
            given["refresh_token"] = f"refresh-{number}"
            self.refresh_tokens.add(f"refresh-{number}")
        if self.mode == "form":
            return Response(urlencode(given), media_type="application/x-www-form-urlencoded")
        return JSONResponse(given)

    def _error(self, request: Request, form: dict[str, str]) -> str:
        if not self._knows(request, form):
            return "invalid_client"
        match form.get("grant_type"):
            case "authorization_code":
                challenge, redirect_uri = self.codes.pop(form.get("code", ""), ("", ""))
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                right = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
                return "" if right and form.get("redirect_uri") == redirect_uri else "invalid_grant"
            case "refresh_token":
                held = form.get("refresh_token", "")
                if held not in self.refresh_tokens:
                    return "invalid_grant"
                self.refresh_tokens.discard(held)  # each counts once
                return ""
            case "client_credentials":
                return "" if form.get("scope") == "read write" else "invalid_scope"
        return "unsupported_grant_type"

    def _knows(self, request: Request, form: dict[str, str]) -> bool:
        header = request.headers.get("authorization", "")
        if not self.basic:
            said = form.get("client_id"), form.get("client_secret")
            return not header and said == (CLIENT_ID, CLIENT_SECRET)
        right = urlencode({"": CLIENT_ID}).replace("+", "%20")[1:] + ":" + urlencode({"": CLIENT_SECRET})[1:]
        return header == f"Basic {base64.b64encode(right.encode()).decode()}" and "client_id" not in form

    async def elsewhere(self, request: Request) -> Response:
        self.refused.append("followed a redirect with secrets")
        return JSONResponse({"access_token": "stolen"})
