"""Running a program of a build: its output goes to the build log, and it never outlives the build."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal

from headrace.components.build_log import BuildLog
from headrace.sandbox import Command

__all__ = ["end", "log_lines", "run"]

CHUNK = 64 * 1024
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
    try:
        if keep_stdout:
            assert process.stderr is not None
            kept, _ = await asyncio.gather(process.stdout.read(), log_lines(process.stderr, log))
        else:
            kept = b""
            await log_lines(process.stdout, log)
        return await process.wait(), kept
    finally:
        await end(process)


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
