"""The step's log, as component code writes to it."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["Logger", "filled_in"]

Write = Callable[[str, object, tuple[object, ...], dict[str, object]], None]
"""Takes level, text, arguments and fields of one line."""


class Logger:
    """Writes lines to the step's log. ``arguments`` fill the text printf-style, ``fields`` travel beside it."""

    __slots__ = ("_fields", "_write")

    def __init__(self, write: Write, fields: dict[str, object] | None = None) -> None:
        self._write, self._fields = write, fields or {}

    def trace(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("trace", text, arguments, {**self._fields, **fields})

    def debug(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("debug", text, arguments, {**self._fields, **fields})

    def info(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("info", text, arguments, {**self._fields, **fields})

    def warn(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("warn", text, arguments, {**self._fields, **fields})

    warning = warn
    """As Python's own loggers call it."""

    def error(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("error", text, arguments, {**self._fields, **fields})

    def fatal(self, text: object, *arguments: object, **fields: object) -> None:
        self._write("fatal", text, arguments, {**self._fields, **fields})

    def exception(self, text: object, *arguments: object, **fields: object) -> None:
        """An ``error`` line with the traceback of the exception being handled, as field ``stack``."""
        self._write("error", text, arguments, {**self._fields, **fields, "stack": sys.exc_info()[1]})

    def child(self, **fields: object) -> Logger:
        """A logger that adds ``fields`` to every line."""
        return Logger(self._write, {**self._fields, **fields})


def filled_in(text: object, arguments: tuple[object, ...]) -> str:
    """``text % arguments``; arguments that do not fit are appended: a wrong format neither loses a line nor raises."""
    if not arguments:
        return str(text)
    try:
        single = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) else arguments
        return str(text) % single
    except (TypeError, ValueError, KeyError):
        return " ".join(str(part) for part in (text, *arguments))
