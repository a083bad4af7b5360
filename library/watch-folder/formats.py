"""Records of a file: JSON, JSON Lines or CSV. Anything that is not as it should be is a `Broken`, with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["FORMATS", "Broken", "format_of", "records"]

FORMATS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
DELIMITERS = ",;\t|"
ENCODING = "utf-8-sig"
"""UTF-8, and a byte order mark is no part of the first column's name."""


class Broken(ValueError):
    """The file does not hold records."""


def format_of(name: str, wanted: str = "auto") -> str:
    """``json``, ``jsonl`` or ``csv``. `Broken` for an ending that tells nothing."""
    if wanted not in ("", "auto"):
        return wanted
    try:
        return FORMATS[Path(name).suffix.lower()]
    except KeyError:
        raise Broken(f"{name} has no ending that tells its format: set the field `format`") from None


def records(path: Path, format_: str, encoding: str = ENCODING) -> Iterator[Any]:
    """The records one by one. An empty file has none."""
    readers = {"json": _json, "jsonl": _jsonl, "csv": _csv}
    try:
        with path.open(encoding=encoding, newline="" if format_ == "csv" else None) as lines:
            yield from readers[format_](lines)
    except UnicodeDecodeError as error:
        raise Broken(f"it is not {error.encoding} text: set the field `encoding`") from None
    except LookupError:
        raise Broken(f"there is no format {format_!r} or encoding {encoding!r}") from None
    except RecursionError:
        raise Broken("it is nested too deeply") from None


def _json(lines: Iterable[str]) -> Iterator[Any]:
    text = "".join(lines)
    if not text.strip():
        return
    value = _parsed(text)
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield value
    else:
        raise Broken("it is neither an array nor an object")


def _jsonl(lines: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _parsed(line, line=number)


def _csv(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    rows = iter(lines)
    head = next(rows, "")
    if not head.strip():
        return
    reader = csv.reader(_with(head, rows), delimiter=_delimiter(head), strict=True)
    try:
        columns = [name.strip() for name in next(reader)]
        _check(columns)
        for row in reader:
            if row:
                yield _record(columns, row, reader.line_num)
    except csv.Error as error:
        raise Broken(f"line {reader.line_num}: {error}") from None


def _record(columns: list[str], row: list[str], line: int) -> dict[str, str]:
    """The row by column name; a short row's missing values are empty."""
    if len(row) > len(columns):
        raise Broken(f"line {line} has {len(row)} values for {len(columns)} columns")
    return dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=True))


def _check(columns: list[str]) -> None:
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise Broken(f"two columns are called {doubled[0]!r}")


def _delimiter(head: str) -> str:
    """The delimiter that the first row uses most, outside quotes; a comma when it has one column."""
    bare = "".join(head.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _parsed(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Broken(f"line {line or error.lineno}: {error.msg} at column {error.colno}") from None
    except Broken:
        raise
    except ValueError as error:  # a number with thousands of digits
        raise Broken(f"line {line or 1}: {error}") from None


def _no_constant(name: str) -> Any:
    raise Broken(f"{name} is not JSON")


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
