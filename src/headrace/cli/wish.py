"""``flow start``, ``stop``, ``suspend``, ``resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json, Yes
from headrace.cli.publish import Detach

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["resume", "start", "stop", "suspend"]

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]


def start(name: Name, detach: Detach = False, data: Data = None, as_json: Json = False) -> None:
    """Start a flow that is stopped, on the newest components; its queue goes on where it was."""
    from headrace.cli.client import connect
    from headrace.cli.publish import report

    with connect(data) as client:
        answer = client.post(at("flows", name, "start"))
        report(client, name, answer, detach=detach, as_json=as_json)


def stop(
    name: Name,
    purge: Annotated[bool, typer.Option("--purge", help="Throw away the messages that wait in its queue.")] = False,
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Stop a flow and say how many messages wait. They are kept for the next start, unless purged."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, err, out, print_json

    with connect(data) as client:
        answer = client.post(at("flows", name, "stop"))
        if purge and answer["waiting"]:
            told = f"Stopped {name}. Its queue holds {counted(answer['waiting'], 'message')}."
            err().print(told, soft_wrap=True)
            if not yes:
                typer.confirm("Throw them away?", abort=True, err=True)
            answer = client.post(at("flows", name, "stop"), {"purge": True})
    if as_json:
        print_json(answer)
    else:
        out().print(_stopped(name, answer, purge), soft_wrap=True)


def suspend(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Let a flow accept events (webhooks answer 202) and process none until it is resumed."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, out, print_json

    with connect(data) as client:
        answer = client.post(at("flows", name, "suspend"))
    if as_json:
        print_json(answer)
        return
    waiting = f" {counted(answer['waiting'], 'message')} in its queue." if answer["waiting"] else ""
    out().print(f"Suspended {name}.{waiting} It goes on with: headrace flow resume {name}", soft_wrap=True)


def resume(name: Name, detach: Detach = False, data: Data = None, as_json: Json = False) -> None:
    """Let a suspended flow go on where it was, on the component versions it had."""
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    with connect(data) as client:
        answer = client.post(at("flows", name, "resume"))
        if not detach:
            _works_again(client, name)
    if as_json:
        print_json(answer)
    else:
        out().print(f"{name} goes on.")


def _works_again(client: Client, name: str) -> None:
    """Wait until its steps are ready; one that cannot get so is told by ``flow show``, and tried again."""
    import time

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        steps: list[dict[str, Any]] = (client.get(at("flows", name))["deployment"] or {}).get("steps", [])
        if steps and all(each["host"] == "ready" for each in steps):
            return
        time.sleep(0.1)


def _stopped(name: str, answer: dict[str, Any], purge: bool) -> str:
    from headrace.cli.output import counted

    if purge:
        gone = answer["purged"]
        return f"Stopped {name}. " + (f"Threw {counted(gone, 'message')} away." if gone else "Its queue was empty.")
    waiting = answer["waiting"]
    kept = f" For the next start it keeps {counted(waiting, 'waiting message')}." if waiting else ""
    return f"Stopped {name}.{kept}"
