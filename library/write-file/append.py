"""One line per message at the end of a file.

The file is opened anew for every message, so it may be rotated, and locked while a line is added, so that several
writers never mix their lines.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace_sdk import Message

MODE = 0o644


def process(_ctx: object, msg: Message, cfg: dict[str, Any]) -> Any:
    """Append the message's body and pass it on; runs on a thread."""
    path = str(cfg["path"])
    with _locked(path) as file:
        append(file, msg.body, format_of(path, cfg.get("format")), _names(cfg.get("columns")))
    return msg.body


def append(file: int, body: Any, format_: str, columns: list[str]) -> None:
    """Write ``body`` as one line at the end of the open ``file``. `ValueError` when it does not fit its columns."""
    size = os.fstat(file).st_size
    text = "" if size == 0 or os.pread(file, 1, size - 1) == b"\n" else "\n"
    text += json.dumps(body, ensure_ascii=False) + "\n" if format_ == "jsonl" else _rows(file, size, body, columns)
    data = text.encode()
    written = os.write(file, data)
    if written != len(data):
        os.ftruncate(file, size)
        raise OSError(f"the disk took {written} of {len(data)} bytes")


def format_of(path: str, wanted: object) -> str:
    """``jsonl`` or ``csv``."""
    if wanted in (None, "", "auto"):
        return "csv" if path.lower().endswith(".csv") else "jsonl"
    if wanted not in ("jsonl", "csv"):
        raise ValueError(f"`format` is {wanted!r}: write jsonl, csv or auto")
    return str(wanted)


@contextmanager
def _locked(path: str) -> Iterator[int]:
    """The file, open for reading and appending, ours alone until the end. Closing it lets go of the lock."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink == 0:
            raise FileNotFoundError(f"{path} was removed; stop and start the flow to have it made again, then retry")
        yield file
    finally:
        os.close(file)


def _rows(file: int, size: int, body: Any, columns: list[str]) -> str:
    """The row, with a header before it in an empty file."""
    if not isinstance(body, dict):
        raise ValueError(f"a CSV row needs an object, this message's body is {type(body).__name__}")
    known = _header(file) if size else (columns or list(body))
    unknown = [key for key in body if key not in known]
    if unknown:
        raise ValueError(f"the file has no column {unknown[0]!r}; its columns are {', '.join(known)}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if not size:
        writer.writerow(known)
    writer.writerow([_cell(body.get(name)) for name in known])
    return text.getvalue()


def _header(file: int) -> list[str]:
    """The columns that the file's first row names."""
    with os.fdopen(os.dup(file), encoding="utf-8-sig", newline="") as lines:
        lines.seek(0)
        return next(csv.reader(lines), [])


def _cell(value: Any) -> Any:
    """Text and numbers as they are, nothing as nothing, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _names(written: Any) -> list[str]:
    listed = written if isinstance(written, list) else str(written or "").split(",")
    return [str(name).strip() for name in listed if str(name).strip()]
