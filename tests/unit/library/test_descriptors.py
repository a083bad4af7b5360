from __future__ import annotations

import ast

import pytest
from tests.unit.library.parts import LIBRARY, descriptor

from headrace.components.lint import lint

COMPONENTS = sorted(path.parent.name for path in LIBRARY.glob("*/component.json"))
PROMISED = {
    "webhook": ("triggers", "receive"),
    "watch-folder": ("triggers", "records"),
    "timer": ("triggers", "tick"),
    "http": ("actions", "request"),
    "write-file": ("actions", "append"),
    "log": ("actions", "write"),
    "filter": ("actions", "keep"),
    "split": ("actions", "each"),
}


def test_the_library_holds_what_was_promised() -> None:
    assert set(COMPONENTS) == set(PROMISED)
    for component, (kind, name) in PROMISED.items():
        assert name in descriptor(component)[kind]


@pytest.mark.parametrize("component", COMPONENTS)
def test_lint_finds_nothing(component: str) -> None:
    files = [str(path.relative_to(LIBRARY / component)) for path in (LIBRARY / component).rglob("*.*")]
    assert lint((LIBRARY / component / "component.json").read_bytes(), files) == ()


@pytest.mark.parametrize("component", COMPONENTS)
def test_everything_is_explained(component: str) -> None:
    kind, name = PROMISED[component]
    offer = descriptor(component)[kind][name]
    assert descriptor(component)["description"]
    assert offer["title"] and offer["description"] and offer["help"]["description"]
    for field in offer.get("fields", {}).values():
        assert field["label"]
        assert field.get("note") or field.get("model")


@pytest.mark.parametrize("component", COMPONENTS)
def test_nothing_but_the_standard_library_is_needed(component: str) -> None:
    import sys

    own = {path.stem for path in (LIBRARY / component).glob("*.py")}
    allowed = sys.stdlib_module_names | own | {"headrace_sdk"}
    for path in (LIBRARY / component).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] in allowed


def test_only_file_components_are_granted_paths() -> None:
    granted = {
        (component, field, about["grants"])
        for component, (kind, name) in PROMISED.items()
        for field, about in descriptor(component)[kind][name].get("fields", {}).items()
        if "grants" in about
    }
    assert granted == {("watch-folder", "folder", "read"), ("write-file", "path", "write")}
