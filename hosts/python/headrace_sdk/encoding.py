"""Writing values as JSON, or saying exactly why that is not possible."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from json import encoder
from typing import Any

from headrace_sdk.errors import BodyError

__all__ = ["LARGEST", "to_json"]

LARGEST = 64 * 1024 * 1024
"""The largest frame of the host protocol, in bytes."""

_DEEPEST = 200
"""How deep the search for an offending value goes."""


def _reject(value: object) -> object:
    raise TypeError(type(value).__name__)


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """The C encoder without its per-use set-up, which costs as much as encoding a small body."""
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:
        plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_reject)
        return lambda value, _: plain.iterencode(value)
    text: Callable[[str], str] = getattr(encoder, "encode_basestring")  # noqa: B009
    made: Callable[[Any, int], Iterable[str]] = make(None, _reject, text, None, ":", ",", False, False, False)
    return made


_encode = _encoder()


def to_json(value: object, what: str) -> bytes:
    """``value`` as JSON. Raises `BodyError` naming the type and the path, which starts with ``what``."""
    try:
        encoded = "".join(_encode(value, 0)).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BodyError(_why_not(value, what) or f"{what} is not JSON: {problem}") from None
    if len(encoded) > LARGEST - 4096:
        raise BodyError(f"{what} is too large: {len(encoded)} bytes, a frame holds {LARGEST}")
    return encoded


_HINTS = {
    "bytes": "decode it or make it an attachment",
    "datetime": "use .isoformat()",
    "date": "use .isoformat()",
    "time": "use .isoformat()",
    "Decimal": "use float(…) or str(…)",
    "UUID": "use str(…)",
    "set": "use list(…)",
    "frozenset": "use list(…)",
    "coroutine": "await it",
    "generator": "yield from it instead of returning it",
    "Message": "emit it by itself, not inside another body",
}


def _why_not(value: object, path: str, depth: int = 0) -> str:
    """What keeps ``value`` from being JSON, with its path; empty when nothing does."""
    if depth > _DEEPEST:
        return f"{path[:100]}… is nested too deeply, or contains itself"
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | bool | None):
                return f"{path} has a key that is {_named(key)}; JSON keys are strings"
            if found := _why_not(key, f"{path} (key)") or _why_not(item, _member(path, key), depth + 1):
                return found
        return ""
    if isinstance(value, list | tuple):
        faults = (_why_not(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
        return next(filter(None, faults), "")
    return _scalar_fault(value, path)


def _scalar_fault(value: object, path: str) -> str:
    if isinstance(value, str):
        surrogate = any("\ud800" <= character <= "\udfff" for character in value)
        return f"{path} holds half a surrogate pair, which is not valid Unicode" if surrogate else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{path} is {value}, which JSON does not have; use None"
    if value is None or isinstance(value, int):
        return ""
    hint = _HINTS.get(type(value).__name__)
    return f"{path} is {_named(value)}, which is not JSON" + (f"; {hint}" if hint else "")


def _named(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _member(path: str, key: object) -> str:
    text = str(key)
    return f"{path}.{text}" if text.isidentifier() else f"{path}[{text!r}]"
