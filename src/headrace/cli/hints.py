"""The server's hints that something has changed, so that whoever waits for it looks again at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["Hints"]

AGAIN = 1.0
"""Seconds before a stream that broke is opened again."""


class Hints:
    """Follows the server's events in the background. `wait` returns early when one comes; without any it just waits."""

    def __init__(self, client: Client, kind: str = "flow") -> None:
        self._client = client
        self._kind = kind
        self._come = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hints", daemon=True)

    def __enter__(self) -> Hints:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def wait(self, seconds: float) -> None:
        """Return at the next hint, after ``seconds`` at the latest. Hints since the last call count."""
        self._come.wait(seconds)
        self._come.clear()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                for kind in self._kinds():
                    if self._ended.is_set():
                        return
                    if kind == self._kind:
                        self._come.set()
            except Exception:
                pass  # whoever waits asks the server too, and tells what is wrong
            self._ended.wait(AGAIN)

    def _kinds(self) -> Iterator[str]:
        for line in self._client.lines("/events"):
            name, _, value = line.rstrip("\r").partition(": ")
            if name == "event":
                yield value
