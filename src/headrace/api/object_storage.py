"""``/storage/objects``: the objects of a flow, for its component code. See docs/reference/object-storage.md.

    hosts: Authorization: Bearer <token of their deployment> ─┐
    anybody: an address signed for one object ────────────────┴─▶ the flow's objects, in the broker

Content passes through in chunks, either way. What the public packages ``@elastic.io/maester-client``,
``@elastic.io/component-commons-library`` and ``elasticio-rest-node`` call is answered as they expect it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import urlencode

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from headrace.api import object_request
from headrace.api.object_form import FormFile
from headrace.api.object_request import RangeUnmet
from headrace.api.problems import problem, problem_of
from headrace.bus.client import Bus
from headrace.bus.objects import ObjectInfo, Objects, new_object_id
from headrace.control.object_token import Holder, ObjectTokens
from headrace.control.specs import Specs
from headrace.errors import HeadraceError, TooLarge, Unauthorized
from headrace.settings import Settings

__all__ = ["PREFIX", "SIGNED_URL", "ObjectStorage", "content"]

PREFIX = "/storage/"
OBJECTS = "/storage/objects"
SIGNED_URL = "/v2/resources/storage/signed-url"
SIGNED_FOR = 18_000
"""Seconds for which a signed address counts."""
REMEMBER = 10.0
"""Seconds for which a token that was found good is not looked up again."""
REMEMBER_MOST = 1_000

Handler = Callable[[Request, Objects, str], Awaitable[Response]]


class ObjectStorage:
    """The ASGI application below `PREFIX`, and for `SIGNED_URL`."""

    def __init__(self, bus: Bus, settings: Settings, tokens: ObjectTokens, clock: Callable[[], float] = time.monotonic):
        self._bus = bus
        self._settings = settings
        self._tokens = tokens
        self._clock = clock
        self._specs = Specs(bus)
        self._good: dict[Holder, float] = {}
        self._objects: dict[str, Objects] = {}
        self._all: dict[str, Handler] = {"POST": self._create, "GET": self._search, "DELETE": self._delete_found}
        self._one: dict[str, Handler] = {
            "GET": self._read,
            "HEAD": self._read,
            "PUT": self._update,
            "DELETE": self._delete,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except HeadraceError as error:
            response = problem_of(error)
            if isinstance(error, TooLarge):
                response.headers["connection"] = "close"
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.rstrip("/")
        if path == SIGNED_URL:
            if request.method != "POST":
                return _not_allowed(request, "POST")
            return await self._sign(request)
        if path != OBJECTS and not path.startswith(f"{OBJECTS}/"):
            told = f"there is nothing at {path}"
            return problem(404, "no-such-route", told, next_step="See docs/reference/object-storage.md.")
        name = path.removeprefix(OBJECTS).removeprefix("/")
        handlers = self._one if name else self._all
        handler = handlers.get(request.method)
        if handler is None:
            return _not_allowed(request, *handlers)
        if name:
            object_request.name_in(name)
        signed = self._tokens.signed(request.method, name, dict(request.query_params)) if name else None
        if signed is not None:
            return await (self._put_signed if request.method == "PUT" else handler)(request, self._of(signed), name)
        holder = await self._holder(request)
        return await handler(request, self._of(holder.flow_id), name)

    # -- who asks -------------------------------------------------------------------------------------------

    async def _holder(self, request: Request) -> Holder:
        holder = self._tokens.check(_token(request.headers.get("authorization", "")))
        if holder is None:
            told = "this needs the token of a deployment, or an address that was signed and has not expired"
            raise Unauthorized(
                "no-object-token", told, next_step="Send ELASTICIO_OBJECT_STORAGE_TOKEN as bearer token."
            )
        if not holder.flow_id:
            told = "there are no objects while a flow is designed or a component built: they belong to a flow that runs"
            raise Unauthorized("no-flow", told, next_step="Use objects in `process` or `listen`.")
        if self._good.get(holder, 0.0) < self._clock():
            if await self._specs.get(holder.flow_id, holder.epoch) is None:
                told = f"the deployment {holder.epoch} of this token has ended"
                raise Unauthorized("object-token-ended", told, next_step="A new deployment's hosts have a new token.")
            if len(self._good) >= REMEMBER_MOST:
                self._good.clear()
            self._good[holder] = self._clock() + REMEMBER
        return holder

    def _of(self, flow_id: str) -> Objects:
        if flow_id not in self._objects:
            if len(self._objects) >= REMEMBER_MOST:
                self._objects.clear()
            self._objects[flow_id] = Objects(self._bus, flow_id, self._settings.object_bytes)
        return self._objects[flow_id]

    async def _sign(self, request: Request) -> Response:
        """Two addresses of an object that does not exist yet: to put it, and to get it."""
        holder = await self._holder(request)
        name, expires = new_object_id(), int(time.time()) + SIGNED_FOR
        put, get = (self._tokens.sign(method, holder.flow_id, name, expires) for method in ("PUT", "GET"))
        address = f"{self._settings.url}{OBJECTS}/{name}"
        return _json(
            200,
            {"put_url": f"{address}?{urlencode(put)}", "get_url": f"{address}?{urlencode(get)}", "expires": SIGNED_FOR},
        )

    # -- all ------------------------------------------------------------------------------------------------

    async def _create(self, request: Request, objects: Objects, name: str) -> Response:
        return _json(201, object_request.answer(await self._stored(request, objects, new_object_id())))

    async def _stored(self, request: Request, objects: Objects, name: str) -> ObjectInfo:
        keep = object_request.ttl(request.headers) or self._settings.object_keep
        metadata, body = await self._sent(request)
        return await objects.put(body, name=name, keep=keep, metadata=metadata, most=self._settings.object_limit)

    async def _sent(self, request: Request) -> tuple[dict[str, str], AsyncIterator[bytes]]:
        """What is kept of the headers, and the content: the request's, or that of the file in its form."""
        metadata, body = object_request.metadata_of(request.headers.raw), self._body(request)
        form = await FormFile.open(request.headers.get("content-type", ""), body)
        return (metadata, body) if form is None else (metadata | {"content-type": form.content_type}, form)

    def _body(self, request: Request) -> AsyncIterator[bytes]:
        length, most = request.headers.get("content-length", ""), self._settings.object_limit
        if length.isdigit() and int(length) > most:
            told = f"the object has {length} bytes; the limit (object_limit) is {most}"
            raise TooLarge("object-too-large", told, next_step="Store less, or raise the setting.")
        return aiter(request.stream())

    async def _found(self, request: Request, objects: Objects) -> list[ObjectInfo]:
        values = object_request.wanted(request.query_params.multi_items())
        return [info for info in await objects.all() if object_request.matches(info, values)]

    async def _search(self, request: Request, objects: Objects, name: str) -> Response:
        return _json(200, [object_request.answer(info) for info in await self._found(request, objects)])

    async def _delete_found(self, request: Request, objects: Objects, name: str) -> Response:
        for info in await self._found(request, objects):
            await objects.delete(info.name)
        return Response(status_code=204)

    # -- one ------------------------------------------------------------------------------------------------

    async def _read(self, request: Request, objects: Objects, name: str) -> Response:
        return content(objects, await objects.find(name), request)

    async def _update(self, request: Request, objects: Objects, name: str) -> Response:
        """New content. Headers are added or changed, never taken away; the time it stays is that of its first one."""
        old = await objects.find(name)
        metadata, body = await self._sent(request)
        info = await objects.put(body, name=name, metadata=old.metadata | metadata, most=self._settings.object_limit)
        await objects.forget(old.nuid)
        return _json(200, object_request.answer(info))

    async def _put_signed(self, request: Request, objects: Objects, name: str) -> Response:
        """The object of a signed address comes into being by being put; put again, it has new content."""
        if await objects.info(name) is not None:
            return await self._update(request, objects, name)
        return _json(200, object_request.answer(await self._stored(request, objects, name)))

    async def _delete(self, request: Request, objects: Objects, name: str) -> Response:
        await objects.find(name)
        await objects.delete(name)
        return Response(status_code=204)


def content(objects: Objects, info: ObjectInfo, request: Request) -> Response:
    """The answer with the object's content, or the part of it that was asked for."""
    headers = object_request.headers_of(info)
    try:
        part = object_request.span(request.headers.get("range"), info.size)
    except RangeUnmet as error:
        response = problem_of(error)
        response.headers["content-range"] = f"bytes */{info.size}"
        return response
    start, end = part or (0, info.size)
    headers["content-length"] = str(end - start)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{info.size}"
    if request.method == "HEAD":
        return Response(None, 206 if part else 200, headers)

    async def chunks() -> AsyncIterator[bytes]:
        # What is damaged breaks the connection off before the last chunk: nobody takes it for the whole.
        async with aclosing(objects.read(info, start, end)) as read:
            async for chunk in read:
                yield chunk

    return StreamingResponse(chunks(), 206 if part else 200, headers)


def _token(authorization: str) -> str:
    """The token in an ``Authorization`` header: as bearer, or as the password of a basic one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _json(status: int, answer: object) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def _not_allowed(request: Request, *methods: str) -> Response:
    told = f"{request.method} is not possible at {request.url.path}"
    return problem(405, "method-not-allowed", told, headers={"Allow": ", ".join(sorted(methods))})
