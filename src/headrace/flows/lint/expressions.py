"""Expressions: do they compile, and is what they read there when they are evaluated?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from headrace.flows.disabled import left_out, running
from headrace.flows.document import Document, Step
from headrace.flows.findings import Findings, clipped, nearest
from headrace.flows.graph import Graph
from headrace.flows.lint.shape import at
from headrace.flows.mapping import Expression, MappingError

__all__ = ["FUNCTIONS", "check"]

_PARTS = ("body", "headers", "attachments")

_BUILT_IN = """
    abs append assert average base64decode base64encode boolean ceil clone contains count decodeUrl
    decodeUrlComponent distinct each encodeUrl encodeUrlComponent error eval exists filter floor formatBase
    formatInteger formatNumber fromMillis join keys length lookup lowercase map match max merge millis min not
    now number pad parseInteger power random reduce replace reverse round shuffle sift single sort split
    spread sqrt string substring substringAfter substringBefore sum toMillis trim type uppercase zip
"""
FUNCTIONS = tuple(_BUILT_IN.split())
"""JSONata's own functions, for suggestions."""


def check(document: Document, graph: Graph | None, findings: Findings) -> None:
    """Check ``when`` and ``input`` of each step; without a graph the order of steps is not judged."""
    gone = left_out(document)
    runs = graph if graph is None or not gone else Graph.of({step.id: step.after for step in running(document).steps})
    for index, step in enumerate(document.steps):
        idle = step.id in gone
        sight = _Sight(tuple(one.id for one in document.steps), graph if idle else runs, () if idle else gone)
        for key, source in (("when", step.when), ("input", step.input)):
            if source is not None and step.kind == "action":
                _expression(at(index, key), source, step, sight, findings)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the expressions of a step can name."""

    ids: tuple[str, ...]
    graph: Graph | None
    left_out: Collection[str]
    """Steps that do not run while this one does."""


def _expression(path: str, source: str, step: Step, sight: _Sight, findings: Findings) -> None:
    try:
        expression = Expression(source)
    except MappingError as error:
        findings.error(path, "expression", error.message, _mended(source))
        return
    told: set[str] = set()
    for name in sorted(expression.references or ()):
        if name not in sight.ids:
            told.update(_unknown_step(path, name, sight.ids, findings))
        elif name in sight.left_out:
            message = f"`{name}` is left out: it is disabled, or only a disabled step leads to it"
            findings.error(path, "step-left-out", message, f"enable it, or write the expression without $steps.{name}")
        elif sight.graph is not None:
            _before(path, name, step, sight.graph, findings)
    _outputs(path, expression, findings)
    _names(path, expression, told, findings)


def _mended(source: str) -> str:
    return "leave the key out to pass the message on as it is" if not source.strip() else ""


def _unknown_step(path: str, name: str, ids: Sequence[str], findings: Findings) -> list[str]:
    """Report it; return names in the expression that this explains."""
    cut = next((one for one in ids if one.startswith(f"{name}-")), None)
    if cut is not None:
        message = f"`$steps.{name}` is no step: a - ends the name, and what follows is subtracted"
        findings.error(path, "unknown-step", message, f"write $steps.`{cut}`")
        return cut.split("-")
    suggestion = nearest(name, ids, f"the steps are {', '.join(ids[:8])}")
    findings.error(path, "unknown-step", f"`$steps.{clipped(name)}` is no step of this flow", suggestion)
    return []


def _before(path: str, name: str, step: Step, graph: Graph, findings: Findings) -> None:
    if name in graph.always[step.id]:
        return
    if name in graph.earlier[step.id]:
        message = f"`{name}` runs on some ways to this step only; on others `$steps.{name}` is undefined"
        findings.warning(path, "step-not-always", message, "test it with $exists, or leave it when both ways are meant")
        return
    earlier = ", ".join(one for one in graph.order if one in graph.earlier[step.id])
    message = f"`{name}` does not run before this step"
    if name == step.id:
        message = f"`$steps.{name}` is this step's own output, which is not there yet"
    findings.error(path, "step-not-before", message, f"before it run: {earlier}")


def _outputs(path: str, expression: Expression, findings: Findings) -> None:
    for name, parts in expression.output_fields.items():
        for part in sorted(parts.difference(_PARTS)):
            message = f"`$steps.{clipped(name)}` has no `{clipped(part)}`: an output has {', '.join(_PARTS)}"
            suggestion = nearest(part, _PARTS, f"write $steps.{clipped(name)}.body.{clipped(part)}")
            findings.warning(path, "unknown-name", message, suggestion)


def _names(path: str, expression: Expression, told: set[str], findings: Findings) -> None:
    for name in sorted((expression.fields or frozenset()).difference(_PARTS, told)):
        message = f"`{clipped(name)}` is undefined: a message has {', '.join(_PARTS)}"
        findings.warning(path, "unknown-name", message, nearest(name, _PARTS, f"write body.{clipped(name)}"))
    for name in sorted(expression.variables):
        suggestion = nearest(name, ("steps", *FUNCTIONS)).replace("`", "`$", 1)
        if name == "getPassthrough":
            suggestion = "write $steps.<id>.body"
        findings.warning(path, "unknown-variable", f"`${clipped(name)}` is not defined", suggestion)
