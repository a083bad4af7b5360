"""Errors as HTTP answers: ``application/problem+json`` (RFC 9457) with ``reason`` and ``next_step``.

``reason`` is one of the words explained in ``docs/reference/errors.md``; programs decide by it, never by ``detail``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.api.shapes import PATTERNS, Answer, Moment
from headrace.errors import Busy, HeadraceError, Invalid, Problem, Unavailable
from headrace.ids import new_id
from headrace.store.flows import StaleDraft

__all__ = [
    "MEDIA_TYPE",
    "Conflict",
    "Mistake",
    "ProblemDocument",
    "install",
    "mistakes",
    "problem",
    "problem_of",
    "unexpected",
]

MEDIA_TYPE = "application/problem+json"

REASONS = {
    400: ("bad-request", "Send a well-formed request: docs/reference/api.md shows how."),
    404: ("no-such-route", "The paths that exist are in docs/reference/openapi.json."),
    405: ("method-not-allowed", "Use one of the methods in the Allow header."),
    413: ("too-large", "Send less."),
}


class Mistake(Answer):
    """One thing that is wrong in what was sent."""

    path: str = Field(description="Where: `steps[2].input`, `body.name`, `query.limit`.")
    reason: str
    message: str
    suggestion: str = ""
    severity: str = Field(default="error", description="`error` or `warning`.")


class Conflict(Answer):
    """Two drafts of one flow, of which only one can be saved: merge them, and save with the new tag."""

    tag: int = Field(description="The tag of the draft as it is now.")
    author: str = Field(description="Who saved, published or discarded it.")
    saved_at: Moment | None
    theirs: str | None = Field(description="Its text; null when it was published or discarded.")
    yours: str | None = Field(description="The text that was not saved.")


class ProblemDocument(Answer):
    """Why a request was not carried out, and what to do next."""

    type: str = Field(description="`urn:headrace:problem:<reason>`")
    title: str
    status: int
    detail: str
    reason: str = Field(description="A fixed word; docs/reference/errors.md explains each.")
    next_step: str = ""
    problems: list[Mistake] | None = Field(default=None, description="Every mistake, when the input has mistakes.")
    draft: Conflict | None = Field(default=None, description="With `stale-draft`: both texts.")
    incident: str | None = Field(default=None, description="Where to find an unexpected error in the server log.")


def mistakes(problems: Sequence[Problem]) -> list[Mistake]:
    """``problems`` as the API shows them."""
    return [
        Mistake(
            path=each.path,
            reason=each.reason,
            message=each.message,
            suggestion=each.suggestion,
            severity=each.severity,
        )
        for each in problems
    ]


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    next_step: str = "",
    problems: Sequence[Problem] | None = None,
    draft: Conflict | None = None,
    incident: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that was not carried out."""
    document: dict[str, Any] = {
        "type": f"urn:headrace:problem:{reason}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
        "next_step": next_step,
    }
    if problems:
        document["problems"] = [mistake.model_dump() for mistake in mistakes(problems)]
    if draft is not None:
        document["draft"] = draft.model_dump()
    if incident is not None:
        document["incident"] = incident
    return Response(msgspec.json.encode(document), status, dict(headers or {}), MEDIA_TYPE)


def problem_of(error: HeadraceError) -> Response:
    """The answer that tells of ``error``."""
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = "1"
    elif error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="headrace"'
    problems = error.problems if isinstance(error, Invalid) else None
    draft = _conflict(error) if isinstance(error, StaleDraft) else None
    return problem(
        error.status,
        error.reason,
        error.message,
        next_step=error.next_step,
        problems=problems,
        draft=draft,
        headers=headers,
    )


def _conflict(error: StaleDraft) -> Conflict:
    now = error.now
    return Conflict(
        tag=now.draft_tag, author=now.draft_author or "", saved_at=now.draft_at, theirs=now.draft, yours=error.yours
    )


def unexpected(incident: str) -> Response:
    """The answer to a request that met an error of our own, logged under ``incident``."""
    return problem(
        500,
        "unexpected",
        "something went wrong inside Headrace",
        next_step=f"Look for {incident} in the server log, and report it.",
        incident=incident,
    )


class Caught:
    """ASGI: what no handler expected is logged under an incident id; the client gets the id and nothing else of it.

    Inside of Starlette's own outermost layer, which would send a page of text and raise the exception again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log: Any = structlog.get_logger("api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            incident = new_id()
            self._log.exception("unexpected error", incident=incident, path=scope.get("path", ""))
            if not started:  # else the connection is closed in mid-answer, which tells the client
                await unexpected(incident)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document."""
    app.add_middleware(Caught)
    app.add_exception_handler(HeadraceError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_error(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HeadraceError)
    return problem_of(error)


async def _on_validation(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [_mistake(each) for each in error.errors()]
    told = f"the request has {len(problems)} mistake{'s' if len(problems) != 1 else ''}"
    return problem(
        422, "invalid-request", told, problems=problems, next_step="Correct each of the problems and send it again."
    )


def _mistake(error: Mapping[str, Any]) -> Problem:
    """pydantic's account of a mistake in our words."""
    path = ""
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    words = PATTERNS.get((error.get("ctx") or {}).get("pattern", ""))
    if words is not None:
        return Problem(path, "bad-name", f"`{str(error['input'])[:100]}` {words}")
    return Problem(path, str(error["type"]).replace("_", "-"), _words(error))


def _words(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "is not known here"
        case "missing":
            return "is missing"
        case "json_invalid":
            return f"not JSON: {(error.get('ctx') or {}).get('error') or error['msg']}"
        case _:
            return str(error["msg"])


async def _on_http(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason, next_step = REASONS.get(error.status_code, ("bad-request", ""))
    detail = error.detail
    if error.status_code == 404:
        detail = f"there is nothing at {request.url.path}"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible at {request.url.path}"
    return problem(error.status_code, reason, detail, next_step=next_step, headers=error.headers)
