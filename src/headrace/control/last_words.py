"""The last lines that a step wrote in one deployment: why it failed, in its own words."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

import msgspec

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.trace import LogLine
from headrace.errors import HeadraceError

__all__ = ["LINES", "failing_step", "last_words"]

LINES = 20
READ = 2_000
"""Lines looked through: other deployments of the flow write under the same step."""

_decode = msgspec.json.Decoder(LogLine).decode


def failing_step(steps: Mapping[str, Any]) -> str | None:
    """Which step kept a deployment from getting ready; ``steps`` as in `headrace.store.deployments.Deployment`."""
    blamed = [step for step, told in steps.items() if told.get("host") == "failed"]
    blamed += [step for step, told in steps.items() if told.get("reason")]
    return next(iter(blamed), None)


async def last_words(bus: Bus, flow_id: str, epoch: int, step: str | None = None) -> list[str]:
    """Up to `LINES` lines of ``step`` (`None`: of all steps), oldest first; none when the log is gone or away."""
    found: deque[str] = deque(maxlen=LINES)
    entries = cast(Any, bus.read(subjects.LOGS, subjects.logs(flow_id, step or "*"), tail=READ))
    try:
        async with aclosing(entries):
            async for entry in entries:
                line = _line(entry.data)
                if line is not None and line.epoch == epoch:
                    found += [part if step else f"{line.step}: {part}" for part in line.text.splitlines() or [""]]
    except HeadraceError:
        return list(found)
    return list(found)


def _line(data: bytes) -> LogLine | None:
    try:
        return _decode(data)
    except msgspec.MsgspecError:
        return None
