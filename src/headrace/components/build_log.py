"""The log of one build: a file that is written line by line and can be followed while it grows.

Stages begin with ``==>``, what programs print is indented, and the last line is ``ready`` or ``failed: <reason>`` at
the left edge, so that no output can be taken for the end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from headrace.flows.redaction import Redaction

__all__ = ["READY", "BuildLog", "follow", "is_final"]

READY = "ready"
FAILED = "failed: "
LIMIT = 4 * 1024 * 1024
"""Bytes of output that are kept."""
LONGEST_LINE = 8 * 1024


def is_final(line: str) -> bool:
    """Whether nothing comes after this line."""
    return line == READY or line.startswith(FAILED)


class BuildLog:
    """Writes a log, in place of one that is there already. Use it as a context manager, or `close` it."""

    def __init__(self, path: Path) -> None:
        new = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
        self._file = new.open("wb", buffering=0)
        new.chmod(0o600)
        new.replace(path)
        self._left = LIMIT
        self.redaction = Redaction()
        """Knows what must not get into the log."""

    def __enter__(self) -> BuildLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No more lines follow; a second call does nothing."""
        self._file.close()

    def stage(self, text: str) -> None:
        """Something begins."""
        self._write(f"==> {text}")

    def output(self, text: str) -> None:
        """A line that a program printed."""
        if self._left > 0:
            line = f"    {text.rstrip()[:LONGEST_LINE]}"
            self._left -= len(line)
            self._write(line if self._left > 0 else "    … (the rest of the output is left out)")

    def finish(self, failure: str | None = None) -> None:
        """Write the last line and close."""
        self._write(READY if failure is None else FAILED + " ".join(failure.split()))
        self.close()

    def _write(self, line: str) -> None:
        self._file.write(self.redaction.text(line).encode(errors="backslashreplace") + b"\n")


async def follow(
    path: Path, ended: Callable[[], Awaitable[bool]] | None = None, *, poll: float = 0.1
) -> AsyncIterator[str]:
    """Lines of the log as they come, without their ends, up to and including the final one.

    Waits for a log that is not there yet, and begins again when a new one takes its place. ``ended`` says that nothing
    more will come although no final line did (the server was killed in between): then the lines simply end.
    """
    tail = _Tail(path)
    try:
        while True:
            over = ended is not None and await ended()  # asked first: what was written before it is still read
            lines = tail.read()
            for line in lines:
                yield line
                if is_final(line):
                    return
            if not lines and over:
                return
            if not lines:
                await asyncio.sleep(poll)
    finally:
        tail.close()


class _Tail:
    """Reads the lines that were added to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def read(self) -> list[str]:
        if self._file is None or self._replaced():
            self.close()
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._rest = b""

    def _replaced(self) -> bool:
        assert self._file is not None
        try:
            return self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False
