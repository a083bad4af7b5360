"""Collecting the problems of a document, with places and suggestions."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from headrace.errors import Problem, Severity

__all__ = ["LIMIT", "Findings", "Reason", "clipped", "join", "nearest"]

LIMIT = 500
"""Problems reported for one document; a reader stops long before."""

Reason = Literal[
    "alias",
    "both",
    "choice",
    "component-not-found",
    "credential-missing",
    "credential-not-found",
    "credential-not-good",
    "credential-of-another",
    "cycle",
    "deprecated",
    "duplicate-id",
    "duplicate-key",
    "empty",
    "encoding",
    "expression",
    "field-choice",
    "field-missing",
    "field-requires",
    "grants-all",
    "key",
    "merge-key",
    "missing",
    "name",
    "no-after",
    "no-credentials",
    "no-steps",
    "no-trigger",
    "not-built",
    "number",
    "offer",
    "offer-not-found",
    "order",
    "ordinary",
    "path",
    "range",
    "repeated",
    "several-triggers",
    "step-left-out",
    "step-not-always",
    "step-not-before",
    "syntax",
    "tag",
    "too-deep",
    "too-large",
    "too-many-problems",
    "too-many-steps",
    "trigger-key",
    "type",
    "unknown-field",
    "unknown-key",
    "unknown-name",
    "unknown-step",
    "unknown-variable",
    "unreachable",
    "unused-key",
    "variable-missing",
    "version",
    "version-not-found",
]
"""What can be wrong with a flow document; each has a line in ``docs/reference/flow-document.md``."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(slots=True)
class Findings:
    """Problems in the order in which they were found."""

    found: list[Problem] = field(default_factory=list)
    dropped: int = 0

    def error(self, path: str, reason: Reason, message: str, suggestion: str = "") -> None:
        """Something that must be mended before the document can be used."""
        self._add(path, reason, message, suggestion, "error")

    def warning(self, path: str, reason: Reason, message: str, suggestion: str = "") -> None:
        """Something that is most likely not meant."""
        self._add(path, reason, message, suggestion, "warning")

    def add(self, problems: Iterable[Problem]) -> None:
        """What was found elsewhere."""
        for problem in problems:
            self._add(problem.path, problem.reason, problem.message, problem.suggestion, problem.severity)

    def _add(self, path: str, reason: str, message: str, suggestion: str, severity: Severity) -> None:
        if len(self.found) < LIMIT:
            self.found.append(Problem(path, reason, message, suggestion, severity))
        else:
            self.dropped += 1

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, and a last one that counts what did not fit."""
        if not self.dropped:
            return tuple(self.found)
        more = Problem("", "too-many-problems", f"{self.dropped} more problems are not shown")
        return (*self.found, more)


def join(path: str, key: str | int) -> str:
    """The path of a member: ``steps[2]``, ``fields.region``, ``fields["first name"]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(clipped(key), ensure_ascii=False)}]"


def nearest(word: str, choices: Iterable[str], otherwise: str = "") -> str:
    """A suggestion: the choice most like ``word``; else ``otherwise``."""
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word[:64].lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean `{lowered[close[0]]}`?" if close else otherwise


def clipped(text: str, limit: int = 40) -> str:
    """One line of at most ``limit`` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
