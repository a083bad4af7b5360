"""The server's log: lines for people on a terminal, else one JSON object per line."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

__all__ = ["configure", "trim"]

LONGEST = 16 * 1024 * 1024
QUIET = ("uvicorn", "aiosqlite", "sse_starlette", "asyncio", "alembic")
"""Loggers of libraries that speak too much below a warning."""


class _Steady:
    """A stream that fails in silence: a full disk or a closed terminal must not end what wanted to log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: it is closed, or the text cannot be encoded
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's messages of ``level`` and above to ``stream`` (stderr).

    What cannot be written is lost, without an error.
    """
    steady = _Steady(stream or sys.stderr)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not steady.isatty()),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *_rendering(steady)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, steady)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(steady)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(steady)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(stream: _Steady) -> Sequence[Any]:
    if stream.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def trim(path: Path, *, longest: int = LONGEST) -> None:
    """Move what is in a log that grew too long to ``<name>.1``; whoever has it open for appending goes on.

    A log that cannot be moved stays as it is.
    """
    with suppress(OSError):
        if path.stat().st_size > longest:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
