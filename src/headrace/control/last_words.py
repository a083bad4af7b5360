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
    """Which step a deployment failed for; ``steps`` as in `headrace.store.deployments.Deployment`.

    The one that did not get ready, or else the one whose host had to be started again, or that failed on messages, most
    often; `None` when no step stands out, as after the death of the worker.
    """
    blamed = [step for step, told in steps.items() if told.get("host") == "failed"]
    blamed += [step for step, told in steps.items() if told.get("reason")]
    blamed += sorted((step for step, told in steps.items() if _trouble(told)), key=lambda step: -_trouble(steps[step]))
    return next(iter(blamed), None)


def _trouble(told: Mapping[str, Any]) -> int:
    return int(told.get("restarts") or 0) + int(told.get("failed") or 0)


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
