"""The functions that the designer offers while somebody types are those that the engine has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headrace.flows.mapping import Expression

WRITTEN = (Path(__file__).parents[3] / "web" / "src" / "expression" / "functions.ts").read_text(encoding="utf-8")
OFFERED = re.findall(r"^(\w+)\|.*\|.*\|", WRITTEN, re.MULTILINE)


@pytest.mark.parametrize("name", OFFERED)
def test_every_function_that_is_offered_is_there(name: str) -> None:
    assert Expression(f"$type(${name})").evaluate("{}") == b'"function"'


def test_the_list_is_read() -> None:
    assert {"sum", "toMillis", "zip"} <= set(OFFERED)
