"""Options that many commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "Json", "Since", "Yes", "milliseconds_ago"]

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="HEADRACE_DATA",
        metavar="DIR",
        readable=False,  # one that belongs to somebody else is told as what it is
        help="The data folder. Default: HEADRACE_DATA, or ./data",
        show_default=False,
        show_envvar=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="AGE", help="Only what is younger than this: 90s, 10m, 2h or 7d."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

MOST_DIGITS = 12
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def milliseconds_ago(age: str | None, *, now_ms: int) -> int | None:
    """The time ``age`` before ``now_ms``: ``10m`` is ten minutes. `typer.BadParameter` when it does not parse."""
    if age is None:
        return None
    number, unit = age[:-1], age[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS) or unit not in UNITS:
        raise typer.BadParameter(f"{age!r} is no age: write 90s, 10m, 2h or 7d", param_hint="--since")
    return max(0, now_ms - int(number) * UNITS[unit] * 1000)
