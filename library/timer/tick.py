"""An event at every multiple of an interval."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import Any

from headrace_sdk import Context, Message

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SHORTEST = 100
LONGEST_SLEEP = 30.0
"""A long sleep would miss that the clock was set."""


def interval(written: object) -> int:
    """Milliseconds of ``5s``, ``15m`` or a bare number of seconds. `ValueError` when it is none of these."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", str(written))
    length = int(float(match[1]) * UNITS[match[2] or "s"]) if match else 0
    if length < SHORTEST:
        raise ValueError(f"`every` is {written!r}: write 500ms, 5s, 15m, 2h or 1d, at least {SHORTEST}ms")
    return length


def init(_ctx: Context, cfg: dict[str, Any]) -> None:
    """Refuse a wrong interval before the flow goes live."""
    interval(cfg.get("every"))


async def listen(ctx: Context, cfg: dict[str, Any], snapshot: dict[str, Any]) -> None:
    """Tick until cancelled. Ticks missed while an emission waited are left out."""
    every = interval(cfg.get("every"))
    last = snapshot.get("last")
    while True:
        tick = await _next_tick(every, last)
        await ctx.emit(Message({"fireTime": _text(tick), "lastTick": _text(last)}, id=f"tick-{tick}"))
        last = tick
        await ctx.set_snapshot({"last": last})


async def _next_tick(every: int, last: int | None) -> int:
    """Wait for the first multiple of ``every`` that is due and later than ``last``; milliseconds since the epoch."""
    tick = -(-_now() // every) * every
    if last is not None and tick <= last <= tick + every:
        tick = last + every
    while (wait := tick - _now()) > 0:
        if wait > every:  # the clock was set back
            tick = -(-_now() // every) * every
        await asyncio.sleep(min(wait / 1000, LONGEST_SLEEP))
    return tick


def _now() -> int:
    return time.time_ns() // 1_000_000


def _text(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
