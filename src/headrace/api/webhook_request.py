"""An HTTP request as the message a webhook trigger gets. Pure.

The request's body becomes the message's body:

    JSON (``application/json``, ``…+json``)       the value
    a form (``x-www-form-urlencoded``)            an object; a field that comes twice is a list
    text (``text/*``, ``application/xml``, …)     a string
    nothing                                       ``{}``
    no content type                               JSON if it parses as such, else as text
    anything else                                 ``{"content_type": …, "base64": …}``

Its headers are the request's, names in lower case, with the values of those that carry secrets masked: they would be
kept in the journal in plain text. Three pseudo-headers (a real header's name cannot begin with a colon) tell the rest:
``:method``, ``:path`` and ``:query``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from headrace.errors import Invalid

__all__ = ["MASK", "MASKED", "body_of", "headers_of"]

MASKED = frozenset({"authorization", "proxy-authorization", "cookie"})
MASK = "[masked]"

_EMPTY = msgspec.Raw(b"{}")
_TEXT = frozenset(
    {"application/xml", "application/javascript", "application/yaml", "application/x-yaml", "application/x-ndjson"}
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(msgspec.Raw).decode


def headers_of(headers: Sequence[tuple[bytes, bytes]], method: str, path: str, query: bytes) -> dict[str, Any]:
    """The message's headers. ``headers`` are as ASGI has them: names in lower case, repeats apart."""
    found: dict[str, Any] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in MASKED:
            value = MASK
        elif name in found:
            value = f"{found[name]}, {value}"
        found[name] = value
    found[":method"] = method
    found[":path"] = path
    found[":query"] = _fields(query.decode("latin-1")) if query else {}
    return found


def body_of(body: bytes, content_type: str) -> msgspec.Raw:
    """The message's body as JSON on one line; `Invalid` (``invalid-json``) when it says JSON and is not."""
    if not body:
        return _EMPTY
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return _json(body)
    if media == "application/x-www-form-urlencoded":
        return msgspec.Raw(_encode(_fields(body.decode("latin-1"))))
    if not media:
        return _guess(body)
    if media.startswith("text/") or media.endswith("+xml") or media in _TEXT:
        text = _text(body, parameters)
        if text is not None:
            return msgspec.Raw(_encode(text))
    return _binary(body, media)


def _json(body: bytes) -> msgspec.Raw:
    try:
        raw = _decode(body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = f"the body says it is JSON but is not: {error}"
        raise Invalid("invalid-json", told, next_step="Send valid JSON in UTF-8 or another content type.") from error
    return msgspec.Raw(msgspec.json.format(body, indent=-1)) if b"\n" in body else raw


def _guess(body: bytes) -> msgspec.Raw:
    try:
        return _json(body)
    except Invalid:
        text = _text(body, "")
        return _binary(body, "") if text is None else msgspec.Raw(_encode(text))


def _text(body: bytes, parameters: str) -> str | None:
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"')
    try:
        text = body.decode(charset)
        text.encode()
    except (LookupError, UnicodeError):
        return None
    return text


def _binary(body: bytes, media: str) -> msgspec.Raw:
    return msgspec.Raw(_encode({"content_type": media, "base64": base64.b64encode(body).decode()}))


def _fields(text: str) -> dict[str, Any]:
    return _collected(parse_qsl(text, keep_blank_values=True, errors="replace"))


def _collected(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields
