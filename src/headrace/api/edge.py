"""The outermost layer: tells webhooks from the rest, bounds bodies, and answers when everything else has failed."""

from __future__ import annotations

import time
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.api.object_storage import PREFIX as STORAGE
from headrace.api.object_storage import SIGNED_URL
from headrace.api.problems import unexpected
from headrace.api.webhooks import PREFIX
from headrace.ids import new_id

__all__ = ["Edge"]

BODY_LIMIT = 8 * 1024 * 1024
"""Largest body of an API request; pushes, webhooks and objects have limits of their own."""
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
HOOK_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))
"""What a flow answers, or stores, is no page of ours: a browser gives it no access to the session."""


class Edge:
    """ASGI: ``hooks`` answers below ``/hooks/``, ``storage`` component code, ``app`` everything else."""

    def __init__(self, app: ASGIApp, hooks: ASGIApp, storage: ASGIApp) -> None:
        self._app = app
        self._hooks = hooks
        self._storage = storage
        self._log: Any = structlog.get_logger("api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(PREFIX):
            await self._answered(self._hooks, scope, receive, _Sender(send, HOOK_HEADERS))
        elif scope["path"].startswith(STORAGE) or scope["path"] == SIGNED_URL:
            await self._answered(self._storage, scope, receive, _Sender(send, HOOK_HEADERS))
        else:
            begun = time.perf_counter()
            sender = _Sender(send, SECURITY_HEADERS)
            bounded = receive if scope["path"].startswith("/git/") else _Bounded(receive)
            await self._answered(self._app, scope, bounded, sender)
            self._log.debug(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=sender.status,
                ms=round((time.perf_counter() - begun) * 1000, 1),
                caller=scope.get("state", {}).get("caller", ""),
            )

    async def _answered(self, app: ASGIApp, scope: Scope, receive: Receive, send: _Sender) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            incident = new_id()
            self._log.exception("unexpected error", incident=incident, method=scope["method"], path=scope["path"])
            if not send.status:
                await unexpected(incident)(scope, receive, send)


class _Sender:
    """Passes messages on, adds headers and remembers the status; 0 before there is one."""

    __slots__ = ("_headers", "_send", "status")

    def __init__(self, send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        await self._send(message)


class _Bounded:
    """Receives a body up to `BODY_LIMIT`."""

    __slots__ = ("_left", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = BODY_LIMIT

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            told = f"the body is larger than {BODY_LIMIT} bytes"
            raise HTTPException(413, told, {"Connection": "close"})  # FastAPI passes only these on
        return message
