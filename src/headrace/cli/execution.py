"""``executions``, ``execution show``, ``errors`` and ``retry``: what went through the flows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json, Since, milliseconds_ago

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app", "errors", "executions", "in_tree_order", "retry"]

app = typer.Typer(help="One execution: everything that one event caused.", no_args_is_help=True)

FlowOption = Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="Only of this flow.")]
StepOption = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only of this step.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only of this reason, such as exception.")
]
KindOption = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Only of this kind of exception.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, the newest first.")]


def executions(
    *,
    flow: FlowOption = None,
    state: Annotated[
        Literal["running", "done", "failed"] | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", metavar="VERSION", min=1, help="Only of this version of the flow.")
    ] = None,
    since: Since = None,
    limit: Limit = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List executions, newest first."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table, styled, when

    start = milliseconds_ago(since, now_ms=time.time_ns() // 1_000_000)
    with connect(data) as client:
        found = client.items("/executions", limit=limit, flow=flow, state=state, version=version, since=start)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["flow"],
            styled(each["state"]),
            when(each["started_at"]),
            _took(each),
            each["messages"],
            each["errors"] or "",
        )
        for each in found
    ]
    columns = ("EXECUTION", "FLOW", "STATE", "STARTED", "TOOK", "MESSAGES", "ERRORS")
    print_table(columns, rows, empty="No executions.")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The execution.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show an execution: each step's messages with their timings."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("executions", id_))
    if as_json:
        print_json(found)
    else:
        _print_execution(found)


def errors(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Show this one, with its traceback and input.", show_default=False),
    ] = None,
    *,
    flow: FlowOption = None,
    step: StepOption = None,
    state: Annotated[
        Literal["open", "retried", "discarded"] | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    reason: ReasonOption = None,
    name: KindOption = None,
    limit: Limit = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List messages that failed, newest first; with an ID, show all of one."""
    from headrace.cli.client import connect
    from headrace.cli.output import one_line, print_json, print_table, styled, when

    if id_ is not None and (flow or step or state or reason or name):
        raise typer.BadParameter("name one error, or choose from the list", param_hint="ID")
    if id_ is not None:
        _show_error(id_, data, as_json=as_json)
        return
    with connect(data) as client:
        found = client.items("/errors", limit=limit, flow=flow, step=step, state=state, reason=reason, name=name)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["flow"],
            each["step"],
            when(each["at"]),
            styled(each["state"]),
            one_line(f"{each['name']}: {each['message']}"),
        )
        for each in found
    ]
    print_table(("ERROR", "FLOW", "STEP", "AT", "STATE", "WHAT"), rows, empty="No errors.")


def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Errors to run again.")] = None,
    *,
    flow: Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="All open errors of this flow.")] = None,
    step: StepOption = None,
    reason: ReasonOption = None,
    name: KindOption = None,
    body: Annotated[
        str | None, typer.Option("--body", help="Run one error with this JSON as the step's input.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Run the input of failed messages again."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    if bool(ids) == bool(flow):
        raise typer.BadParameter("name errors, or a flow with --flow", param_hint="ID")
    if body is not None and (not ids or len(ids) != 1):
        raise typer.BadParameter("needs exactly one error", param_hint="--body")
    with connect(data) as client:
        which = {"flow": flow, "step": step, "reason": reason, "name": name}
        answer = _retry_all(client, which) if flow else _retry(client, ids or [], body)
    if as_json:
        print_json(answer)
    else:
        _print_retried(answer)


def _show_error(id_: str, data: Data, *, as_json: bool) -> None:
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("errors", id_))
    if as_json:
        print_json(found)
    else:
        _print_error(found)


def _retry(client: Client, ids: list[str], body: str | None) -> dict[str, Any]:
    """What was run again, in the form of the API's answer for many."""
    edited = {} if body is None else {"body": _parsed(body)}
    return {"retried": [client.post(at("errors", each, "retry"), edited) for each in ids], "skipped": []}


def _retry_all(client: Client, which: dict[str, str | None]) -> dict[str, Any]:
    """What was run again of all that match, and what was not."""
    given = {key: value for key, value in which.items() if value}
    whole: dict[str, Any] = {"retried": [], "skipped": []}
    while True:
        answer = client.post("/errors/retry", given)
        whole["retried"] += answer["retried"]
        whole["skipped"] += answer["skipped"]
        if not answer.get("more") or not answer["retried"]:
            return whole


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="--body") from None


