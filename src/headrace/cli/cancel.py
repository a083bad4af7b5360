"""``flow cancel``: call off what is on its way, until the switch."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

__all__ = ["cancel"]


def cancel(
    name: Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")],
    epoch: Annotated[
        int | None,
        typer.Argument(metavar="EPOCH", min=1, help="The deployment. Default: the one on its way.", show_default=False),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Call off a publish, a rollback or a start before the switch: what runs goes on.

    The version stays in the list, and its document is the draft again. After the switch, roll back instead.
    """
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    with connect(data) as client:
        answer = client.post(at("flows", name, "cancel"), {} if epoch is None else {"epoch": epoch})
    if as_json:
        print_json(answer)
        return
    goes_on = f"deployment {answer['runs']} runs on" if answer["runs"] else "the flow is stopped"
    told = f"Cancelled deployment {answer['deployment']['epoch']} of {name}; {goes_on}."
    draft = f" Version {answer['deployment']['version']} is the draft again." if answer["draft_tag"] else ""
    out().print(told + draft, soft_wrap=True)
