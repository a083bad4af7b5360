"""Hints that something happened, for open browsers: for each flow at most two a second, the last one never late."""

from __future__ import annotations

import msgspec

__all__ = ["EVERY", "Hint", "Hints"]

EVERY = 0.5
"""Seconds between two hints about one flow."""


class Hint(msgspec.Struct, frozen=True):
    """What happened in a flow since the last hint. ``execution`` is the last one that something happened in."""

    flow_id: str
    execution: str
    facts: int
    errors: int


class Hints:
    """Gathers what happened and says what is due to be told."""

    def __init__(self) -> None:
        self._waiting: dict[str, Hint] = {}
        self._told: dict[str, float] = {}

    def note(self, flow_id: str, execution: str, *, facts: int = 0, errors: int = 0) -> None:
        """Something happened in that execution."""
        before = self._waiting.get(flow_id)
        if before is not None:
            facts, errors = facts + before.facts, errors + before.errors
        self._waiting[flow_id] = Hint(flow_id, execution, facts, errors)

    def due(self, now: float) -> list[Hint]:
        """The hints to give now (seconds of a steady clock); they count as given."""
        given = [hint for flow_id, hint in self._waiting.items() if now - self._told.get(flow_id, -EVERY) >= EVERY]
        for hint in given:
            del self._waiting[hint.flow_id]
            self._told[hint.flow_id] = now
        return given
