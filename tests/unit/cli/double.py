"""A server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

__all__ = ["Refusal", "Server", "page"]

Answer = Any
"""JSON, text, `Refusal`, or a function of the request that makes one of these."""


class Refusal:
    """A problem document."""

    def __init__(self, status: int, reason: str, detail: str = "no", **more: Any) -> None:
        self.status = status
        self.document = {"status": status, "reason": reason, "detail": detail, **more}


class Server:
    """Answers by verb and path, such as ``GET /flows``; paths are relative to the API, queries do not count."""

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        self.answers: dict[str, Answer] = answers or {}
        self.asked: list[tuple[str, Any]] = []
        self.queries: dict[str, dict[str, str]] = {}

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def bodies(self, route: str) -> list[Any]:
        """What was sent to a route, request by request."""
        return [body for asked, body in self.asked if asked == route]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        route = f"{request.method} {request.url.path.partition('/api/v1')[2]}"
        self.asked.append((route, json.loads(request.content) if request.content else None))
        self.queries[route] = dict(request.url.params)
        if route not in self.answers:
            return _response(Refusal(404, "not-found", f"there is no {route}"))
        answer = self.answers[route]
        return _response(answer(request) if isinstance(answer, Callable) else answer)  # type: ignore[arg-type]


def page(*items: Any) -> dict[str, Any]:
    """A list with one page."""
    return {"items": list(items), "next": None}


def _response(answer: Answer) -> httpx.Response:
    if isinstance(answer, Refusal):
        return httpx.Response(answer.status, json=answer.document)
    if isinstance(answer, str):
        return httpx.Response(200, text=answer)
    if answer is None:
        return httpx.Response(204)
    return httpx.Response(200, json=answer)
