"""Parts of a flow document as they are written: what a test of a draft needs, and what its result was made with. Pure.

The rest of a draft may be half done, so nothing here asks whether the steps are right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from headrace.flows import text as texts
from headrace.flows.findings import Findings

__all__ = ["excerpt", "written"]


def written(text: str, step: str | None = None) -> list[dict[str, Any]]:
    """The steps as they are written, in the document's order; with ``step`` only that one and those before it.

    Empty when nothing can be read, or there is no such step.
    """
    steps = _steps(_value(text))
    if step is None:
        return list(steps.values())
    wanted = _with_earlier(steps, step)
    return [each for id_, each in steps.items() if id_ in wanted]


def excerpt(text: str, step: str) -> str:
    """The document with that step and those before it only; as it is, when that cannot be told."""
    value = _value(text)
    kept = written(text, step)
    if not kept:
        return text
    return texts.write({**value, "steps": kept})


def _value(text: str) -> Mapping[str, Any]:
    with contextlib.suppress(texts.Unreadable):
        value = texts.read(text, Findings())
        if isinstance(value, dict):
            return value
    return {}


def _steps(value: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    steps = value.get("steps")
    listed = steps if isinstance(steps, list) else []
    return {each["id"]: each for each in listed if isinstance(each, dict) and isinstance(each.get("id"), str)}


def _with_earlier(steps: Mapping[str, Mapping[str, Any]], step: str) -> set[str]:
    found: set[str] = set()
    open_ = [step] if step in steps else []
    while open_:
        found.add(current := open_.pop())
        after = steps[current].get("after")
        before = [after] if isinstance(after, str) else after if isinstance(after, list) else []
        open_ += [each for each in before if isinstance(each, str) and each in steps and each not in found]
    return found
