"""A plan, for people: what a publish or a rollback would do, before it does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from headrace.cli.changes import change_lines, commit_lines
from headrace.cli.output import counted, one_line, out

__all__ = ["is_blocked", "plan_lines", "print_plan"]

HARMLESS = "nothing-moved"
"""What is no failure: there is nothing to do."""


def print_plan(plan: dict[str, Any]) -> None:
    """Print all of it."""
    for line in plan_lines(plan):
        out().print(line, soft_wrap=True)


def is_blocked(plan: dict[str, Any]) -> bool:
    """Whether it would be refused, for another reason than that there is nothing to do."""
    return any(each["reason"] != HARMLESS for each in plan["blockers"])


def plan_lines(plan: dict[str, Any]) -> Iterator[Text]:
    """Its parts in the order in which they matter; parts that are empty are left out."""
    yield Text(f"{plan['flow']}: {_versions(plan)}, by {plan['strategy']}", "bold")
    yield from _part("Changes", [line for each in plan["changes"] for line in change_lines(each)])
    yield from _part("Component versions", [line for each in plan["moves"] for line in _move(each)])
    yield from _part("Stays behind", [line for each in plan["newer"] for line in _newer(each)])
    yield from _part("Environment variables", [Text(f"  of {each}: changed since") for each in plan["variables"]])
    ready = ", ".join(plan["must_be_ready"])
    yield from _part("Must get ready", [Text(f"  {ready}  ({counted(plan['step_count'], 'step')} with mappers)")])
    left_out = [Text(f"  {each}", "dim") for each in plan["left_out"]]
    yield from _part("Left out, as disabled or only reached through a disabled step", left_out)
    yield from _part("May use", list(_grants(plan["steps"])))
    reset = [f"  {each['step']}: {each['before']} becomes {each['after']}" for each in plan["snapshots_reset"]]
    yield from _part("Snapshots that are reset", [Text(each) for each in reset])
    yield from _part("Startup and shutdown", [Text(f"  {_hooks(plan['hooks'])}")])
    yield from _part("Interruption", [Text(f"  {_interruption(plan['interruption'])}")])
    yield from _part("Mind", [Text(f"  {one_line(each)}") for each in plan["remarks"]])
    warnings = [each for each in plan["problems"] if each["severity"] != "error"]
    yield from _part("Warnings", [Text(f"  {_mistake(each)}", "yellow") for each in warnings])
    yield from _part("It would be refused", [Text(f"  {_mistake(each)}", "red") for each in plan["blockers"]])


def _versions(plan: dict[str, Any]) -> str:
    runs, becomes = plan["running_version"], plan["next_version"]
    if runs == becomes:
        return f"version {becomes} again"
    return (f"version {runs} → " if runs is not None else "") + (
        f"version {becomes}" + (" (the draft)" if plan["source"] == "draft" else "")
    )


def _part(title: str, lines: list[Text]) -> Iterator[Text]:
    if lines:
        yield Text(title, "bold")
        yield from lines


def _move(move: dict[str, Any]) -> Iterator[Text]:
    before, after = move["from_component"], move["component"]
    becomes = f"{move['to_revision']}" if before == after else f"{after} {move['to_revision']}"
    yield Text(f"  {move['step']}: {before} {move['from_revision']} → {becomes}")
    yield from commit_lines(move["commits"], "      ")


def _newer(each: dict[str, Any]) -> Iterator[Text]:
    names = f"{each['step']}: names {each['selector']}, and runs {each['component']} {each['revision']}"
    yield Text(f"  {names}; the latest is {each['latest']}")
    yield from commit_lines(each["commits"], "      ")


def _grants(steps: list[dict[str, Any]]) -> Iterator[Text]:
    for step in steps:
        for access, paths in (("reads", step["read"]), ("writes", step["write"])):
            for path in paths:
                new = path in step["newly_granted"]
                yield Text(
                    f"  {step['id']} {access} {one_line(path)}{' (new)' if new else ''}", "yellow" if new else ""
                )


def _hooks(hooks: dict[str, Any]) -> str:
    if hooks["shutdown"]:
        changed = ", ".join(hooks["changed"])
        return f"both run within the switch, where the component has them: the trigger's {changed} changed"
    if hooks["startup"]:
        return "startup runs, where the component has it"
    return "neither runs: the trigger is the same, and what startup prepared is kept"


def _interruption(found: dict[str, Any]) -> str:
    expected = found["expected_ms"]
    return found["text"] if not expected else f"about {expected:.0f} ms: {found['text']}"


def _mistake(each: dict[str, Any]) -> str:
    where = f"{each['path']}: " if each["path"] else ""
    then = f" ({each['suggestion']})" if each["suggestion"] else ""
    return one_line(f"{where}{each['message']}{then}")
