"""Differences between flow documents, for people: a sign, the step, the key, and the values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.text import Text

from headrace.cli.output import coloured, one_line

__all__ = ["change_lines", "commit_lines", "print_changes"]

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
SHOWN = 80
"""Characters of a value; more is shown as lines of its own when it has several."""


def print_changes(changes: Iterable[Mapping[str, Any]]) -> None:
    """Every change, grouped as the API lists them."""
    from headrace.cli.output import out

    for change in changes:
        for line in change_lines(change):
            out().print(line, soft_wrap=True)


def change_lines(change: Mapping[str, Any]) -> Iterator[Text]:
    """One change: one line, and for texts of several lines those that differ."""
    sign, style = SIGNS[change["kind"]]
    where = ": ".join(filter(None, (change["step"] and f"step {change['step']}", change["path"])))
    head = Text.assemble("  ", (f"{sign} {where}", style))
    before, after = change["before"], change["after"]
    if not change["path"]:
        yield Text.assemble(head, "  ", _whole(after if after is not None else before))
    elif _long(before) or _long(after):
        yield head
        yield from _line_by_line(before, after)
    elif change["kind"] == "changed":
        yield Text.assemble(head, "  ", _value(before), " → ", _value(after))
    else:
        yield Text.assemble(head, "  ", _value(after if change["kind"] == "added" else before))


def commit_lines(commits: Mapping[str, Any], indent: str) -> Iterator[Text]:
    """The commits that come in, and those that go out, a line each."""
    from headrace.cli.output import when

    for key, sign, style in (("added", "+", "green"), ("removed", "-", "red")):
        for each in commits.get(key) or ():
            subject = one_line(each["message"].partition("\n")[0])
            author = each["author"].partition(" <")[0]
            told = f"{each['commit'][:7]} {subject} ({one_line(author)}, {when(each['committed_at'])[:10]})"
            yield Text.assemble(indent, (sign, style), " ", told)


def _whole(step: Any) -> str:
    """What a step that came or went is."""
    offered = step.get("trigger") or step.get("action") if isinstance(step, dict) else None
    return one_line(str(offered or json.dumps(step, ensure_ascii=False)))


def _value(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False))


def _long(value: Any) -> bool:
    return isinstance(value, str) and ("\n" in value.strip() or len(value) > SHOWN)


def _line_by_line(before: Any, after: Any) -> Iterator[Text]:
    import difflib

    for line in difflib.ndiff(_lines(before), _lines(after)):
        if not line.startswith("?"):
            style = {"+": "green", "-": "red"}.get(line[0], "dim")
            yield Text.assemble("      ", coloured(line, style))


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    return value.splitlines() if isinstance(value, str) else [json.dumps(value, ensure_ascii=False)]
