"""The host as an operating-system process: its streams, signals and end."""

from __future__ import annotations

import asyncio
import atexit
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = ["end", "end_by", "on_terminate", "set_up", "tidy"]


def set_up() -> None:
    """Make stdout and stderr a log, line by line, and leave the terminal's Ctrl-C to the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def on_terminate(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have SIGTERM call ``stop``. Until then it ends the process at once, even in the middle of an import."""
    loop.add_signal_handler(signal.SIGTERM, stop)


def end_by(seconds: float) -> None:
    """Whatever happens, the process is gone by then: stuck component code is shown on stderr, and the status is 1."""
    faulthandler.dump_traceback_later(seconds, exit=True)


async def tidy(within: float) -> None:
    """Let tasks and generators that component code left behind close what they hold."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=within)
    await asyncio.get_running_loop().shutdown_asyncgens()


def end(code: int) -> NoReturn:
    """End the process. It does not wait for threads that component code may have left running."""
    if code == 0:
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)
