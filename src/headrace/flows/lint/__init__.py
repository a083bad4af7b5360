"""Everything that can be told about a flow document before it runs.

`lint` never raises for what a document says: it returns problems, errors and warnings, each with the path of the
field, a reason and, where there is one, a suggestion. A document without errors can be published.
The reasons are listed in ``docs/reference/flow-document.md``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from headrace.errors import Invalid, Problem
from headrace.flows.catalog import Catalog
from headrace.flows.disabled import left_out
from headrace.flows.document import Document, parse
from headrace.flows.findings import Findings
from headrace.flows.lint import expressions, offers, shape

__all__ = ["check", "lint"]

_STEP = re.compile(r"steps\[(\d+)\]")


def lint(text: str | bytes, catalog: Catalog) -> tuple[Problem, ...]:
    """The problems of a document's text; what the text cannot say comes first, and alone."""
    try:
        document = parse(text)
    except Invalid as invalid:
        return invalid.problems
    return check(document, catalog)


def check(document: Document, catalog: Catalog) -> tuple[Problem, ...]:
    """The problems of a document that can be read, in the order of its steps."""
    findings = Findings()
    graph = shape.check(document, findings)
    within = Findings()
    offers.check(document, catalog, within)
    expressions.check(document, graph, within)
    gone = left_out(document)
    idle = {index for index, step in enumerate(document.steps) if step.id in gone}
    findings.add(_mild(problem) if _place(problem) in idle else problem for problem in within.problems)
    return tuple(sorted(findings.problems, key=_place))


def _mild(problem: Problem) -> Problem:
    """What is wrong within a step that does not run keeps nothing from running."""
    return replace(problem, severity="warning")


def _place(problem: Problem) -> int:
    match = _STEP.match(problem.path)
    return int(match[1]) if match else -1
