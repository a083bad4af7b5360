"""What commands print: tables and lines for people, JSON for programs, errors on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.errors import HeadraceError, Invalid, Problem

__all__ = [
    "STATE_STYLE",
    "coloured",
    "counted",
    "err",
    "one_line",
    "out",
    "print_error",
    "print_fields",
    "print_json",
    "print_problems",
    "print_table",
    "printable",
    "span",
    "styled",
    "when",
]

STATE_STYLE = {
    **dict.fromkeys(("ready", "live", "done", "running", "ok", "up"), "green"),
    **dict.fromkeys(("pushed", "building", "warming", "draining", "suspended", "delayed", "retried"), "yellow"),
    **dict.fromkeys(("failed", "error", "open"), "red"),
    **dict.fromkeys(("stopped", "skipped", "discarded", "standby"), "dim"),
}
PIPED_WIDTH = 240
LONGEST = 200
"""Characters of other people's text in one cell of a table."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""What would move the cursor or change colours instead of being read; tab and newline may stay."""


@cache
def _console(stderr: bool, stream: int) -> Console:
    del stream  # part of the key only: a replaced sys.stdout (in tests) gets a console of its own
    target = sys.stderr if stderr else sys.stdout
    width = None if target.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def out() -> Console:
    """The console on stdout."""
    return _console(False, id(sys.stdout))


def err() -> Console:
    """The console on stderr."""
    return _console(True, id(sys.stderr))


def print_json(value: object) -> None:
    """``value`` as indented JSON, never coloured or wrapped."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence ``empty`` when there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    if table.row_count:
        out().print(table)
    else:
        out().print(empty)


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line; absent values are left out."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        if value is not None and value != "":
            out().print(Text.assemble((f"{name:<{width}}", "bold"), "  ", _cell(value)), soft_wrap=True)


def print_error(error: HeadraceError) -> None:
    """Message, problems, reason and next step on stderr."""
    console = err()
    console.print(Text.assemble(("error:", "red"), " ", _cell(error.message)), soft_wrap=True)
    if isinstance(error, Invalid):
        print_problems(error.problems, to=console)
    if error.reason:
        console.print(f"  reason: {printable(error.reason)}", soft_wrap=True)
        next_step = error.next_step or f"docs/reference/errors.md says more of `{error.reason}`"
        console.print(f"  next:   {printable(next_step)}", soft_wrap=True)


def print_problems(problems: Iterable[Problem], *, to: Console | None = None) -> None:
    """One line per mistake."""
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        line = Text.assemble("  ", (problem.severity, colour), " ", _cell(str(problem)))
        (to or out()).print(line, soft_wrap=True)


def styled(state: object) -> Text:
    """A state in its colour."""
    text = "" if state is None else str(state)
    return coloured(text, STATE_STYLE.get(text, ""))


def coloured(text: str, style: str) -> Text:
    """``text`` in a style of Rich."""
    return Text(printable(text), style)


def printable(text: str) -> str:
    """``text`` with control characters, which a terminal would obey, replaced by spaces."""
    return CONTROL.sub(" ", text)


def one_line(text: str) -> str:
    """The beginning of a text, on one line."""
    flat = " ".join(printable(text[: 2 * LONGEST]).split())
    return flat if len(flat) <= LONGEST and len(text) <= 2 * LONGEST else f"{flat[: LONGEST - 1]}…"


def when(milliseconds: Any) -> str:
    """A time in the database's form, as local time to the second."""
    if not isinstance(milliseconds, int | float) or not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, what: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def span(microseconds: Any) -> str:
    """A length of time in the unit that reads best."""
    if not isinstance(microseconds, int | float) or microseconds < 0:
        return ""
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds / 1_000_000:.1f} s"


def _cell(value: object) -> Text:
    """A value as it is printed: square brackets are no markup."""
    return value if isinstance(value, Text) else Text("" if value is None else printable(str(value)))
