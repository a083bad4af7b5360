"""``flow queue``: what a flow has still to process, and where it waits."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

__all__ = ["queue"]


def queue(
    name: Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")],
    step: Annotated[
        str | None, typer.Argument(metavar="STEP", help="List the messages that wait for this step.")
    ] = None,
    *,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="STEP", help="Those that this step emitted; else those of its inbox."),
    ] = None,
    recent: Annotated[
        bool, typer.Option("--recent", help="Whatever came last, also what is done with, newest first.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many messages.")] = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show how much waits for each step, and since when; with a step, its messages. Takes none of them."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    if step is None and (after is not None or recent):
        raise typer.BadParameter("name the step that the messages are for", param_hint="STEP")
    with connect(data) as client:
        if step is None:
            answer = client.get(at("flows", name, "queues"))
        else:
            which = "recent" if recent else "waiting"
            path = at("flows", name, "queues", step, "messages")
            answer = client.items(path, limit=limit, after=after, which=which)
    if as_json:
        print_json(answer)
    elif step is None:
        _print_queues(answer)
    else:
        _print_messages(answer)


def _print_queues(answer: dict[str, Any]) -> None:
    from headrace.cli.output import print_table, span

    rows: list[tuple[object, ...]] = [
        (
            each["step"],
            each["after"] or "(inbox)",
            each["epoch"],
            each["waiting"],
            "" if each["oldest_at"] is None else span(max(0, answer["at"] - each["oldest_at"]) * 1000),
        )
        for each in answer["queues"]
    ]
    rows += [(each["step"], "(next attempt)", "", each["count"], "") for each in answer["delayed"]]
    print_table(("STEP", "AFTER", "DEPLOYMENT", "WAITING", "OLDEST"), rows, empty="It has no queues: it never ran.")


def _print_messages(found: list[dict[str, Any]]) -> None:
    from headrace.cli.output import print_table, styled, when

    rows = [(each["seq"], when(each["at"]), styled(each["state"]), each["size"], each["execution"]) for each in found]
    print_table(("MESSAGE", "STORED", "STATE", "BYTES", "EXECUTION"), rows, empty="No messages.")
