"""Running a program of a build: its output goes to the build log, and it never outlives the build."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterable
from typing import Protocol

from headrace.sandbox import Command

__all__ = ["LAST_WORDS", "Lines", "end", "finished", "log_lines", "run", "status"]

CHUNK = 64 * 1024
LOOK_AGAIN = 0.05
LAST_WORDS = 2.0
"""Seconds for what a program that has ended printed; what it left running may hold its output open for ever."""
_ENDS = re.compile(rb"\r\n|\n|\r")


class Lines(Protocol):
    """Takes what a program prints: a build log, or what comes before one."""

    def output(self, text: str) -> None:
        """A line, without its end."""
        ...


async def run(command: Command, log: Lines, *, keep_stdout: bool = False) -> tuple[int, bytes]:
    """Run it to its end; returns the exit status, and what it printed to stdout when that is kept from the log.

    When cancelled, the program and all it started are killed first.
    """
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if keep_stdout else asyncio.subprocess.STDOUT,
        limit=CHUNK,
        **command.options,
    )
    assert process.stdout is not None
    kept: list[bytes] = []
    if keep_stdout:
        assert process.stderr is not None
        reading = [_keep(process.stdout, kept), log_lines(process.stderr, log)]
    else:
        reading = [log_lines(process.stdout, log)]
    tasks = [asyncio.create_task(each) for each in reading]
    try:
        code = await status(process)
    finally:
        await end(process)
        await finished(tasks, process)
    return code, b"".join(kept)


async def _keep(stream: asyncio.StreamReader, kept: list[bytes]) -> None:
    while part := await stream.read(CHUNK):
        kept.append(part)


async def finished(tasks: Iterable[asyncio.Task[None]], process: asyncio.subprocess.Process) -> None:
    """Wait for the tasks that read what a process, which has ended, printed; give up after `LAST_WORDS`."""
    _, late = await asyncio.wait(tasks, timeout=LAST_WORDS)
    for task in late:
        task.cancel()
    if late:
        await asyncio.gather(*late, return_exceptions=True)
        # asyncio closes it by itself only when nobody can write to the pipes any more.
        process._transport.close()  # type: ignore[attr-defined]


async def log_lines(stream: asyncio.StreamReader, log: Lines) -> None:
    """Write what comes to the log, line by line, until it ends."""
    rest = b""
    while part := await stream.read(CHUNK):
        *lines, rest = _ENDS.split(rest + part)
        for line in lines:
            if line.strip():
                log.output(line.decode(errors="replace"))
        if len(rest) > CHUNK:
            log.output(rest.decode(errors="replace"))
            rest = b""
    if rest.strip():
        log.output(rest.decode(errors="replace"))


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and its group, if they still run, and take its status."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await status(process)


async def status(process: asyncio.subprocess.Process) -> int:
    """The exit status of a process when it has ended.

    `asyncio.subprocess.Process.wait` may wait for more: that nobody who inherited its pipes holds them open.
    """
    waiting = asyncio.ensure_future(process.wait())
    try:
        while process.returncode is None:
            await asyncio.wait((waiting,), timeout=LOOK_AGAIN)
    finally:
        waiting.cancel()
    return process.returncode
