from __future__ import annotations

from typing import Any

import pytest
from tests.unit.worker.test_step_storm import CODE

from headrace.bus import journal
from headrace.bus.journal import Depth
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.testing.loop import run_in_no_time
from headrace.worker.gates import Gates


def deployment() -> DeploymentSpec:
    options: dict[str, Any] = {"function": "f", "main": "f.py", "code": CODE}
    steps = (
        StepSpec(id="last", kind="action", after=("first",), **options),
        StepSpec(id="first", kind="action", after=("hook",), **options),
        StepSpec(id="hook", kind="trigger", trigger_type="webhook", **options),
    )
    return DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=steps)


def test_a_message_between_two_steps_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves each step just before that is looked at, and is at the next one."""
    at = ["hook", "first", "last", "gone"]
    opened: list[str] = []

    async def depth(bus: Any, flow_id: str, epoch: int, step: str) -> Depth:
        if at[0] == step and step != "last":
            at.pop(0)  # the worst moment
        total = int(at[0] == step)
        if step == "last" and total:
            at.pop(0)
        return Depth(0, total, 0, 0)

    monkeypatch.setattr(journal, "depth", depth)

    async def work() -> None:
        waiting = Gates(None, deployment(), frozenset({"last"}), 60.0)  # type: ignore[arg-type]
        async for step in waiting.opening():
            assert at == ["gone"], "let through while a message was on its way"
            opened.append(step)
        assert waiting.order_kept

    run_in_no_time(work())
    assert opened == ["last"]