def _print_error(found: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_fields, printable, styled, when

    print_fields(
        {
            "Error": found["id"],
            "Flow": f"{found['flow']}, step {found['step']}",
            "Execution": found["execution"],
            "At": when(found["at"]),
            "State": styled(found["state"]),
            "Reason": found["reason"],
            "What": f"{found['name']}: {found['message']}",
        }
    )
    if found["stack"]:
        out().print(f"\n{printable(found['stack']).rstrip()}", soft_wrap=True)
    told = "Input:"
    if found["input"] is None:
        told, body = "Its input is no longer kept.", ""
    else:
        if found["input"]["stage"] == "raw":
            told = "Input, before the step's mapping:"
        large = found["input"].get("large")
        if large is not None:
            body = f"{large['size']} bytes: GET /api/v1/flows/{found['flow']}/objects/{large['object']}"
        else:
            body = json.dumps(found["input"]["body"], indent=2, ensure_ascii=False)
    out().print(f"\n{told}\n{printable(body)}".rstrip(), soft_wrap=True)


def _print_retried(answer: dict[str, Any]) -> None:
    from headrace.cli.output import counted, err, out

    for each in answer["skipped"]:
        err().print(f"not run again: {each['error']}: {each['detail']}", soft_wrap=True)
    count = len(answer["retried"])
    if not count:
        out().print("Nothing was run again." if answer["skipped"] else "There are no open errors to run again.")
        return
    out().print(f"Running {counted(count, 'message')} again.")
    for each in answer["retried"][:10]:
        out().print(f"  headrace execution show {each['execution']}", soft_wrap=True)


def _took(execution: dict[str, Any]) -> str:
    from headrace.cli.output import span

    duration = execution["duration_ms"]
    return "" if duration is None else span(duration * 1000)


def _print_execution(found: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_fields, print_table, styled, when

    print_fields(
        {
            "Execution": found["id"],
            "Flow": f"{found['flow']} version {found['version']}",
            "State": styled(found["state"]),
            "Started": when(found["started_at"]),
            "Took": _took(found),
            "Rerun of": found["rerun_of"],
        }
    )
    out().print()
    rows = [row for depth, each in in_tree_order(found["processed"]) for row in _rows(each, "  " * depth)]
    print_table(("STEP", "", "WAITED", "TOOK", "OUTPUTS", "ATTEMPT", "ERROR"), rows, empty="No steps recorded yet.")


def in_tree_order(processed: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What became of each message, before what became of those that it caused, with its depth in the tree."""
    entries: dict[str, list[dict[str, Any]]] = {}
    caused: dict[str | None, list[str]] = {}
    for each in processed:
        if each["message"] not in entries:
            caused.setdefault(each["parent"], []).append(each["message"])
        entries.setdefault(each["message"], []).append(each)
    roots = [message for parent in caused if parent not in entries for message in caused[parent]]
    open_ = [(0, message) for message in reversed(roots)]
    while open_:
        depth, message = open_.pop()
        yield from ((depth, each) for each in entries[message])
        open_ += [(depth + 1, each) for each in reversed(caused.get(message, []))]


def _why(entry: dict[str, Any]) -> str:
    """Why it did not end well, and when it is tried again."""
    from headrace.cli.output import when

    told = entry["error"] or ""
    return f"{told}; again at {when(entry['until'])}" if entry.get("until") else told


def _rows(entry: dict[str, Any], indent: str) -> list[tuple[object, ...]]:
    """One message at one step: a row for the mapper, where there is one, and a row for the step."""
    from headrace.cli.output import span, styled

    mapper: tuple[object, ...] = (f"{indent}{entry['step']} (mapper)", "", "", span(entry["map_us"]), "", "", "")
    worked = entry["kind"] not in ("accepted", "skipped")
    step: tuple[object, ...] = (
        indent + entry["step"],
        styled(entry["kind"]),
        span(entry["wait_us"]) if entry["kind"] != "accepted" else "",
        span(entry["call_us"]) if worked else "",
        entry["outputs"] if worked else "",
        entry["attempt"],
        _why(entry),
    )
    return [step] if entry["map_us"] is None else [mapper, step]
