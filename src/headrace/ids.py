"""Identifiers: sortable by time when made, derived by digest when they must come out the same again."""

from __future__ import annotations

import hashlib
import os
import re
import time

__all__ = ["derived_id", "flow_of_test", "key_of_test", "new_id"]

_TEST_KEY = re.compile(r"(.+)-test-[0-9]+")


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


def key_of_test(flow_id: str, number: int) -> str:
    """The flow id under which a draft of that flow is tried; ``number`` is that of the test it was made for."""
    return f"{flow_id}-test-{number}"


def flow_of_test(flow_id: str) -> str | None:
    """The id of the flow whose draft is tried under ``flow_id``; `None` when that is no key of a test."""
    found = _TEST_KEY.fullmatch(flow_id)
    return None if found is None else found[1]
