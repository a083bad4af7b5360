"""``flow test`` and ``flow sample``: try a draft beside what runs, on samples of its steps."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import files
from headrace.cli.client import at
from headrace.cli.options import Data, Json, Yes
from headrace.errors import Invalid, Refused

if TYPE_CHECKING:
    from headrace.cli.client import Client
    from headrace.cli.progress import Line

__all__ = ["sample", "test"]

LOOK_AGAIN = 0.1
STATES = {"unreached": "not called"}

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]


def test(
    name: Name,
    *,
    step: Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only this step.")] = None,
    up_to: Annotated[
        str | None, typer.Option("--up-to", metavar="STEP", help="This step, and those that lead to it.")
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--sample",
            metavar="FILE",
            help="JSON to begin with: with --step its input as it is, else what the trigger emits; - reads standard "
            "input. Without it the samples that are kept.",
        ),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="With --step: keep what it emits first as its sample.")
    ] = False,
    end: Annotated[
        bool, typer.Option("--end", help="Delete the test deployment at once, instead of in a while.")
    ] = False,
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Try a flow's draft beside what runs, in a test deployment; exit 1 when a step fails.

    Component code is really called. What runs is not touched: stream and snapshots are the test's own.
    """
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    if step is not None and up_to is not None:
        raise typer.BadParameter("give one of --step and --up-to", param_hint="--up-to")
    if fetch and step is None:
        raise typer.BadParameter("needs --step", param_hint="--fetch")
    form = "step" if step is not None else "up-to" if up_to is not None else "whole"
    asked: dict[str, Any] = {"form": form, "step": step or up_to, "fetch": fetch, "confirm": yes}
    if given is not None:
        asked["input"] = {"body": _json(given)}
    with connect(data) as client:
        begun = _begun(client, name, asked)
        found = _followed(client, name, begun, quiet=as_json)
        if end:
            client.delete(at("flows", name, "tests"))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["state"] != "done":
        raise typer.Exit(1)


def _json(file: Path) -> Any:
    try:
        return json.loads(files.read(file))
    except ValueError as error:
        raise Invalid("bad-file", f"{file} is not JSON: {error}", next_step="write JSON") from None


def _begun(client: Client, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """A fetch that may write is asked about first."""
    path = at("flows", name, "tests")
    try:
        return dict(client.post(path, asked))
    except Refused as error:
        if error.reason != "may-write":
            raise
        typer.confirm(f"{error.message}. Call it?", abort=True, err=True)
    return dict(client.post(path, asked | {"confirm": True}))


def _followed(client: Client, name: str, test: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    from headrace.cli.output import err
    from headrace.cli.progress import Display

    told = ""
    with Display(err(), f"Test {test['number']} of {name}") as display:
        while test["ended_at"] is None:
            if not quiet:
                display.show(_lines(test))
            if test["address"] and test["address"] != told:
                told = test["address"]
                err().print(f"Waiting for a request: send one to {told}", soft_wrap=True)
            time.sleep(LOOK_AGAIN)
            test = client.get(at("flows", name, "tests", test["number"]))
    return test


def _lines(test: Mapping[str, Any]) -> list[Line]:
    from headrace.cli.progress import Line

    if test["state"] == "starting":
        return [Line(each["step"], each["state"]) for each in test["progress"]]
    what = {"waiting": "waits for its event", "running": "runs"}.get(test["state"], test["state"])
    return [Line(test["step"] or "the draft", what)]


def _print(test: Mapping[str, Any]) -> None:
    from headrace.cli.output import err, one_line, out, print_table, span, styled

    rows = [
        (
            each["id"],
            styled(STATES.get(each["state"], each["state"])),
            each["count"] or "",
            span(took) if (took := sum(call["call_us"] for call in each["calls"])) else "",
            one_line(_said(each)),
        )
        for each in test["steps"]
    ]
    if rows:
        print_table(("STEP", "STATE", "CALLS", "IN ITS CODE", "OUTPUT OR ERROR"), rows, empty="")
    for each in test["steps"]:
        for call in each["calls"]:
            if call["error"] is not None and call["error"]["stack"]:
                out().print(f"\n{each['id']}: {call['error']['stack'].rstrip()}", soft_wrap=True)
    if test["state"] != "done":
        why = f": {test['message']}" if test["message"] else ""
        err().print(f"Test {test['number']} {test['state']}{why} ({test['reason'] or test['state']})", soft_wrap=True)


def _said(step: Mapping[str, Any]) -> str:
    for call in step["calls"]:
        if call["error"] is not None:
            return f"{call['error']['name']}: {call['error']['message']}"
        if call["outputs"]:
            return json.dumps(call["outputs"][0]["body"], ensure_ascii=False)
    return ""


def sample(
    name: Name,
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="The step. Default: list all samples.")] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Make this JSON the sample; - reads stdin.")
    ] = None,
    execution: Annotated[
        str | None, typer.Option("--execution", metavar="ID", help="Take what the step emitted in this execution.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the sample.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show or set the sample of a step: what mappings are tried on, and tests begin with."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    if sum((file is not None, execution is not None, remove)) > 1:
        raise typer.BadParameter("give one of --file, --execution and --remove", param_hint="--file")
    if step is None and (file is not None or execution is not None or remove):
        raise typer.BadParameter("name the step", param_hint="STEP")
    with connect(data) as client:
        found = _sample(client, name, step, file=file, execution=execution, remove=remove)
    if as_json or isinstance(found, dict):
        print_json(found if as_json or found is None else found["body"])
    elif found is not None:
        _print_samples(name, found)


def _sample(
    client: Client, name: str, step: str | None, *, file: Path | None, execution: str | None, remove: bool
) -> Any:
    if step is None:
        return client.items(at("flows", name, "samples"))
    path = at("flows", name, "samples", step)
    if remove:
        client.delete(path)
        return None
    if file is not None:
        return client.put(path, {"body": _json(file)})
    if execution is not None:
        return client.put(path, {"execution": execution})
    return client.get(path)


def _print_samples(name: str, found: list[dict[str, Any]]) -> None:
    from headrace.cli.output import one_line, print_table, when

    rows = [
        (each["step"], each["source"], when(each["made_at"]), one_line(json.dumps(each["body"], ensure_ascii=False)))
        for each in found
    ]
    columns = ("STEP", "SOURCE", "MADE", "BODY")
    print_table(columns, rows, empty=f"No samples yet: headrace flow test {name} --step STEP --fetch")
