"""Files that a person names: what cannot be read or written is told, not raised."""

from __future__ import annotations

import sys
from pathlib import Path

from headrace.errors import Invalid, NotFound, Refused

__all__ = ["read", "write"]


def read(file: Path) -> str:
    """The text of a file; of standard input for ``-``. Raises `NotFound` (``no-file``), `Invalid` (``bad-file``)."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except FileNotFoundError:
        raise NotFound("no-file", f"there is no file {file}", next_step="check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Invalid("bad-file", f"{file} cannot be read: {_why(error)}", next_step="name a text file") from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        told = f"{file} is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}"
        raise Invalid("bad-file", told, next_step="save it as UTF-8") from None


def write(file: Path, text: str) -> None:
    """Write a file, with the folders it needs. Raises `Refused` (``bad-file``)."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except (OSError, ValueError) as error:
        raise Refused("bad-file", f"{file} cannot be written: {_why(error)}", next_step="name another file") from None


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
