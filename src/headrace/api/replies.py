"""Answers that flows give to callers who wait (``reply: wait`` on a webhook trigger).

The worker publishes ``{"status", "headers", "body"}`` to the subject in the message's ``reply_to``. A text body is sent
as it is, anything else as JSON. A header ``x-ipaas-object-storage-id`` names an encrypted object, which is the body
then. When a step has failed for good it publishes ``{"failed", "execution"}``, the ids of both, instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from headrace.api.encrypted import Encrypted
from headrace.api.problems import problem
from headrace.bus.client import Bus
from headrace.errors import HeadraceError
from headrace.ids import new_id

__all__ = ["Awaited", "Replies", "response_of"]

DROPPED = frozenset({"connection", "content-length", "keep-alive", "set-cookie", "transfer-encoding", "upgrade"})
"""Headers a component cannot set: those of the connection, and cookies of the platform's own origin."""
OBJECT = "x-ipaas-object-storage-id"


class _Reply(msgspec.Struct):
    status: int = 200
    headers: dict[str, Any] = {}
    body: Any = None
    failed: str = ""
    execution: str = ""


class Replies:
    """The answers under way. `start` listens; the undo it returns stops."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._prefix = f"reply.{new_id()}."
        self._awaited: dict[str, asyncio.Future[bytes]] = {}
        self._next = 0

    async def start(self) -> Callable[[], Awaitable[None]]:
        """Listen for answers."""
        return await self._bus.on_message(f"{self._prefix}*", self._on_reply)

    def expect(self) -> Awaited:
        """A subject for one answer. Close it whatever happens."""
        self._next += 1
        token = str(self._next)
        future = self._awaited[token] = asyncio.get_running_loop().create_future()
        return Awaited(f"{self._prefix}{token}", future, lambda: self._awaited.pop(token, None))

    def _on_reply(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        future = self._awaited.get(subject.decode().removeprefix(self._prefix))
        if future is not None and not future.done():
            future.set_result(data)


class Awaited:
    """One answer under way."""

    def __init__(self, subject: str, future: asyncio.Future[bytes], forget: Callable[[], object]) -> None:
        self.subject = subject
        self._future = future
        self._forget = forget

    async def wait(self, timeout: float, objects: Encrypted) -> Response:
        """The flow's answer; a problem with status 504 when none comes in ``timeout`` seconds."""
        try:
            reply = await asyncio.wait_for(self._future, timeout)
        except TimeoutError:
            told = f"the flow gave no answer within {timeout:g} s; the event is accepted and goes on"
            return problem(504, "reply-timeout", told, next_step="Look at the execution of the event.")
        return await response_of(reply, objects)

    def close(self) -> None:
        """Expect no answer any more."""
        self._forget()


async def response_of(data: bytes, objects: Encrypted | None = None) -> Response:
    """The HTTP response for a worker's answer, which may name one of ``objects``.

    A problem with status 502 for an answer that makes no sense.
    """
    try:
        reply = msgspec.json.decode(data, type=_Reply)
    except msgspec.DecodeError:
        return _bad("it is no JSON")
    if reply.failed:
        told = f"step `{reply.failed}` failed; the execution of this event is {reply.execution}"
        return problem(500, "step-failed", told, next_step="Look at the execution; what failed can be run again.")
    headers: dict[str, str] = {}
    for name, value in reply.headers.items():
        with contextlib.suppress(ValueError):
            headers.update([_header(name, value)])
    status = reply.status if 200 <= reply.status <= 599 else 500
    stored = headers.pop(OBJECT, "")
    if stored and objects is not None:
        try:
            content = await objects.open(stored)
        except HeadraceError as error:
            return _bad(str(error))
        return StreamingResponse(content, status, {"content-type": "application/octet-stream"} | headers)
    if isinstance(reply.body, str):
        media, body = "text/plain; charset=utf-8", reply.body.encode()
    else:
        media, body = "application/json", b"" if reply.body is None else msgspec.json.encode(reply.body)
    return Response(body, status, {"content-type": media} | headers)


def _bad(why: str) -> Response:
    told = f"the flow's answer cannot be read: {why}"
    return problem(502, "bad-reply", told, next_step="Look at the step that answers.")


def _header(name: str, value: Any) -> tuple[str, str]:
    """A header that can be sent; `ValueError` for one that cannot."""
    name, text = name.lower(), ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    name.encode("ascii")
    text.encode("latin-1")
    if name in DROPPED or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(name)
    if any(character in text for character in "\r\n\0"):
        raise ValueError(name)
    return name, text
