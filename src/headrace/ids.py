"""Identifiers: sortable by time when made, derived by digest when they must come out the same again."""

from __future__ import annotations

import hashlib
import os
import time

__all__ = ["derived_id", "new_id"]


def new_id() -> str:
    """Return 22 hex digits: 12 of milliseconds since the epoch, 10 random. Later ids sort later."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(5).hex()}"


def derived_id(*parts: str) -> str:
    """Return 24 hex digits that depend on ``parts`` alone, so a repeat of the same work has the same id."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()
