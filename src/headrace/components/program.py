"""Running a program of a build: its output goes to the build log, and it never outlives the build."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal

from headrace.components.build_log import BuildLog
from headrace.sandbox import Command

__all__ = ["LAST_WORDS", "end", "finished", "log_lines", "run"]

CHUNK = 64 * 1024
LAST_WORDS = 2.0
"""Seconds for what a program that has ended printed; what it left running may hold its output open for ever."""
_ENDS = re.compile(rb"\r\n|\n|\r")


async def run(command: Command, log: BuildLog, *, keep_stdout: bool = False) -> tuple[int, bytes]:
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
        status = await process.wait()
    finally:
        await end(process)
        for task in tasks:
            await finished(task, LAST_WORDS)
    return status, b"".join(kept)


async def _keep(stream: asyncio.StreamReader, kept: list[bytes]) -> None:
    while part := await stream.read(CHUNK):
        kept.append(part)


async def finished(task: asyncio.Task[None], within: float) -> None:
    """Wait for a task that reads output; what is not done by then is cancelled."""
    await asyncio.wait((task,), timeout=within)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def log_lines(stream: asyncio.StreamReader, log: BuildLog) -> None:
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
        await process.wait()
