"""Steps and the edges between them: one trigger, known ids, no cycles."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.flows.document import Document, Step
from headrace.flows.findings import Findings, clipped, nearest
from headrace.flows.graph import Graph, cycles, reachable

__all__ = ["at", "check"]


def at(index: int, key: str) -> str:
    """The path of a step's key."""
    return f"steps[{index}].{key}"


def check(document: Document, findings: Findings) -> Graph | None:
    """Report what is wrong; return the graph when the steps form one."""
    _type(document, findings)
    _redeploy(document, findings)
    for index, step in enumerate(document.steps):
        _trigger_keys(index, step, findings)
        _order(index, step, findings)
    before = len(findings.found)
    _triggers(document, findings)
    _ids(document, findings)
    for index, step in enumerate(document.steps):
        _after(index, step, document, findings)
    _cycles(document, findings)
    if len(findings.found) > before:
        _unreachable(document, findings)
        return None
    return Graph.of({step.id: step.after for step in document.steps})


def _type(document: Document, findings: Findings) -> None:
    if document.type == "ordinary":
        message = "Ordinary flows, which sleep between runs, cannot be run yet; real-time flows can"
        findings.error("type", "ordinary", message, "write `type: real-time`, or leave `type` out")


def _redeploy(document: Document, findings: Findings) -> None:
    if document.redeploy == "on-push" and document.steps and all(step.version != "latest" for step in document.steps):
        message = "No push starts a deployment: every step names the component version that it runs"
        findings.warning("redeploy", "unused-key", message, "write `version: latest` on the steps that are to follow")


def _triggers(document: Document, findings: Findings) -> None:
    triggers = [(index, step) for index, step in enumerate(document.steps) if step.kind == "trigger"]
    if not document.steps:
        findings.error("steps", "no-steps", "The flow has no steps", "add a step with a `trigger`")
    elif not triggers:
        findings.error("steps", "no-trigger", "No step has a trigger, so nothing starts the flow", "add one")
    for index, step in triggers[1:]:
        message = f"A flow has one trigger, and `{triggers[0][1].id}` is it"
        findings.error(at(index, "trigger"), "several-triggers", message, f"put `{step.id}` into a flow of its own")


def _ids(document: Document, findings: Findings) -> None:
    first: dict[str, int] = {}
    for index, step in enumerate(document.steps):
        if step.id in first:
            message = f"`{step.id}` is already the id of steps[{first[step.id]}]"
            findings.error(at(index, "id"), "duplicate-id", message, "give each step an id of its own")
        first.setdefault(step.id, index)


def _after(index: int, step: Step, document: Document, findings: Findings) -> None:
    if step.kind == "trigger":
        if step.after:
            message = "A trigger starts the flow and comes after nothing"
            findings.error(at(index, "after"), "trigger-key", message, "remove `after`, or make the step an action")
        return
    if not step.after:
        previous = document.steps[index - 1].id if index else ""
        suggestion = f"add `after: {previous}`" if previous and previous != step.id else "add `after: <step id>`"
        findings.error(at(index, "after"), "no-after", "An action names the steps it comes after", suggestion)
    ids = [other.id for other in document.steps]
    for path, before in _named(index, step):
        if before not in ids:
            message = f"There is no step `{clipped(before)}`"
            others = (one for one in ids if one != step.id)
            findings.error(path, "unknown-step", message, nearest(before, others, f"the steps are {_listed(ids)}"))


def _named(index: int, step: Step) -> Iterator[tuple[str, str]]:
    """Path and id of each step it comes after."""
    for number, before in enumerate(step.after):
        yield at(index, "after" if len(step.after) == 1 else f"after[{number}]"), before


def _trigger_keys(index: int, step: Step, findings: Findings) -> None:
    if step.kind != "trigger":
        return
    if step.disabled:
        message = "A trigger cannot be disabled: without it nothing of the flow would run"
        suggestion = "remove `disabled`, and stop the flow: headrace flow stop FLOW"
        findings.error(at(index, "disabled"), "trigger-key", message, suggestion)
    for key, value in (("input", step.input), ("when", step.when)):
        if value is not None:
            message = f"A trigger has no incoming message, so `{key}` has nothing to work on"
            findings.error(at(index, key), "trigger-key", message, f"move `{key}` to the steps after it")


def _order(index: int, step: Step, findings: Findings) -> None:
    if step.order == "strict" and step.concurrency > 1:
        message = f"Strict order and {step.concurrency} calls at once exclude each other"
        findings.error(at(index, "order"), "order", message, "remove `order: strict` or `concurrency`")


def _cycles(document: Document, findings: Findings) -> None:
    first = {step.id: index for index, step in reversed(list(enumerate(document.steps)))}
    edges = {id_: [one for one in document.steps[index].after if one in first] for id_, index in first.items()}
    for cycle in cycles(edges):
        start = min(range(len(cycle)), key=lambda place: first[cycle[place]])
        around = [*cycle[start:], *cycle[:start]]
        message = f"The steps go round in a circle: {_arrows([*around, around[0]])}"
        suggestion = f"remove `{around[-1]}` from its `after`"
        findings.error(at(first[around[0]], "after"), "cycle", message, suggestion)


def _unreachable(document: Document, findings: Findings) -> None:
    """Steps that nothing leads to. A step with a problem of its own already says so."""
    trigger = document.trigger
    if trigger is None:
        return
    ids = {step.id for step in document.steps}
    edges = {step.id: [one for one in step.after if one in ids] for step in document.steps}
    reached = reachable(edges, [trigger.id])
    blamed = {problem.path.split(".")[0] for problem in findings.found}
    for index, step in enumerate(document.steps):
        if step.id not in reached and f"steps[{index}]" not in blamed:
            message = f"Nothing leads from the trigger `{trigger.id}` to this step"
            findings.error(at(index, "after"), "unreachable", message, f"mend {_listed(step.after)} first")


def _listed(ids: tuple[str, ...] | list[str], limit: int = 8) -> str:
    shown = ", ".join(f"`{one}`" for one in ids[:limit])
    return f"{shown} and {len(ids) - limit} more" if len(ids) > limit else shown


def _arrows(ids: list[str], limit: int = 12) -> str:
    shown = ids if len(ids) <= limit else [*ids[: limit - 2], "…", ids[-1]]
    return " → ".join(shown)
