"""The server's log: lines for people on a terminal, else one JSON object per line."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog

__all__ = ["configure", "trim"]

LONGEST = 16 * 1024 * 1024
QUIET = ("uvicorn", "aiosqlite", "sse_starlette", "asyncio", "alembic")
"""Loggers of libraries that speak too much below a warning."""


def configure(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's messages of ``level`` and above to ``stream`` (stderr)."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not stream.isatty()),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *_rendering(stream)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(stream: TextIO) -> Sequence[Any]:
    if stream.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def trim(path: Path, *, longest: int = LONGEST) -> None:
    """Move what is in a log that grew too long to ``<name>.1``; whoever has it open for appending goes on."""
    try:
        if path.stat().st_size <= longest:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
