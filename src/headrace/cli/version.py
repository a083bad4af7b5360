"""``flow versions`` and ``flow outdated``: what was published, and what runs that is older than what was pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["outdated", "outdated_lines", "versions"]

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]


def versions(name: Name, data: Data = None, as_json: Json = False) -> None:
    """List a flow's published versions, newest first."""
    from headrace.cli.client import connect
    from headrace.cli.output import coloured, one_line, print_json, print_table, when

    with connect(data) as client:
        found = client.items(at("flows", name, "versions"))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["number"],
            one_line(each["name"]),
            coloured("runs", "green") if each["runs"] else "",
            when(each["published_at"]),
            each["author"],
            ", ".join(map(str, each["deployments"])),
            each["executions"] or "",
            each["failed"] or "",
            one_line(each["note"]),
        )
        for each in found
    ]
    columns = ("VERSION", "NAME", "", "PUBLISHED", "BY", "DEPLOYMENTS", "RUNS", "FAILED", "NOTE")
    print_table(columns, rows, empty=f"Nothing was published yet: headrace flow publish {name}")


def outdated(data: Data = None, as_json: Json = False) -> None:
    """List running flows that a publish would move to newer component versions."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table

    with connect(data) as client:
        found = client.items("/flows", outdated=True)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            flow["name"],
            each["step"],
            each["component"],
            _revision(each, "running"),
            _revision(each, "latest"),
            "follows by itself" if flow["redeploy"] == "on-push" else f"headrace flow publish {flow['name']}",
        )
        for flow in found
        for each in flow["outdated"]
        if each["moves_to"] is not None
    ]
    columns = ("FLOW", "STEP", "COMPONENT", "RUNS", "LATEST", "NEXT STEP")
    print_table(columns, rows, empty="Every running flow runs the newest component versions it asks for.")


def outdated_lines(flow: dict[str, Any]) -> Iterator[Text]:
    """Per step that does not run the latest: what it runs, what there is, and the commits in between."""
    from rich.text import Text

    from headrace.cli.changes import commit_lines

    for each in flow["outdated"]:
        stays = "" if each["moves_to"] is not None else f"; the flow asks for {each['selector']}"
        runs, latest = _revision(each, "running"), _revision(each, "latest")
        yield Text(f"{each['step']}: running {each['component']} revision {runs}; latest is {latest}{stays}")
        yield from commit_lines(each["commits"] or {}, "    ")


def _revision(each: dict[str, Any], which: str) -> str:
    from headrace.cli.output import when

    date = when(each[f"{which}_at"])[:10]
    return f"{each[which]} ({', '.join(filter(None, (each[f'{which}_commit'][:7], date)))})"
