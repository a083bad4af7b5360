"""What changed between two documents, step by step and key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from headrace.flows.document import Document, to_value
from headrace.flows.findings import join

__all__ = ["Change", "diff"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. Values are as canonical text spells them: ``5m``, not 300."""

    kind: Literal["added", "removed", "changed"]
    step: str | None
    """The step's id; `None` for the flow's own keys."""
    path: str
    """The key within the step or flow, such as ``fields.region``; empty when a whole step came or went."""
    before: Any = None
    after: Any = None


def diff(old: Document, new: Document) -> tuple[Change, ...]:
    """All changes: the flow's own keys, then steps in the order of ``new``, then removed ones; empty when equal.

    Steps are matched by id, so a renamed step is one removed and one added. ``steps`` lists the ids when only their
    order in the text changed.
    """
    before, after = to_value(old), to_value(new)
    steps, new_steps = _by_id(before.pop("steps")), _by_id(after.pop("steps"))
    changes = list(_changes(None, "", before, after))
    kept, new_kept = [step for step in steps if step in new_steps], [step for step in new_steps if step in steps]
    if kept != new_kept:
        changes.append(Change("changed", None, "steps", kept, new_kept))
    for step, value in new_steps.items():
        if step in steps:
            changes += _changes(step, "", steps[step], value)
        else:
            changes.append(Change("added", step, "", None, value))
    changes += (Change("removed", step, "", value, None) for step, value in steps.items() if step not in new_steps)
    return tuple(changes)


def _by_id(steps: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Steps by id; a draft may repeat one, which then counts as another step."""
    seen: Counter[str] = Counter()
    found = {}
    for step in steps:
        seen[step["id"]] += 1
        count = seen[step["id"]]
        found[step["id"] if count == 1 else f"{step['id']} ({count})"] = step
    return found


def _changes(step: str | None, path: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *after)):
        here = join(path, key)
        if key not in after:
            yield Change("removed", step, here, before[key], None)
        elif key not in before:
            yield Change("added", step, here, None, after[key])
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            yield from _changes(step, here, before[key], after[key])
        elif not _same(before[key], after[key]):
            yield Change("changed", step, here, before[key], after[key])


def _same(before: Any, after: Any) -> bool:
    """Equality of JSON values: true is not 1, though 1.0 is."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_same(value, after[key]) for key, value in before.items())
    return bool(before == after)
