"""One HTTP request per message, with the standard library's client."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    UnknownHandler,
)

from headrace_sdk import Context, Message, Rebound

TIMEOUT = 30.0
ANSWER_LIMIT = 16 * 1024 * 1024
TRY_AGAIN = frozenset({408, 425, 429})
SAFE_IN_URL = "!#$%&'()*+,/:;=?@[]~"
EXCERPT = 300
METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
HANDLERS = (
    *(HTTPHandler, HTTPSHandler, HTTPRedirectHandler),
    *(HTTPDefaultErrorHandler, HTTPErrorProcessor, UnknownHandler),
)
"""HTTP and nothing else: the usual opener would follow a redirect to ftp."""


class RequestFailed(Exception):
    """The other system refused the request, or could not be reached."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to send."""

    url: str
    method: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = TIMEOUT


def process(ctx: Context, msg: Message, cfg: dict[str, Any]) -> dict[str, Any]:
    """Send the request; runs on a thread. `Rebound` or `RequestFailed` as the field ``onFailure`` says."""
    policy = cfg.get("onFailure") or "retry"
    request = call(msg.body, cfg)
    try:
        answer = send(request)
    except (OSError, HTTPException) as error:
        reason = f"{request.method} {request.url} got no answer: {getattr(error, 'reason', None) or error}"
        raise (Rebound(reason) if policy == "retry" else RequestFailed(reason)) from None
    ctx.logger.debug("%s %s answered %d", request.method, request.url, answer["status"])
    if answer["status"] >= 300 and policy != "emit":
        raise _refused(request, answer, policy)
    return answer


def call(body: Any, cfg: dict[str, Any]) -> Call:
    """The request that input and fields make together. `ValueError` when there is no usable URL."""
    given = body if isinstance(body, dict) else {}
    content = given.get("body")
    headers = {**_object(cfg.get("headers"), "headers"), **_object(given.get("headers"), "headers")}
    sent, kind = _content(content)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    method = given.get("method") or cfg.get("method") or ("GET" if sent is None else "POST")
    url = _checked_url(str(given.get("url") or cfg.get("url") or ""))
    return Call(
        url=_with_query(url, _object(given.get("query"), "query")),
        method=_checked_method(str(method)),
        headers={name: str(value) for name, value in headers.items()},
        body=sent,
        timeout=float(cfg.get("timeout") or TIMEOUT),
    )


def send(request: Call) -> dict[str, Any]:
    """The answer, whatever its status. `OSError` or `HTTPException` when there is none."""
    opener = OpenerDirector()
    for handler in HANDLERS:
        opener.add_handler(handler())
    prepared = Request(request.url, data=request.body, headers=request.headers, method=request.method)
    try:
        with opener.open(prepared, timeout=request.timeout) as answer:
            return _answer(answer)
    except HTTPError as error:
        with error:
            return _answer(error)


def _answer(answer: Any) -> dict[str, Any]:
    content = answer.read(ANSWER_LIMIT + 1)
    if len(content) > ANSWER_LIMIT:
        raise RequestFailed(f"the answer is larger than {ANSWER_LIMIT // 1024**2} MiB")
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return {"status": answer.status, "headers": headers, "body": _value(content, answer.headers)}


def _value(content: bytes, headers: Any) -> Any:
    """JSON parsed, text as text, nothing as `None`, anything else as base64."""
    if not content:
        return None
    kind = headers.get_content_type()
    charset = headers.get_content_charset("utf-8")
    try:
        if kind == "application/json" or kind.endswith("+json"):
            return json.loads(content)
        if kind.startswith("text/") or kind.endswith(("/xml", "+xml", "x-www-form-urlencoded")):
            return content.decode(charset, errors="replace")
    except (ValueError, LookupError):
        pass
    return {"content_type": kind, "base64": base64.b64encode(content).decode()}


def _refused(request: Call, answer: dict[str, Any], policy: str) -> Exception:
    status = answer["status"]
    body = answer["body"]
    said = body if isinstance(body, str) else json.dumps(body)
    reason = f"{request.method} {request.url} answered {status}: {said[:EXCERPT]}"
    passing = status in TRY_AGAIN or status >= 500
    return Rebound(reason) if passing and policy == "retry" else RequestFailed(reason)


def _content(content: Any) -> tuple[bytes | None, str]:
    if content is None:
        return None, ""
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    return json.dumps(content, ensure_ascii=False).encode(), "application/json"


def _object(written: Any, name: str) -> dict[str, Any]:
    """An object, or the text of one."""
    if isinstance(written, str) and written.strip():
        written = json.loads(written)
    if written in (None, ""):
        return {}
    if not isinstance(written, dict):
        raise ValueError(f"`{name}` is {type(written).__name__}, not an object of names and values")
    return written


def _checked_url(url: str) -> str:
    """``url`` with unusual characters escaped. `ValueError` unless it is http or https with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL: set the field `url` or the input's `url`")
    return quote(url, safe=SAFE_IN_URL)


def _checked_method(method: str) -> str:
    """``method`` in capitals. `ValueError` unless it is one word."""
    if not METHOD.fullmatch(method):
        raise ValueError(f"{method!r} is no HTTP method: write GET, POST, PUT, …")
    return method.upper()


def _with_query(url: str, query: dict[str, Any]) -> str:
    if not query:
        return url
    joint = "&" if urlsplit(url).query else "?"
    return url + joint + urlencode(query, doseq=True)
