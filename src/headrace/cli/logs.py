"""``logs``: what the steps of a flow wrote."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

__all__ = ["line_text", "logs"]

COLOURS = {"warn": "yellow", "error": "red", "fatal": "bold red", "debug": "dim", "trace": "dim"}


def logs(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")],
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="Only this step.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines as they come.")] = False,
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="Begin with the last so many lines.")] = 100,
    level: Annotated[
        Literal["trace", "debug", "info", "warn", "error", "fatal"] | None,
        typer.Option("--level", help="Only this level and worse."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Only lines with this text in them.")] = None,
    execution: Annotated[
        str | None, typer.Option("--execution", metavar="ID", help="Only lines of this execution.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print the log of a flow's steps."""
    from headrace.cli.client import connect
    from headrace.cli.output import out, printable

    with connect(data) as client:
        wanted = {"step": step, "tail": tail, "level": level, "text": text, "execution": execution, "follow": follow}
        for line in client.lines(at("flows", flow, "logs"), **wanted):
            if not line.strip():
                continue
            if as_json:
                typer.echo(line)
                continue
            written = json.loads(line)
            style = COLOURS.get(str(written.get("level")))
            out().print(printable(line_text(written)), style=style, soft_wrap=True)


def line_text(line: dict[str, Any]) -> str:
    """One line for people: time, step, level, text and fields."""
    at = datetime.fromtimestamp(line.get("at", 0) / 1000).astimezone()
    fields = "".join(f" {key}={json.dumps(value)}" for key, value in (line.get("fields") or {}).items())
    clock = at.strftime("%H:%M:%S.%f")[:-3]
    return f"{clock} {line.get('step', ''):<12} {line.get('level', ''):<5} {line.get('text', '')}{fields}"
