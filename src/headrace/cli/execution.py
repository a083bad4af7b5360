"""``executions``, ``execution show``, ``errors`` and ``retry``: what went through the flows."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.options import Data, Json, Since, milliseconds_ago

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app", "errors", "executions", "retry"]

app = typer.Typer(help="One execution: everything that one event caused.", no_args_is_help=True)

FlowOption = Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="Only of this flow.")]
StepOption = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only of this step.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, the newest first.")]


def executions(
    *,
    flow: FlowOption = None,
    state: Annotated[str | None, typer.Option("--state", help="running, done or failed.")] = None,
    since: Since = None,
    limit: Limit = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List executions, newest first."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table, span, styled, when

    start = milliseconds_ago(since, now_ms=time.time_ns() // 1_000_000)
    with connect(data) as client:
        found = client.items("/executions", limit=limit, flow=flow, state=state, since=start)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each.get("flow") or each.get("flow_id"),
            styled(each["state"]),
            when(each.get("started_at")),
            span(_took_us(each)),
            each.get("messages"),
            each.get("errors") or "",
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
        found = client.get(f"/executions/{id_}")
    if as_json:
        print_json(found)
    else:
        _print_execution(found)


def errors(
    *,
    flow: FlowOption = None,
    step: StepOption = None,
    state: Annotated[str | None, typer.Option("--state", help="open, retried or discarded.")] = None,
    limit: Limit = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List messages that failed, newest first."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table, styled, when

    with connect(data) as client:
        found = client.items("/errors", limit=limit, flow=flow, step=step, state=state)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each.get("flow") or each.get("flow_id"),
            each.get("step"),
            when(each.get("at")),
            styled(each.get("state")),
            f"{each.get('name')}: {each.get('message')}",
        )
        for each in found
    ]
    print_table(("ERROR", "FLOW", "STEP", "AT", "STATE", "WHAT"), rows, empty="No errors.")


def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Errors to run again.")] = None,
    *,
    flow: Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="All open errors of this flow.")] = None,
    step: StepOption = None,
    body: Annotated[
        str | None, typer.Option("--body", help="Run one error with this JSON as the step's input.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Run the input of failed messages again."""
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    if bool(ids) == bool(flow):
        raise typer.BadParameter("name errors, or a flow with --flow", param_hint="ID")
    if body is not None and (not ids or len(ids) != 1):
        raise typer.BadParameter("needs exactly one error", param_hint="--body")
    with connect(data) as client:
        answer = _retry(client, ids or [], flow, step, body)
    if as_json:
        print_json(answer)
    else:
        out().print(f"Running {_count(answer)} again. See: headrace executions")


def _retry(client: Client, ids: list[str], flow: str | None, step: str | None, body: str | None) -> Any:
    if flow is not None:
        return client.post("/errors/retry", {"flow": flow, **({"step": step} if step else {})})
    edited = {} if body is None else {"body": _parsed(body)}
    return [client.post(f"/errors/{each}/retry", edited) for each in ids]


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="--body") from None


def _count(answer: Any) -> str:
    """How many were retried, in words."""
    if isinstance(answer, dict):
        listed = answer.get("items") or answer.get("retried")
        count = listed if isinstance(listed, int) else len(listed or ())
    else:
        count = len(answer)
    return "1 message" if count == 1 else f"{count} messages"


def _took_us(execution: dict[str, Any]) -> int | None:
    start, end = execution.get("started_at"), execution.get("ended_at")
    return (end - start) * 1000 if isinstance(start, int) and isinstance(end, int) else None


def _print_execution(found: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_fields, print_table, span, styled, when

    print_fields(
        {
            "Execution": found["id"],
            "Flow": found.get("flow") or found.get("flow_id"),
            "Version": found.get("version"),
            "State": styled(found["state"]),
            "Started": when(found.get("started_at")),
            "Took": span(_took_us(found)),
            "Rerun of": found.get("rerun_of"),
        }
    )
    messages = found.get("processed") or found.get("messages") or []
    rows = [
        (
            each.get("step"),
            styled(each.get("kind")),
            span(each.get("wait_us")),
            span(each.get("map_us")),
            span(each.get("call_us")),
            each.get("outputs"),
            each.get("attempt"),
            each.get("error"),
        )
        for each in (messages if isinstance(messages, list) else [])
    ]
    out().print()
    columns = ("STEP", "", "WAITED", "MAPPER", "CALL", "OUTPUTS", "ATTEMPT", "ERROR")
    print_table(columns, rows, empty="No steps recorded yet.")
