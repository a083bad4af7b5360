"""What the worker tells the recorder and the log: facts and lines, in small batches, never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec

from headrace.bus import subjects
from headrace.bus.client import Bus, Stored
from headrace.bus.trace import Batch, Fact, LogLine, encode_batch
from headrace.errors import HeadraceError
from headrace.flows.deployment import DeploymentSpec

__all__ = ["Levels", "StepLog", "Trace"]

FLUSH_AFTER = 0.05
FLUSH_AT = 400
Levels = {"trace": 0, "debug": 1, "info": 2, "warn": 3, "error": 4, "fatal": 5}
LINES_A_SECOND = 2_000
LINES_ON_THE_WAY = 1_000
"""Lines of a step without confirmation, beyond which more are dropped: the broker may be away for hours."""
CLOSE_WITHIN = 5.0
LONGEST_LINE = 16_384
"""Characters of a line's text."""
LONGEST_ENTRY = 256 * 1024
"""Bytes of a line with its fields; over that it goes without them."""


class Trace:
    """Collects facts and stores them within 50 ms. What a killed worker had not stored is missing from history only."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._spec = spec
        self._subject = subjects.trace(spec.flow_id)
        self._facts: list[Fact] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._batch = 0
        self._prefix = f"{spec.flow_id}.{spec.epoch}.{time.time_ns():x}"
        self._pending = 0
        self._settled: Callable[[], None] | None = None

    def add(self, fact: Fact) -> None:
        """Note a fact."""
        self._facts.append(fact)
        if len(self._facts) >= FLUSH_AT:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Hand over what was noted so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._facts:
            return
        facts, self._facts = self._facts, []
        self._batch += 1
        batch = Batch(self._spec.flow_id, self._spec.epoch, self._spec.version, facts)
        self._pending += 1
        msg_id = f"{self._prefix}.{self._batch}"
        self._bus.store_nowait(self._subject, encode_batch(batch), self._stored, msg_id=msg_id, wait=True)

    def _stored(self, result: Stored | HeadraceError) -> None:
        self._pending -= 1
        if self._pending == 0 and self._settled is not None:
            self._settled()

    async def close(self) -> None:
        """Flush, and return when the broker has everything, or does not answer."""
        self.flush()
        if self._pending:
            done = asyncio.Event()
            self._settled = done.set
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await done.wait()


class StepLog:
    """One step's log. Lines below its level are dropped, and so is what exceeds 2,000 lines in a second or what the
    broker does not take. A line says how many."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, step: str, level: str) -> None:
        self._bus = bus
        self._subject = subjects.logs(spec.flow_id, step)
        self._epoch = spec.epoch
        self._step = step
        self._level = Levels[level]
        self._second = 0
        self._lines = 0
        self._dropped = 0
        self._on_the_way = 0

    def write(
        self,
        level: str,
        text: str,
        *,
        source: str = "logger",
        execution: str = "",
        message: str = "",
        fields: dict[str, object] | None = None,
    ) -> None:
        """Write one line."""
        if level not in Levels:
            level = "info"
        if Levels[level] < self._level or not self._may_write():
            return
        line = LogLine(
            at=time.time_ns() // 1_000_000,
            step=self._step,
            level=level,  # type: ignore[arg-type]  # checked above
            text=text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + "…",
            source=source,  # type: ignore[arg-type]  # from a fixed set, within this room
            epoch=self._epoch,
            execution=execution,
            message=message,
            fields=fields or {},
        )
        data = msgspec.json.encode(line)
        if len(data) > LONGEST_ENTRY:
            data = msgspec.json.encode(msgspec.structs.replace(line, fields={}))
        self._on_the_way += 1
        self._bus.store_nowait(self._subject, data, self._stored)

    def platform(self, level: str, text: str, **context: str) -> None:
        """A line of Headrace's own about this step."""
        self.write(level, text.rstrip(), source="platform", **context)  # type: ignore[arg-type]

    def _may_write(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
            dropped = self._dropped
            if dropped and self._on_the_way < LINES_ON_THE_WAY:
                self._dropped = 0
                self.platform("warn", f"{dropped} lines were dropped: there were too many at once")
        if self._lines >= LINES_A_SECOND or self._on_the_way >= LINES_ON_THE_WAY:
            self._dropped += 1
            return False
        self._lines += 1
        return True

    def _stored(self, result: Stored | HeadraceError) -> None:
        """A log line that could not be stored is let go: flows do not stop for their log."""
        self._on_the_way -= 1
