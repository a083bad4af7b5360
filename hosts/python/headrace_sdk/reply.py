"""The status of an answer to a caller who waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace_sdk.errors import BodyError

__all__ = ["answered"]

HEADER = "x-eio-status-code"


def answered(status: int | None, headers: Mapping[str, Any] | None) -> tuple[int, dict[str, Any]]:
    """``status``, else what the header of elastic.io says, else 200; and the other headers. Raises `BodyError`."""
    kept = dict(headers or {})
    named = [name for name in kept if name.lower() == HEADER]
    said = [kept.pop(name) for name in named]
    chosen = status if status is not None else said[0] if said else 200
    try:
        number = int(chosen)
    except (TypeError, ValueError):
        number = 0
    if not 100 <= number <= 999:
        raise BodyError(f"status is {chosen!r}; it must be a number from 100 to 999")
    return number, kept
