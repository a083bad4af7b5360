"""The pure parts of the Node.js host, by `node --test`; and that every file of it parses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = [*sorted((ROOT / "hosts/node").glob("**/*.js"))]
SUITES = sorted((Path(__file__).parent / "node").glob("*.test.js"))

pytestmark = pytest.mark.needs("node")


def node(*arguments: str) -> None:
    ran = subprocess.run(["node", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_parses(file: Path) -> None:
    node("--check", str(file))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_suite(suite: Path) -> None:
    node("--test", str(suite))


def test_it_says_who_starts_it() -> None:
    ran = subprocess.run(
        ["node", str(ROOT / "hosts/node/host.js")], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    assert "a Headrace worker starts this program" in ran.stderr
