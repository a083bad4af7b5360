from __future__ import annotations

import gc
import io
import json
from typing import Any, cast

import pytest

from headrace import sandbox
from headrace.worker import template


def test_the_sandbox_is_tried_once_before_anything_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker inherits the answer; by itself it would take each some hundredth of a second."""
    done: list[str] = []
    monkeypatch.setattr(sandbox, "probe", lambda: done.append("probed"))

    def fork(*request: object) -> dict[str, int]:
        done.append("forked")
        return {"pid": 1}

    monkeypatch.setattr(template, "_fork", fork)
    monkeypatch.setattr(template, "_threads", lambda: 1)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "disable", lambda: None)
    lines = io.BytesIO(b"{}\n{}\n")
    said: list[Any] = []
    monkeypatch.setattr(template, "_say", lambda lines, text: said.append(json.loads(json.dumps(text))))
    template._serve("headrace.testing.stub_worker:run", cast(Any, lines), 9)
    assert done == ["probed", "forked", "forked"]
    assert said == [{"ready": True}, {"pid": 1}, {"pid": 1}]
