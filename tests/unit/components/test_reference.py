"""The reference page knows what lint knows."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.components import lint

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "component-json.md").read_text()


def test_every_key_is_on_the_page() -> None:
    known = {*lint.ROOT, *lint.TRIGGER, *lint.FIELD, *lint.CREDENTIALS, *lint.OAUTH2, *lint.VIEWS, *lint.AUTH_TYPES}
    assert {key for key in known if f"`{key}`" not in PAGE} == set()


def test_every_reason_of_an_error_is_on_the_page() -> None:
    sources = [Path(lint.__file__).parent / name for name in ("lint.py", "descriptor.py", "tree.py")]
    errors = {
        reason for source in sources for reason in re.findall(r'\bProblem\([^,]+, "([a-z0-9-]+)"', source.read_text())
    }
    assert {"no-main", "bad-json", "link-outside"} <= errors
    assert {reason for reason in errors - {"submodule"} if f"`{reason}`" not in PAGE} == set()
