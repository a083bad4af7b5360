"""What the components of ``tests/components`` talk to, on loopback: an archive, a help desk, where results arrive."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.acceptance.world import served

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "PASSWORD", "REFRESH_TOKEN", "USERNAME", "Document", "Office", "office"]

USERNAME, PASSWORD = "ada", "archive-password-1"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "helpdesk-client", "helpdesk-secret-1", "refresh-1"
ACCESS_TOKEN = "access-1"


@dataclass(frozen=True, slots=True)
class Document:
    """A file of the archive."""

    name: str
    type: str
    content: bytes


class Office:
    """``arrived[name]`` are the bodies that came to ``/arrived/name``."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived: dict[str, list[Any]] = defaultdict(list)
        self.documents: list[Document] = []
        self.tickets: dict[str, dict[str, Any]] = {}
        self.tokens = 0
        """How many access tokens were given out."""

    @property
    def app(self) -> Starlette:
        """All of it at one address."""
        return Starlette(
            routes=[
                Route("/arrived/{name}", self._arrived, methods=["POST"]),
                Route("/documents", self._documents),
                Route("/documents/{name}", self._document),
                Route("/open/{name}", self._open),
                Route("/token", self._token, methods=["POST"]),
                Route("/tickets/{id}", self._ticket),
            ]
        )

    async def _arrived(self, request: Request) -> Response:
        self.arrived[request.path_params["name"]].append(await request.json())
        return Response(status_code=204)

    # -- the archive

    async def _documents(self, request: Request) -> Response:
        if not _is_ada(request):
            return JSONResponse({"message": "wrong password"}, 401)
        after = int(request.query_params.get("after", "0"))
        found = [{"number": at, "name": each.name, "type": each.type} for at, each in enumerate(self.documents, 1)]
        return JSONResponse(found[after:])

    async def _document(self, request: Request) -> Response:
        return await self._open(request) if _is_ada(request) else JSONResponse({"message": "wrong password"}, 401)

    async def _open(self, request: Request) -> Response:
        document = next(each for each in self.documents if each.name == request.path_params["name"])
        return Response(document.content, media_type=document.type)

    # -- the help desk

    async def _token(self, request: Request) -> Response:
        asked = dict(each.split("=", 1) for each in (await request.body()).decode().split("&") if "=" in each)
        right = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID}
        if asked.items() < right.items() or asked.get("client_secret") != CLIENT_SECRET:
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.tokens += 1
        return JSONResponse({"access_token": ACCESS_TOKEN, "refresh_token": REFRESH_TOKEN, "expires_in": 3600})

    async def _ticket(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            return JSONResponse({"message": "who are you?"}, 401)
        found = self.tickets.get(request.path_params["id"])
        return JSONResponse(found) if found else JSONResponse({"message": "no such ticket"}, 404)


def _is_ada(request: Request) -> bool:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return scheme == "Basic" and base64.b64decode(value).decode() == f"{USERNAME}:{PASSWORD}"


@contextmanager
def office() -> Iterator[Office]:
    """An office on a free port."""
    made = Office()
    with served(made.app) as made.url:
        yield made
