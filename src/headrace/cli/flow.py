"""``flow``: documents, drafts, versions, and what runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headrace.cli import cancel, deployment, draft, files, publish, queue, trial, version, wish
from headrace.cli.client import at
from headrace.cli.mistakes import CORRECT, errors_of, mistakes, tell, without_errors
from headrace.cli.options import Data, Json, Yes
from headrace.cli.publish import Detach, Note, Now

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app", "flow_rows"]

ENDED = ("stopped", "failed")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

app = typer.Typer(help="Flows: edit, publish, roll back, start, stop, look at them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A flow document, YAML or JSON; - reads standard input.")]


def list_(data: Data = None, as_json: Json = False) -> None:
    """List all flows."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table

    with connect(data) as client:
        flows = client.items("/flows")
    if as_json:
        print_json(flows)
    else:
        columns = ("FLOW", "STATE", "VERSION", "WISH", "NOTE")
        print_table(columns, flow_rows(flows), empty="No flows yet: headrace flow apply FILE --publish --start")


def lint(file: File, data: Data = None, as_json: Json = False) -> None:
    """Check a flow document; exit 1 when it has errors."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, out, print_json

    text = files.read(file)
    with connect(data) as client:
        answer = client.post("/flows/lint", {"document": text})
    if as_json:
        print_json(answer)
        if errors_of(answer):
            raise typer.Exit(1)
        return
    warnings = without_errors(answer, file)
    out().print(f"{file}: no errors" + (f", {counted(len(warnings), 'warning')}" if warnings else ""))
    for step in (answer.get("flow") or {}).get("steps", ()):
        if step["left_out"]:
            out().print(f"  {step['id']} is left out: it is disabled, or only a disabled step leads to it")
        for verb in ("read", "write"):
            if step[verb]:
                out().print(f"  {step['id']} is granted to {verb} {', '.join(step[verb])}", soft_wrap=True)


def apply(
    file: File,
    *,
    publish_too: Annotated[bool, typer.Option("--publish", help="Publish it as a new version.")] = False,
    start_too: Annotated[bool, typer.Option("--start", help="Publish it and start it.")] = False,
    note: Note = None,
    now: Now = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a flow document the draft of its flow; create the flow when it is new.

    With --publish or --start a document with errors is refused and changes nothing.
    """
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    text = files.read(file)
    with connect(data) as client:
        name = _flow_name(client, text, file)
        if publish_too or start_too:  # what cannot be published changes nothing, not even the draft
            without_errors(client.post("/flows/lint", {"document": text}), file)
        saved = client.put(at("flows", name, "draft"), {"document": text})
        if not (publish_too or start_too):
            tell(saved)
            if as_json:
                print_json(saved)
            else:
                out().print(f"Saved the draft of {name}. Publish it: headrace flow publish {name}")
            return
        publish.publish_draft(client, name, note=note, start=start_too, now=now, detach=detach, as_json=as_json)


def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show a flow: its state, its steps, its deployments."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("flows", name))
        deployments = client.items(at("flows", name, "deployments"), limit=5)
    if as_json:
        print_json({**found, "deployments": deployments})
    else:
        _print_flow(found, deployments)


def export(
    name: Name,
    *,
    version: Annotated[int | None, typer.Option("--version", min=1, help="A version. Default: the newest.")] = None,
    form: Annotated[Literal["yaml", "json"], typer.Option("--format", help="How to write it.")] = "yaml",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")] = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print a published flow document."""
    from headrace.cli.client import connect

    with connect(data) as client:
        spelling = "json" if as_json else form
        document = client.text(at("flows", name, "export"), version=version, format=spelling)
    if output is None:
        sys.stdout.write(document)
    else:
        files.write(output, document)


def remove(
    name: Name,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also throw away the messages that wait in its queue.")
    ] = False,
    yes: Yes = False,
    data: Data = None,
) -> None:
    """Remove a stopped flow with its versions."""
    from headrace.cli.client import connect
    from headrace.cli.output import out

    if not yes:
        typer.confirm(f"Remove the flow {name} with all its versions?", abort=True)
    with connect(data) as client:
        client.delete(at("flows", name), purge=purge)
    out().print(f"Removed {name}.")


