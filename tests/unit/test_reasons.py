"""Every reason a user can meet is explained in the documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from headrace import errors

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "reference" / name for name in ("errors.md", "flow-document.md", "component-json.md")]
FIRST = {name for name in errors.__all__ if name not in ("Problem", "HeadraceError")}
SECOND = {"Problem", "problem"}
METHODS = {"error", "warning"}
"""`headrace.flows.findings.Findings`: path, reason, message."""


def _word(call: ast.Call, position: int) -> Iterator[str]:
    if len(call.args) <= position:
        return
    argument = call.args[position]
    values = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _subclasses(trees: list[ast.Module]) -> set[str]:
    """Error classes made from those of `headrace.errors` elsewhere."""
    known = set(FIRST)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id in known for base in node.bases
            ):
                known.add(node.name)
    return known


def _reasons() -> set[str]:
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "src").rglob("*.py"))]
    first = _subclasses(trees)
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = {reason for call in calls for reason in _of(call, first)}
    return {reason for reason in found if re.fullmatch(r"[a-z][a-z0-9-]*", reason)}


def _of(call: ast.Call, first: set[str]) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in first:
        yield from _word(call, 0)
    elif name in SECOND or (method in METHODS and len(call.args) >= 3):
        yield from _word(call, 1)
    elif "Failure" in (name, method):
        for keyword in call.keywords:
            if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value)


def _explained() -> set[str]:
    rows = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])}


def test_every_reason_is_explained() -> None:
    missing = _reasons() - _explained()
    assert not missing, f"docs/reference/errors.md does not explain {', '.join(sorted(missing))}"


def test_the_search_finds_reasons_of_every_kind() -> None:
    found = _reasons()
    assert {"flow-stopped", "bad-cursor", "unexpected", "journal-full"} <= found
