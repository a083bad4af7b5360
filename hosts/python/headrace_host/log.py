"""The step's log: ``ctx.logger`` and Python's own `logging`, both as ``log`` frames."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from headrace_host.failure import failure
from headrace_sdk.logger import Logger, filled_in

__all__ = ["LEVELS", "Log", "current_call", "take_over_logging"]

LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
"""The protocol's levels with Python's numbers."""

_LONGEST = 64_000

current_call: ContextVar[int | None] = ContextVar("headrace_call", default=None)
"""Number of the call whose code is running, for lines that come through `logging`."""


class Log:
    """Where log lines go: ``send`` gets each frame's keys. Lines are dropped, and counted, while ``congested()``."""

    def __init__(self, send: Callable[..., None], congested: Callable[[], bool]) -> None:
        self.threshold = LEVELS["info"]
        self._send, self._congested = send, congested
        self._dropped = 0

    def logger(self, call: int | None) -> Logger:
        """``ctx.logger`` of a call."""

        def write(level: str, text: object, arguments: tuple[object, ...], fields: dict[str, object]) -> None:
            if LEVELS[level] >= self.threshold:
                self.write(level, filled_in(text, arguments), call, fields)

        return Logger(write)

    def write(self, level: str, text: str, call: int | None = None, fields: dict[str, Any] | None = None) -> None:
        """One line, whatever the threshold."""
        if self._congested():
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._send(
                type="log", level="warn", text=f"{dropped} log lines were dropped: the worker is too slow for them"
            )
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}… ({len(text)} characters)"
        clean = {str(key): _plain(value) for key, value in fields.items()} if fields else None
        self._send(type="log", level=level, text=_unicode(text), call=call, fields=clean)


class _Handler(logging.Handler):
    """Hands records of Python's `logging` to the step's log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {key: value for key, value in record.__dict__.items() if key not in _USUAL}
            fields["logger"] = record.name
            if record.exc_info:
                fields["stack"] = record.exc_info[1]
            arguments = record.args if isinstance(record.args, tuple) else (record.args,)
            text = filled_in(record.msg, arguments if record.args else ())
            self._log.write(_level(record.levelno), text, current_call.get(), fields)
        except Exception:
            self.handleError(record)


_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def take_over_logging(log: Log, level: str) -> None:
    """Make `logging`'s root write to ``log``, from ``level`` on; ``ctx.logger`` follows the same level."""
    log.threshold = LEVELS.get(level, LEVELS["info"])
    for number, name in ((5, "TRACE"), (30, "WARN"), (50, "FATAL")):
        logging.addLevelName(number, name)
    logging.root.handlers[:] = [_Handler(log)]
    logging.root.setLevel(log.threshold)


def _level(number: int) -> str:
    return next((name for name, floor in reversed(LEVELS.items()) if number >= floor), "trace")


def _plain(value: object, depth: int = 4) -> object:
    """A field's value as JSON; an exception as its traceback, other things that are not JSON as text."""
    if isinstance(value, str):
        return _unicode(value)
    if value is None or isinstance(value, bool | int):
        return value
    if depth and isinstance(value, dict):
        return {_unicode(str(key)): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, float) and value - value == 0:
        return value
    return failure(value)["stack"] if isinstance(value, BaseException) else _unicode(str(value))


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