def flow_rows(flows: Iterable[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Rows for a table of flows: name, state, version, wish, note."""
    from headrace.cli.output import styled

    return [(each["name"], styled(_state(each)), each["version"] or "-", each["wish"], _note(each)) for each in flows]


def _state(flow: dict[str, Any]) -> str:
    """Of its deployment; a suspended flow's waits, whatever it is."""
    return "suspended" if flow["wish"] == "suspended" else str(flow["state"])


def _flow_name(client: Client, text: str, file: Path) -> str:
    """The name a document gives its flow; a document without one is refused with its problems."""
    from headrace.errors import Invalid
    from headrace.flows import findings
    from headrace.flows import text as texts

    try:
        parsed = texts.read(text, findings.Findings())
    except texts.Unreadable:
        parsed = None
    name = parsed.get("flow") if isinstance(parsed, dict) else None
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    problems = mistakes(client.post("/flows/lint", {"document": text}))
    told = f"{file} is no flow document" if name is None else f"{file} does not name its flow well"
    raise Invalid("bad-document", told, problems=problems, next_step=CORRECT)


def _note(flow: dict[str, Any]) -> str:
    """What a person should know of the flow besides its state."""
    notes = [flow["reason"]] if flow.get("reason") else []
    current = flow.get("deployment")
    if current and current["state"] not in ENDED and current["version"] != flow["version"]:
        notes.append(f"runs version {current['version']}")
    notes += [
        f"step `{each['id']}` leaks {each['leak']['kind']}"
        for each in (current or {}).get("steps", ())
        if each.get("leak") and not each["leak"]["stopped"]
    ]
    notes += [
        f"{each['step']} runs {each['component']} revision {each['running']}, latest is {each['latest']}"
        for each in flow.get("outdated") or ()
    ]
    if flow.get("coming"):
        notes.append(f"deployment {flow['coming']['epoch']} of version {flow['coming']['version']} warms up")
    if flow.get("has_draft"):
        notes.append("has a draft")
    return "; ".join(notes)


def _print_flow(found: dict[str, Any], deployments: list[dict[str, Any]]) -> None:
    from headrace.cli.output import one_line, out, print_fields, print_table, styled, when

    current = found["deployment"]
    print_fields(
        {
            "Flow": found["name"],
            "State": styled(_state(found)),
            "Runs": f"version {current['version']}" if current and current["state"] not in ENDED else None,
            "Version": found["version"] or "none published",
            "Wish": found["wish"],
            "Redeploy": found["redeploy"],
            "Webhook": found.get("webhook"),
            "Note": _note({**found, "outdated": ()}),
        }
    )
    if current:
        out().print()
        _print_steps(current)
    for number, line in enumerate(version.outdated_lines(found)):
        if not number:
            out().print()
        out().print(line, soft_wrap=True)
    rows = [
        (
            each["epoch"],
            each["version"],
            styled(each["state"]),
            each["cause"],
            when(each["created_at"]),
            each["ready_ms"],
            one_line("; ".join(filter(None, (each["reason"], each["note"])))),
        )
        for each in deployments
    ]
    if rows:
        out().print()
        print_table(("EPOCH", "VERSION", "STATE", "BY", "MADE", "READY MS", "NOTE"), rows, empty="")


def _print_steps(deployment: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_table, styled

    hosts = {each["id"]: each for each in deployment["steps"]}
    rows = [
        (
            step,
            f"{code['component']} revision {code['revision']}",
            styled(hosts.get(step, {}).get("host")),
            *(hosts.get(step, {}).get(key) for key in ("received", "emitted", "failed", "waiting")),
            *(_time(hosts.get(step, {}).get(key)) for key in ("p50_us", "p99_us")),
            _step_note(hosts.get(step, {})),
        )
        for step, code in deployment["components"].items()
    ]
    columns = ("STEP", "COMPONENT", "HOST", "RECEIVED", "EMITTED", "FAILED", "WAITING", "P50", "P99", "NOTE")
    print_table(columns, rows, empty="")
    for step, host in hosts.items():
        if host.get("leak"):
            out().print(f"\n{step}: {host['reason'] or host['warning']}", soft_wrap=True)


def _time(us: int | None) -> str:
    from headrace.cli.output import span

    return "" if us is None else span(us)


def _step_note(host: dict[str, Any]) -> str:
    """What is the matter with a step; the cure of a leak has a line of its own."""
    if host.get("leak"):
        return f"{'stopped: ' if host['leak']['stopped'] else ''}leaks {host['leak']['kind']}"
    return str(host.get("reason") or host.get("warning") or "")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_,
    "show": show,
    "lint": lint,
    "edit": draft.edit,
    "diff": draft.diff,
    "apply": apply,
    "test": trial.test,
    "sample": trial.sample,
    "publish": publish.publish,
    "rollback": publish.rollback,
    "cancel": cancel.cancel,
    "versions": version.versions,
    "deployments": deployment.deployments,
    "deployment": deployment.deployment,
    "outdated": version.outdated,
    "queue": queue.queue,
    "start": wish.start,
    "stop": wish.stop,
    "suspend": wish.suspend,
    "resume": wish.resume,
    "export": export,
    "remove": remove,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(draft.app, name="draft")
