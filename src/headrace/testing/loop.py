"""An event loop whose clock is made of jumps: when nothing is left to do, it is the time of the next timer at once.

For tests of code that only waits for time and for itself; real sockets and processes never get a turn to answer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_in_no_time"]

T = TypeVar("T")
Ready = list[tuple[selectors.SelectorKey, int]]


class _Selector(selectors.DefaultSelector):
    """Notes how long it was asked to wait, and does not wait."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Ready:
        ready: Ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everything waits, for nothing that will ever come")
        if not ready and timeout:
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.skipped


def run_in_no_time(work: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, on a loop that jumps. Fails when everything waits for ever."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
