"""``flow``: documents, drafts, versions, and what runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headrace.cli import files
from headrace.cli.client import at
from headrace.cli.options import Data, Json, Yes

if TYPE_CHECKING:
    from headrace.cli.client import Client
    from headrace.errors import Problem

__all__ = ["app", "flow_rows"]

CORRECT = "correct what is listed and try again; docs/reference/flow-document.md has every key"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

app = typer.Typer(help="Flows: lint, publish, start, stop, look at them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A flow document, YAML or JSON; - reads standard input.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the flow is live or has failed.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="What changed, for the list of versions.")]


@app.command("list")
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


@app.command()
def lint(file: File, data: Data = None, as_json: Json = False) -> None:
    """Check a flow document; exit 1 when it has errors."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, out, print_json

    text = files.read(file)
    with connect(data) as client:
        answer = client.post("/flows/lint", {"document": text})
    if as_json:
        print_json(answer)
        if any(problem.severity == "error" for problem in _problems(answer)):
            raise typer.Exit(1)
        return
    warnings = _without_errors(answer, file)
    out().print(f"{file}: no errors" + (f", {counted(len(warnings), 'warning')}" if warnings else ""))
    for step in (answer.get("flow") or {}).get("steps", ()):
        for verb in ("read", "write"):
            if step[verb]:
                out().print(f"  {step['id']} is granted to {verb} {', '.join(step[verb])}", soft_wrap=True)


