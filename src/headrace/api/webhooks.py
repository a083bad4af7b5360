"""``/hooks/<flow>``: an HTTP request becomes an event of the flow. The hot path of the server.

    request ──▶ target (remembered) ──▶ body, up to the limit ──▶ room? ──▶ journal ──▶ 202 {"execution": …}
                                                                              └─ reply: wait ──▶ the flow's answer

No token: the name of the flow is the address; a component checks signatures. The answer comes after the journal has
confirmed. A request with an ``Idempotency-Key`` (or ``X-Event-Id``) is stored once, however often it is sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.api.facts import Facts
from headrace.api.metrics import Metrics
from headrace.api.problems import problem, problem_of
from headrace.api.replies import Replies
from headrace.api.webhook_request import body_of, headers_of
from headrace.api.webhook_room import JOURNAL_SHARE, WAIT
from headrace.api.webhook_target import Target, Targets
from headrace.bus import message as envelope
from headrace.bus.client import Bus, JournalFull, Stored
from headrace.bus.large import shed
from headrace.bus.objects import reference_headers
from headrace.bus.trace import Fact
from headrace.errors import Busy, HeadraceError, NotFound, Refused, TooLarge, Unavailable
from headrace.ids import derived_id, new_id

__all__ = ["METHODS", "PREFIX", "Webhooks"]

PREFIX = "/hooks/"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
CONFIRM_WITHIN = 15.0
"""Seconds the journal may take: it is away for a moment while the broker restarts."""
IDEMPOTENCY = (b"idempotency-key", b"x-event-id")


class Gone(Exception):
    """The caller hung up before the request was complete."""


class Webhooks:
    """The ASGI application below `PREFIX`."""

    def __init__(self, bus: Bus, targets: Targets, facts: Facts, replies: Replies, metrics: Metrics) -> None:
        self._bus = bus
        self._targets = targets
        self._facts = facts
        self._replies = replies
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        name = scope["path"][len(PREFIX) :].removesuffix("/")
        if scope["method"] not in METHODS:
            told = f"{scope['method']} is not possible at {scope['path']}"
            allow = {"Allow": ", ".join(METHODS)}
            await problem(405, "method-not-allowed", told, headers=allow)(scope, receive, send)
            return
        try:
            response = await self._accept(name, scope, receive)
        except HeadraceError as error:
            self._metrics.refused(error.reason)
            response = problem_of(error)
            if isinstance(error, TooLarge):
                response.headers["connection"] = "close"
        except Gone:
            return
        else:
            self._metrics.webhook_seconds.observe(time.perf_counter() - begun)
        await response(scope, receive, send)

    async def _accept(self, name: str, scope: Scope, receive: Receive) -> Response:
        target = self._targets.known(name) or await self._targets.find(name)
        headers = scope["headers"]
        body = await _read(receive, headers, target.message_limit)
        raw = body_of(body, _header(headers, b"content-type"))
        if len(memoryview(raw)) > target.message_limit:
            raise _too_large(target.message_limit)
        path = scope["path"]
        fields = headers_of(headers, scope["method"], path, scope["query_string"])
        key = _header(headers, *IDEMPOTENCY)
        for last in (False, True):
            try:
                return await self._store(target, raw, fields, key, patient=last)
            except (NotFound, Refused):
                # The deployment was replaced while we looked at the request: its inbox no longer exists.
                if last:
                    raise
                self._targets.forget(name)
                target = await self._targets.find(name)
        raise AssertionError("unreachable")

    async def _store(
        self, target: Target, raw: msgspec.Raw, fields: dict[str, Any], key: str, *, patient: bool
    ) -> Response:
        now = time.time_ns()
        if key:
            message_id = derived_id(target.flow_id, "webhook", key)
            execution = derived_id(target.flow_id, "webhook", key, "execution")
        else:
            message_id, execution = new_id(), new_id()
        answer = self._replies.expect() if target.waits else None
        message = envelope.Message(
            id=message_id,
            execution=execution,
            step=target.step,
            body=raw,
            at=now // 1_000_000,
            headers=fields,
            only=target.only,
            reply_to=answer.subject if answer is not None else None,
        )
        try:
            data = envelope.encode(message)
            if len(data) > target.inline_limit:
                data = await _lightened(target, message)
            stored = await self._confirmed(target, data, message_id, patient)
            if not stored.duplicate:
                fact = Fact("accepted", execution, target.step, message_id, "", now // 1000, 1, stored.seq)
                self._facts.tell(target.flow_id, target.epoch, target.version, fact)
                self._metrics.accepted(target.flow)
                if answer is not None:
                    return await answer.wait(target.timeout, target.encrypted)
        finally:
            if answer is not None:
                answer.close()
        return Response(b'{"execution":"%b"}' % execution.encode(), 202, media_type="application/json")

    async def _confirmed(self, target: Target, data: bytes, message_id: str, patient: bool) -> Stored:
        await target.room.admit(len(data))
        try:
            async with asyncio.timeout(CONFIRM_WITHIN):
                headers = reference_headers(data)
                return await self._bus.store(target.subject, data, message_id, headers, patient=patient)
        except JournalFull as error:
            raise Busy("journal-full", "the journal of this flow is full", next_step=WAIT) from error
        except TimeoutError:
            told = "the journal did not confirm in time; it may yet have the event"
            raise Unavailable("not-confirmed", told, next_step="Send it again with the same Idempotency-Key.") from None


async def _lightened(target: Target, message: envelope.Message) -> bytes:
    """The envelope, when its large body is in the object store; events may fill a share of that only, too."""
    data, bodies = shed(message, target.inline_limit)
    size = sum(len(memoryview(each.data)) for each in bodies)
    try:
        if await target.objects.used() + size > target.object_bytes * JOURNAL_SHARE:
            raise Busy("objects-full", "the object store of this flow is full", next_step=WAIT)
        await target.objects.put_bodies(((each.object, memoryview(each.data)) for each in bodies), target.keep)
    except Unavailable as error:
        if error.reason != "objects-full":
            raise
        raise Busy("objects-full", "the object store of this flow is full", next_step=WAIT) from error
    return data


async def _read(receive: Receive, headers: list[tuple[bytes, bytes]], limit: int) -> bytes:
    """The whole body; `TooLarge` as soon as it is certain to exceed ``limit``."""
    length = _header(headers, b"content-length")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    event = await receive()
    if event["type"] == "http.request" and not event.get("more_body"):
        body: bytes = event.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = bytearray()
    while True:
        if event["type"] == "http.disconnect":
            raise Gone
        parts += event.get("body", b"")
        if len(parts) > limit:
            raise _too_large(limit)
        if not event.get("more_body"):
            return bytes(parts)
        event = await receive()


def _header(headers: list[tuple[bytes, bytes]], *names: bytes) -> str:
    for name, value in headers:
        if name in names:
            return value.decode("latin-1")
    return ""


def _too_large(limit: int) -> TooLarge:
    told = f"the body is larger than {limit} bytes"
    return TooLarge("message-too-large", told, next_step="Send less, or raise the setting `message_limit`.")
