"""The example components are complete, pinned, listed, and free of slips."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from headrace.components.lint import lint

ROOT = Path(__file__).parents[2] / "examples"
COMPONENTS = sorted(path.parent for path in ROOT.glob("components/*/component.json"))
each_component = pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.name)


def files(component: Path) -> list[str]:
    """What git would have, and what TypeScript makes of it."""
    found = [path.relative_to(component) for path in component.rglob("*.*") if "node_modules" not in path.parts]
    compiled = [f"dist/{path.relative_to('src').with_suffix('.js')}" for path in found if path.suffix == ".ts"]
    return [*map(str, found), *compiled]


def descriptor(component: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((component / "component.json").read_text())
    return found


@each_component
def test_lint_finds_nothing(component: Path) -> None:
    assert lint((component / "component.json").read_bytes(), files(component)) == ()


@each_component
def test_people_read_what_it_is_for(component: Path) -> None:
    written = descriptor(component)
    assert written["title"] and written["description"] and written["version"]
    offers = {**written.get("triggers", {}), **written.get("actions", {})}
    assert all(offer["title"] and (offer.get("metadata") or offer.get("dynamicMetadata")) for offer in offers.values())
    readme = (component / "README.md").read_text()
    assert [name for name in offers if f"`{name}`" not in readme] == []
    assert f"[{component.name}](components/{component.name}/)" in (ROOT / "README.md").read_text()


@each_component
def test_packages_are_pinned(component: Path) -> None:
    requirements = component / "requirements.txt"
    if requirements.exists():
        assert all(re.fullmatch(r"[\w\-\[\]]+==[\d.]+", line) for line in requirements.read_text().split())
    if (component / "package.json").exists():
        package = json.loads((component / "package.json").read_text())
        assert package["version"] == descriptor(component)["version"]
        pins = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
        assert [name for name, pin in pins.items() if not re.fullmatch(r"\d+\.\d+\.\d+", pin)] == []
