"""A filter on one value of the message."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from headrace_sdk import Context, Message

MISSING = object()


def init(_ctx: Context, cfg: dict[str, Any]) -> None:
    """Refuse a comparison that does not exist, or a broken expression, before the flow goes live."""
    if cfg.get("is") not in TESTS:
        raise ValueError(f"`is` is {cfg.get('is')!r}: write one of {', '.join(TESTS)}")
    if cfg["is"] == "matching":
        re.compile(str(cfg.get("value")))


async def process(_ctx: Context, msg: Message, cfg: dict[str, Any]) -> Any:
    """The message unchanged, or nothing."""
    value = find(msg.body, str(cfg["path"]))
    return msg if TESTS[cfg["is"]](value, cfg.get("value")) else None


def find(body: Any, path: str) -> Any:
    """The value at ``path``, or `MISSING`."""
    for key in path.split("."):
        if isinstance(body, dict):
            body = body.get(key, MISSING)
        elif isinstance(body, list) and re.fullmatch(r"-?\d+", key) and -len(body) <= int(key) < len(body):
            body = body[int(key)]
        else:
            return MISSING
    return body


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value)) if _plain(value) else str(value)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _equal(value: Any, other: Any) -> bool:
    if value is MISSING:
        return False
    left, right = _number(value), _number(other)
    if left is not None and right is not None:
        return left == right
    return bool(value == other) or _text(value) == _text(other)


def _order(value: Any, other: Any) -> int:
    """-1, 0 or 1; 0 for what cannot be compared."""
    if value is MISSING or isinstance(value, dict | list) or _plain(value):
        return 0
    left, right = _number(value), _number(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    return (_text(value) > _text(other)) - (_text(value) < _text(other))


def _contains(value: Any, other: Any) -> bool:
    if isinstance(value, list):
        return any(_equal(each, other) for each in value)
    return value is not MISSING and _text(other) in _text(value)


def _one_of(value: Any, others: Any) -> bool:
    listed = others if isinstance(others, list) else [part.strip() for part in str(others or "").split(",")]
    return any(_equal(value, each) for each in listed)


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equal": _equal,
    "different": lambda value, other: not _equal(value, other),
    "less": lambda value, other: _order(value, other) < 0,
    "more": lambda value, other: _order(value, other) > 0,
    "containing": _contains,
    "matching": lambda value, other: value is not MISSING and re.search(str(other), _text(value)) is not None,
    "in": _one_of,
    "present": lambda value, _other: value is not MISSING and value is not None,
    "absent": lambda value, _other: value is MISSING or value is None,
    "true": lambda value, _other: value is True or value == "true",
}
