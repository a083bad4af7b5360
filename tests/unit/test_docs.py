"""Links between pages lead somewhere, and what the pages show is what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{link} leads nowhere"
        if anchor and found.suffix == ".md":
            assert anchor in headings(found), f"{link}: there is no such heading"


def named_tests(file: Path) -> set[str]:
    """Functions and classes of a test file, also such as are assigned, as those of hypothesis are."""
    body = ast.parse(file.read_text()).body
    found = {each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    targets = [target for each in body if isinstance(each, ast.Assign) for target in each.targets]
    return found | {target.id for target in targets if isinstance(target, ast.Name)}


def test_every_guarantee_names_tests_that_exist() -> None:
    page = ROOT / "docs" / "explanation" / "guarantees.md"
    promises = [line for line in page.read_text().splitlines() if line.startswith("|") and not line.startswith("|---")]
    promises = [line for line in promises if "| Shown by |" not in line]
    assert len(promises) > 20
    for promise in promises:
        shown = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise.split("|")[-2])
        assert shown, f"no test shows: {promise}"
        for file, name in shown:
            assert name in named_tests(ROOT / file), f"{file} has no {name}"


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in ROOT.glob("docs/*/*.md"):
        if page.parent.name != "decisions":
            assert f"({page.relative_to(ROOT / 'docs')})" in index, f"{page.name} is not in docs/README.md"


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make up" in readme
    assert "make test" in readme
