"""Threads for blocking component code."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ["Threads"]


class Threads:
    """At most ``size`` threads that run jobs in the order they came; made when needed, kept, and never joined.

    `concurrent.futures` makes a future with a condition for every job, and waits for its threads at exit.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle: deque[None] = deque()
        self.started = 0

    def run(self, job: Callable[[], None]) -> None:
        """Queue a job, which must not raise. Call it from one thread only."""
        self._jobs.put(job)
        try:
            self._idle.pop()
        except IndexError:
            if self.started < self._size:
                self.started += 1
                threading.Thread(target=self._work, name=f"headrace-{self.started}", daemon=True).start()

    def forget(self) -> None:
        """Drop the jobs that no thread has begun."""
        try:
            while True:
                self._jobs.get_nowait()
        except Empty:
            return

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._idle.append(None)
