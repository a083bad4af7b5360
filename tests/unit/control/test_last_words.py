"""Which step a failed deployment is blamed on."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.control.last_words import failing_step

CALM = {"host": "ready", "reason": "", "restarts": 0, "failed": 0}


@pytest.mark.parametrize(
    ("steps", "blamed"),
    [
        ({"a": CALM, "b": CALM | {"host": "failed"}, "c": CALM | {"reason": "late", "restarts": 9}}, "b"),
        ({"a": CALM | {"restarts": 9}, "b": CALM | {"reason": "late"}}, "b"),
        ({"a": CALM | {"restarts": 1}, "b": CALM | {"failed": 12}, "c": CALM | {"restarts": 4}}, "b"),
        ({"a": CALM, "b": CALM}, None),
        ({"a": {"host": "ready"}}, None),
        ({}, None),
    ],
    ids=["not-ready", "with-a-reason", "most-trouble", "its-worker-died", "of-an-older-server", "nothing-known"],
)
def test_the_step_that_stands_out_is_blamed(steps: dict[str, Any], blamed: str | None) -> None:
    assert failing_step(steps) == blamed
