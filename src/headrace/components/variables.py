"""Environment variables of a component: which names and values can be set. Pure.

A component says in ``envVars`` what it reads; others may be set as well, since code can read any, at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.errors import Problem

__all__ = ["MOST", "is_settable", "problems"]

MOST = 200
"""Variables a component may have."""
LARGEST = 64 * 1024
"""Bytes a value may have; the system takes no more than twice that."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
RESERVED = re.compile(
    r"(ELASTICIO_|HEADRACE_|LD_|DYLD_|PYTHON|GLIBC_).*"
    r"|PATH|HOME|TMPDIR|LANG|USER|LOGNAME|SHELL|LOG_LEVEL|NODE_OPTIONS|NODE_PATH|ENV|BASH_ENV|IFS|GCONV_PATH",
    re.ASCII | re.DOTALL,
)
"""What the platform sets itself, and what changes how programs are found and started: the sandbox is one of these."""


def is_settable(name: str) -> bool:
    """Whether a variable of this name can be a component's."""
    return NAME.fullmatch(name) is not None and RESERVED.fullmatch(name) is None


def problems(changes: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with names and values that are to be set (`None`: to be taken away). Values are not told."""
    for name, value in changes.items():
        path = f"values.{name[:200]}"
        if NAME.fullmatch(name) is None:
            told = "is no name of a variable: letters, digits and _ only, no digit first"
            yield Problem(path, "bad-name", told)
        elif RESERVED.fullmatch(name) is not None:
            told = "is the platform's own, or changes how programs are started, so it cannot be set"
            yield Problem(path, "reserved", told, "choose another name")
        elif value is not None and (not isinstance(value, str) or "\0" in value or not _encodes(value)):
            yield Problem(path, "bad-value", "must be text, without NUL", "write it between quotes")
        elif value is not None and len(value.encode()) > LARGEST:
            yield Problem(path, "too-large", f"has more than {LARGEST} bytes", "put it into a file, or a credential")


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
