"""Requests for objects as component code sends them, and what is kept of their headers. Pure.

    content-type       kept, given back
    x-meta-<name>      kept, given back
    x-query-<name>     kept, given back, and can be searched for: ``?query[<name>]=<value>``
    x-eio-ttl          seconds the object stays although nothing refers to it; a first time only

Names are in lower case: they are those of HTTP headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from headrace.bus.objects import ObjectInfo
from headrace.errors import HeadraceError, Invalid

__all__ = ["Span", "answer", "headers_of", "matches", "metadata_of", "name_in", "span", "ttl", "wanted"]

QUERIES_MOST = 5
"""As many as the public client lets anybody send."""
KEPT = ("x-meta-", "x-query-")
_NAME = re.compile(r"[A-Za-z0-9_~-]{1,64}")
_QUERY = re.compile(r"query\[(.+)\]")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class RangeUnmet(HeadraceError):
    """The object is shorter than that."""

    status = 416


def name_in(text: str) -> str:
    """The object's id; `Invalid` (``bad-object-id``) when that cannot be one."""
    if not _NAME.fullmatch(text):
        raise Invalid("bad-object-id", f"{text[:80]!r} is not the id of an object")
    return text


def metadata_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What is kept of a request's headers."""
    found = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        if name == "content-type" or name.startswith(KEPT):
            found[name] = value.decode("latin-1")
    queries = sum(name.startswith("x-query-") for name in found)
    if queries > QUERIES_MOST:
        told = f"an object can have {QUERIES_MOST} headers x-query-… at most, not {queries}"
        raise Invalid("too-many-query-headers", told, next_step="Use x-meta-… for what is not searched for.")
    return found


def ttl(headers: Mapping[str, str]) -> float | None:
    """The seconds of ``x-eio-ttl``; `None` without it."""
    text = headers.get("x-eio-ttl")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise Invalid("bad-ttl", f"x-eio-ttl is a number of seconds, not {text[:40]!r}")
    return float(min(int(text), 10**9))


def wanted(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What objects are searched for: values by name. `Invalid` (``bad-object-query``) when it is none."""
    found = {}
    for key, value in query:
        match = _QUERY.fullmatch(key)
        if match is None:
            raise Invalid("bad-object-query", f"objects are searched by query[<name>]=<value>, not by {key[:80]!r}")
        found[match[1].lower()] = value
    if not 0 < len(found) <= QUERIES_MOST:
        told = f"objects are searched by 1 to {QUERIES_MOST} values, not by {len(found)}"
        raise Invalid("bad-object-query", told, next_step="Add ?query[<name>]=<value>.")
    return found


def matches(info: ObjectInfo, values: Mapping[str, str]) -> bool:
    """Whether the object has all these query headers."""
    return all(info.metadata.get(f"x-query-{name}") == value for name, value in values.items())


def headers_of(info: ObjectInfo) -> dict[str, str]:
    """The headers of an answer that has the object's content."""
    kept = {name: value for name, value in info.metadata.items() if name.startswith(KEPT)}
    return kept | {
        "content-type": info.metadata.get("content-type", "application/octet-stream"),
        "accept-ranges": "bytes",
        "etag": f'"{info.nuid}"',
        "cache-control": "no-store",
    }


def answer(info: ObjectInfo) -> dict[str, Any]:
    """The object without its content, in the words of the public client."""
    return {
        "objectId": info.name,
        "contentType": info.metadata.get("content-type", "application/octet-stream"),
        "contentLength": info.size,
        "createdAt": info.created,
        "expiresAt": info.expires,
        "metadata": _without(info, "x-meta-"),
        "queriableFields": _without(info, "x-query-"),
    }


def _without(info: ObjectInfo, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in info.metadata.items() if name.startswith(prefix)}


class Span(NamedTuple):
    """A part of an object: from byte ``start`` up to ``end``."""

    start: int
    end: int


def span(header: str | None, size: int) -> Span | None:
    """What a ``Range`` header asks for; `None`: everything, as for units and lists of ranges that we do not know.

    Raises `RangeUnmet` (``range-unmet``).
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if last and first and int(last) < int(first):
        return None
    if start >= size:
        raise RangeUnmet("range-unmet", f"the object has {size} bytes")
    return Span(start, end)
