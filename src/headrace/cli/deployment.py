"""``flow deployments`` and ``flow deployment``: attempts to run a flow, and what each was like."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

__all__ = ["deployment", "deployments"]

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]
COLUMNS = (
    *("EPOCH", "VERSION", "STATE", "BY", "MADE", "READY MS", "GAP MS", "DELAY MS"),
    *("DRAINED", "TAKEN OVER", "PARKED", "REPEATS", "ORDER", "NOTE"),
)


def deployments(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List all attempts to run a flow, newest first: how they came to be, and what their handover was like."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table

    with connect(data) as client:
        found = client.items(at("flows", name, "deployments"), limit=limit)
    if as_json:
        print_json(found)
    else:
        print_table(COLUMNS, map(_row, found), empty=f"{name} was never started: headrace flow start {name}")


def deployment(
    name: Name,
    epoch: Annotated[int, typer.Argument(metavar="EPOCH", min=1, help="The number of the deployment.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show one attempt to run a flow, with what its step wrote at last when it failed."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("flows", name, "deployments", epoch))
    if as_json:
        print_json(found)
    else:
        _print(found)


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    from headrace.cli.output import one_line, styled, when

    measured = each["handover"] or {}
    return (
        each["epoch"],
        each["version"],
        styled(each["state"]),
        " ".join(filter(None, (each["cause"], "(restart)" if each["strategy"] == "restart" else ""))),
        when(each["created_at"]),
        each["ready_ms"],
        *(_number(measured.get(key)) for key in ("gap_ms", "longest_delay_ms")),
        *(measured.get(key) for key in ("drained", "taken_over", "parked", "repeats_removed", "order")),
        one_line("; ".join(filter(None, (each["reason"], measured.get("handed_back"), each["note"])))),
    )


def _print(found: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_fields, print_table, printable, styled, when

    measured = found["handover"] or {}
    took = f"in the place of {measured['from_epoch']}" if measured.get("from_epoch") else None
    print_fields(
        {
            "Deployment": f"{found['epoch']} of {found['flow']}, version {found['version']}",
            "State": styled(found["state"]),
            "Reason": found["reason"],
            "Made": " ".join(filter(None, (when(found["created_at"]), "by", found["cause"] or "?", found["author"]))),
            "Note": found["note"],
            "Strategy": " ".join(filter(None, (found["strategy"], took))),
            "Ready": _ms(found["ready_ms"]),
            "Live": when(found["live_at"]),
            "Ended": when(found["ended_at"]),
            "Restarts": found["restarts"] or None,
            "Gap": _ms(measured.get("gap_ms")),
            "Longest delay": _ms(measured.get("longest_delay_ms")),
            "Hooks": _ms(measured.get("hooks_ms")),
            "Messages": _messages(measured),
            "Order": measured.get("order"),
            "Handed back": measured.get("handed_back"),
        }
    )
    hosts = {each["id"]: each for each in found["steps"]}
    rows = [
        (
            step,
            f"{code['component']} revision {code['revision']} ({code['commit'][:7]})",
            styled(hosts.get(step, {}).get("host")),
            hosts.get(step, {}).get("ready_ms"),
            hosts.get(step, {}).get("reason"),
        )
        for step, code in found["components"].items()
    ]
    out().print()
    print_table(("STEP", "COMPONENT", "HOST", "READY MS", "REASON"), rows, empty="")
    if found["log"]:
        out().print(f"\nThe last lines of {found['failed_step'] or 'its steps'}:", style="bold")
    for line in found["log"]:
        out().print(f"  {printable(line)}", soft_wrap=True)


def _messages(measured: dict[str, Any]) -> str:
    kinds = {
        "drained": "drained",
        "taken_over": "taken over",
        "parked": "parked as errors",
        "repeats_removed": "repeats removed",
    }
    return ", ".join(f"{measured[key]} {told}" for key, told in kinds.items() if measured.get(key) is not None)


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{_number(value)} ms"


def _number(value: float | None) -> str | None:
    """Tenths only where they say something."""
    return None if value is None else f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"