@app.command()
def apply(
    file: File,
    *,
    publish_too: Annotated[bool, typer.Option("--publish", help="Publish it as a new version.")] = False,
    start_too: Annotated[bool, typer.Option("--start", help="Publish it and start it.")] = False,
    note: Note = None,
    wait: Wait = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a flow document the draft of its flow; create the flow when it is new."""
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    text = files.read(file)
    with connect(data) as client:
        name = _flow_name(client, text, file)
        saved = client.put(at("flows", name, "draft"), {"document": text})
        if not (publish_too or start_too):
            _tell_problems(saved)
            if as_json:
                print_json(saved)
            else:
                out().print(f"Saved the draft of {name}. Publish it: headrace flow publish {name}")
            return
        _without_errors(saved, file)
        _publish(client, name, note, start=start_too, wait=wait, as_json=as_json)


@app.command()
def publish(
    name: Name,
    *,
    start_too: Annotated[bool, typer.Option("--start", help="Start the flow when it is not running.")] = False,
    note: Note = None,
    wait: Wait = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Publish the draft as a new version; a running flow moves to it, and to the newest components."""
    from headrace.cli.client import connect

    with connect(data) as client:
        _publish(client, name, note, start=start_too, wait=wait, as_json=as_json)


@app.command()
def start(name: Name, wait: Wait = True, data: Data = None, as_json: Json = False) -> None:
    """Start a flow that is stopped, on the newest components; its queue goes on where it was."""
    from headrace.cli.client import connect

    with connect(data) as client:
        answer = client.post(at("flows", name, "start"))
        _report(client, name, answer, wait=wait, as_json=as_json)


@app.command()
def stop(
    name: Name,
    purge: Annotated[bool, typer.Option("--purge", help="Throw away the messages that wait in its queue.")] = False,
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Stop a flow. What waits in its queue is kept for the next start."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, out, print_json

    if purge and not yes:
        typer.confirm(f"Throw away everything that waits in the queue of {name}?", abort=True)
    with connect(data) as client:
        answer = client.post(at("flows", name, "stop"), {"purge": purge})
    if as_json:
        print_json(answer)
        return
    waiting = answer["waiting"]
    kept = f" For the next start it keeps {counted(waiting, 'waiting message')}." if waiting else ""
    out().print(f"Stopped {name}." + (" Its queue is empty." if purge else kept))


@app.command()
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


@app.command()
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


@app.command()
def draft(
    name: Name,
    discard: Annotated[bool, typer.Option("--discard", help="Throw the draft away.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print a flow's draft, or discard it."""
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    with connect(data) as client:
        if discard:
            client.delete(at("flows", name, "draft"))
            out().print(f"Discarded the draft of {name}.")
            return
        found = client.get(at("flows", name, "draft"))
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(found["document"])


@app.command()
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

    return [(each["name"], styled(each["state"]), each["version"] or "-", each["wish"], _note(each)) for each in flows]


def _publish(client: Client, name: str, note: str | None, *, start: bool, wait: bool, as_json: bool) -> None:
    from headrace.cli.output import err, out

    wanted = {**({"note": note} if note else {}), **({"start": True} if start else {})}
    answer = client.post(at("flows", name, "publish"), wanted)
    if not as_json:
        err().print(f"Published {name} version {answer['version']['number']}.")
        if not answer["deployment"]:
            out().print(f"{name} is not running. Start it: headrace flow start {name}", soft_wrap=True)
    _report(client, name, answer, wait=wait, as_json=as_json)


def _report(client: Client, name: str, answer: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Wait for the deployment that a publish or a start has caused, and say what became of it."""
    from headrace.cli.deployment import wait_live
    from headrace.cli.output import err, out, print_json

    deployment = answer["deployment"]
    if deployment and wait:
        with err().status(f"Warming up {name}"):
            deployment = wait_live(client, name, deployment["epoch"])
    if as_json:
        print_json({**answer, "deployment": deployment})
    elif deployment and wait:
        took = deployment["ready_ms"]
        out().print(f"{name} is live" + (f", ready in {took} ms." if took else "."))


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
    problems = _problems(client.post("/flows/lint", {"document": text}))
    told = f"{file} is no flow document" if name is None else f"{file} does not name its flow well"
    raise Invalid("bad-document", told, problems=problems, next_step=CORRECT)


def _problems(answer: dict[str, Any] | None) -> tuple[Problem, ...]:
    from headrace.cli.client import problem

    return tuple(problem(each) for each in (answer or {}).get("problems") or ())


def _tell_problems(answer: dict[str, Any]) -> None:
    """Print all problems: a draft may have them."""
    from headrace.cli.output import err, print_problems

    print_problems(_problems(answer), to=err())


def _without_errors(answer: dict[str, Any], file: Path) -> tuple[Problem, ...]:
    """The warnings, printed; `Invalid` when there are errors."""
    from headrace.cli.output import err, print_problems
    from headrace.errors import Invalid

    found = _problems(answer)
    if any(problem.severity == "error" for problem in found):
        raise Invalid("bad-document", f"{file} has errors", problems=found, next_step=CORRECT)
    print_problems(found, to=err())
    return found


def _note(flow: dict[str, Any]) -> str:
    """What a person should know of the flow besides its state."""
    notes = [flow["reason"]] if flow.get("reason") else []
    notes += [
        f"{each['step']} runs {each['component']} revision {each['running']}, latest is {each['latest']}"
        for each in flow.get("outdated") or ()
    ]
    if flow.get("has_draft"):
        notes.append("has a draft")
    return "; ".join(notes)


def _print_flow(found: dict[str, Any], deployments: list[dict[str, Any]]) -> None:
    from headrace.cli.output import out, print_fields, print_table, styled, when

    print_fields(
        {
            "Flow": found["name"],
            "State": styled(found["state"]),
            "Version": found["version"] or "none published",
            "Wish": found["wish"],
            "Webhook": found.get("webhook"),
            "Note": _note(found),
        }
    )
    if found["deployment"]:
        out().print()
        _print_steps(found["deployment"])
    rows = [
        (
            each["epoch"],
            each["version"],
            styled(each["state"]),
            when(each["created_at"]),
            each["ready_ms"],
            each["reason"],
        )
        for each in deployments
    ]
    if rows:
        out().print()
        print_table(("EPOCH", "VERSION", "STATE", "STARTED", "READY MS", "REASON"), rows, empty="")


def _print_steps(deployment: dict[str, Any]) -> None:
    from headrace.cli.output import print_table, styled

    hosts = {each["id"]: each for each in deployment["steps"]}
    rows = [
        (
            step,
            f"{code['component']} revision {code['revision']}",
            styled(hosts.get(step, {}).get("host")),
            *(hosts.get(step, {}).get(key) for key in ("received", "emitted", "failed", "waiting")),
            hosts.get(step, {}).get("warning") or hosts.get(step, {}).get("reason"),
        )
        for step, code in deployment["components"].items()
    ]
    columns = ("STEP", "COMPONENT", "HOST", "RECEIVED", "EMITTED", "FAILED", "WAITING", "NOTE")
    print_table(columns, rows, empty="")
