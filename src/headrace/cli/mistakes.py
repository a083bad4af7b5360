"""The mistakes that the server found in a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.errors import Problem

__all__ = ["CORRECT", "errors_of", "mistakes", "tell", "without_errors"]

CORRECT = "correct what is listed and try again; docs/reference/flow-document.md has every key"


def mistakes(answer: Mapping[str, Any] | None) -> tuple[Problem, ...]:
    """All of them, as an answer lists them."""
    from headrace.cli.client import problem

    return tuple(problem(each) for each in (answer or {}).get("problems") or ())


def errors_of(answer: Mapping[str, Any] | None) -> tuple[Problem, ...]:
    """Those that keep the document from being published."""
    return tuple(each for each in mistakes(answer) if each.severity == "error")


def tell(answer: Mapping[str, Any]) -> None:
    """Print all of them: a draft may have them."""
    from headrace.cli.output import err, print_problems

    print_problems(mistakes(answer), to=err())


def without_errors(answer: Mapping[str, Any], what: object) -> tuple[Problem, ...]:
    """The warnings, printed; `Invalid` (``bad-document``) when there are errors."""
    from headrace.cli.output import err, print_problems
    from headrace.errors import Invalid

    found = mistakes(answer)
    if errors_of(answer):
        raise Invalid("bad-document", f"{what} has errors", problems=found, next_step=CORRECT)
    print_problems(found, to=err())
    return found
