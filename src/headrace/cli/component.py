"""``component``: units of integration code and their versions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json, Yes
from headrace.cli.starter import Language
from headrace.cli.values import FileOption, SetFileOption, SetOption

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app"]

TAG = re.compile(r"</?[a-zA-Z][^<>]*>")

app = typer.Typer(help="Components: integration code in git, built on the platform.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The component.")]
Revision = Annotated[
    int | None,
    typer.Argument(metavar="REVISION", min=1, help="Its revision. Default: the newest one.", show_default=False),
]


@app.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """List all components."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table, styled

    with connect(data) as client:
        components = client.items("/components")
    if as_json:
        print_json(components)
        return
    rows = [
        (each["name"], each["latest"] or "-", styled((each["newest"] or {}).get("state")), each["title"])
        for each in components
    ]
    columns = ("COMPONENT", "LATEST", "NEWEST", "TITLE")
    print_table(columns, rows, empty="No components yet: headrace component push DIR")


@app.command()
def create(
    name: Name,
    language: Annotated[
        Language | None,
        typer.Option("--language", help="Also write a small component to begin with.", show_default=False),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Where to. Default: a folder NAME here.", show_default=False),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Create an empty component to push to with git."""
    from headrace.cli import starter
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    folder = into or Path(name)
    with connect(data) as client:
        if language is not None:
            starter.write(folder, name, language)
        created = client.post("/components", {"name": name})
    if as_json:
        print_json(created)
        return
    written = f" and wrote {folder}" if language is not None else ""
    out().print(f"Created {name}{written}. Push code to it with one of", soft_wrap=True)
    named = "" if language is None or folder.resolve().name == name else f" --name {name}"
    out().print(f"  headrace component push {folder if language is not None else 'DIR'}{named}", soft_wrap=True)
    out().print(f"  git push {client.url}/git/{name}.git main     (user: any, password: a token)", soft_wrap=True)


@app.command()
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show a component: what it offers and which version is the latest."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("components", name))
        latest = found.get("latest")
        version = client.get(at("components", name, "versions", latest)) if latest else None
        variables = client.get(at("components", name, "variables"))["variables"]
    if as_json:
        print_json({**found, "version": version, "variables": variables})
    else:
        _print_component(found, version, variables, client.url)


@app.command()
def versions(name: Name, data: Data = None, as_json: Json = False) -> None:
    """List a component's versions, newest first."""
    from headrace.cli.client import connect
    from headrace.cli.output import err, one_line, print_json, print_table, styled, when

    with connect(data) as client:
        found = client.items(at("components", name, "versions"))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["revision"],
            each["semver"],
            each["commit"][:7],
            when(each.get("committed_at")),
            styled(each["state"]),
            "latest" if each["is_latest"] else "",
            ", ".join(map(str, each["flows"])),
            one_line(each["reason"] or each["message"].partition("\n")[0]),
        )
        for each in found
    ]
    print_table(
        ("REVISION", "VERSION", "COMMIT", "DATE", "STATE", "", "RUN BY", "MESSAGE"),
        rows,
        empty=f"Nothing was pushed to {name} yet: headrace component push DIR --name {name}",
    )
    if rows:
        err().print(f"The log of a build: headrace component log {name} REVISION", style="dim")


@app.command()
def log(
    name: Name,
    revision: Revision = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build ends.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print a version's build log; as JSON, an object a line."""
    from headrace.cli.client import connect
    from headrace.cli.output import printable

    with connect(data) as client:
        number = _newest(client, name) if revision is None else revision
        path = at("components", name, "versions", number, "log")
        for line in client.lines(path, follow=follow):
            typer.echo(json.dumps({"revision": number, "text": line}) if as_json else printable(line))


@app.command()
def push(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that holds component.json.", exists=True, file_okay=False)
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="The component. Default: the name in component.json, or the folder's."
        ),
    ] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="The note of a snapshot commit.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Push a folder, show its build, and return when the version is ready (0) or failed (1)."""
    from headrace.cli import push as pushing
    from headrace.cli.client import connect
    from headrace.cli.output import err, out, print_json, printable

    def tell(line: str) -> None:
        err().print(printable(line), soft_wrap=True)

    chosen = pushing.component_name(folder.resolve(), name)
    with connect(data) as client:
        version = pushing.push(client, folder, chosen, message=message, tell=tell)
    ready = version["state"] == "ready"
    if as_json:
        print_json(version)
    elif ready:
        out().print(f"{chosen} revision {version['revision']} is ready.")
    if not ready:
        raise _build_failed(chosen, version)


@app.command()
def env(
    *,
    name: Name,
    pairs: SetOption = None,
    pairs_of_files: SetFileOption = None,
    file: FileOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="VARIABLE", help="Take a variable away; may be repeated.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show which environment variables a component's code gets, or change them. Values are never shown.

    Flows that run get a change with their next deployment.
    """
    from headrace.cli import values
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    wanted = _texts(values.given(pairs, pairs_of_files, file)) | dict.fromkeys(unset or ())
    path = at("components", name, "variables")
    with connect(data) as client:
        found = client.patch(path, {"values": wanted}) if wanted else client.get(path)
    if as_json:
        print_json(found)
    else:
        _print_variables(found)


@app.command()
def rollout(
    name: Name,
    note: Annotated[str | None, typer.Option("--note", "-m", help="Why; kept with each deployment.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say who would be moved, and by which commits.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Bring the latest version to every running flow that names it as latest, one after another, by handover.

    And its environment variables, as they are now, to every flow that runs it.
    Stops at the first flow that fails, which runs on as it was. Interrupted, the flow in progress still goes on.
    """
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        if plan:
            found = client.get(at("components", name, "rollout"))
            if as_json:
                print_json(found)
            else:
                _print_plan(name, found)
            return
        wanted = {"note": note} if note else {}
        ended = None
        for line in client.lines(at("components", name, "rollout"), body=wanted):
            ended = json.loads(line)
            if as_json:
                typer.echo(line)
            else:
                _tell_rollout(name, ended)
    if ended is None or ended["state"] != "done":
        raise typer.Exit(1)


@app.command()
def remove(
    name: Name,
    revision: Annotated[
        int | None, typer.Argument(metavar="REVISION", min=1, help="Only this revision.", show_default=False)
    ] = None,
    yes: Yes = False,
    data: Data = None,
) -> None:
    """Remove a component, or one version of it, that no flow uses."""
    from headrace.cli.client import connect
    from headrace.cli.output import out

    what = f"{name} with all its versions" if revision is None else f"{name} revision {revision}"
    if not yes:
        typer.confirm(f"Remove {what}?", abort=True)
    with connect(data) as client:
        client.delete(at("components", name) if revision is None else at("components", name, "versions", revision))
    out().print(f"Removed {what}.")


def _texts(given: dict[str, Any]) -> dict[str, Any]:
    """Numbers and truth values of a file as an environment holds them: text, as JSON writes it."""
    return {name: json.dumps(value) if isinstance(value, int | float) else value for name, value in given.items()}


def _print_variables(found: dict[str, Any]) -> None:
    from headrace.cli.output import one_line, out, print_table

    rows = [
        (
            each["name"],
            "set" if each["is_set"] else "missing" if each["required"] else "-",
            one_line(each["description"]) if each["declared"] else "not in component.json",
        )
        for each in found["variables"]
    ]
    print_table(("VARIABLE", "VALUE", "MEANING"), rows, empty="It has no environment variables.")
    if found["behind"]:
        flows = ", ".join(found["behind"])
        told = f"{flows} still run with those of before. Next: headrace component rollout {found['component']}"
        out().print(told, soft_wrap=True)


def _print_plan(name: str, found: dict[str, Any]) -> None:
    """Who uses the component, and what a rollout would do with each."""
    from headrace.cli.output import one_line, out, print_table

    rows = [
        (
            each["flow"],
            ", ".join(map(str, each["running"])) or "-",
            ", ".join(each["names"]) or "-",
            ("gives it other variables" if each["variables"] else f"moves it to revision {found['latest']}")
            if each["moves"]
            else "leaves it as it is",
        )
        for each in found["flows"]
    ]
    print_table(("FLOW", "RUNS", "ASKS FOR", "A ROLLOUT"), rows, empty=f"No flow uses {name}.")
    for commit in found["commits"]["added"]:
        out().print(f"  {commit['commit'][:7]} {one_line(commit['message'].partition(chr(10))[0])}", soft_wrap=True)


def _tell_rollout(name: str, line: dict[str, Any]) -> None:
    """What happened to a flow, or how it all ended."""
    from headrace.cli.output import counted, err, out, printable

    flow, state = line["flow"], line["state"]
    if flow is None:
        left = f", {counted(line['left'], 'flow')} not touched" if line["left"] else ""
        told = "is rolled out" if state == "done" else "is not rolled out everywhere"
        why = f" ({line['reason']})" if line["reason"] else ""
        out().print(f"{name} {told}: {counted(line['published'], 'flow')} moved{left}{why}.", soft_wrap=True)
    elif state == "failed":
        see = f"headrace flow deployment {flow} {line['epoch']}" if line["epoch"] else f"headrace flow show {flow}"
        err().print(f"  {flow}: failed: {printable(line['reason'])}", style="red", soft_wrap=True)
        err().print(f"    next: {see}", soft_wrap=True)
    else:
        took = f", ready in {line['ready_ms']} ms" if line["ready_ms"] else ""
        err().print(f"  {flow}: {state}{took}", soft_wrap=True)


def _newest(client: Client, name: str) -> int:
    from headrace.errors import NotFound

    found = client.items(at("components", name, "versions"))
    if not found:
        raise NotFound(
            "version-not-found",
            f"nothing was pushed to {name} yet",
            next_step=f"headrace component push DIR --name {name}",
        )
    return max(int(each["revision"]) for each in found)


def _build_failed(name: str, version: dict[str, Any]) -> Exception:
    from headrace.errors import Refused

    return Refused(
        "build-failed",
        f"{name} revision {version['revision']} failed to build: {version.get('reason') or 'see its log'}",
        next_step=f"headrace component log {name} {version['revision']}",
    )


def _print_component(
    found: dict[str, Any], version: dict[str, Any] | None, variables: list[dict[str, Any]], url: str
) -> None:
    from headrace.cli.output import out, print_fields, print_table, when

    descriptor = (version or {}).get("descriptor") or {}
    print_fields(
        {
            "Component": found["name"],
            "Title": _marked(found["title"], descriptor),
            "Description": found["description"],
            "Latest": f"revision {found['latest']}" if found["latest"] else "nothing built yet",
            "Variables": _told_variables(found["name"], variables),
            "Used by": ", ".join(found["flows"]),
            "Created": when(found["created_at"]),
            "Push to": url + found["git_path"],
        }
    )
    rows = [
        (
            kind,
            each["name"],
            each["type"],
            _marked(each["title"], (descriptor.get(f"{kind}s") or {}).get(each["name"])),
            ", ".join(_fields(descriptor, kind, each["name"])),
        )
        for kind in ("trigger", "action")
        for each in found[f"{kind}s"]
    ]
    out().print()
    print_table(("OFFERS", "NAME", "TYPE", "TITLE", "FIELDS"), rows, empty="It offers nothing yet.")
    _print_credentials(descriptor.get("credentials"))
    for kind in ("trigger", "action"):
        for each in found[f"{kind}s"]:
            _print_offer(kind, each["name"], (descriptor.get(f"{kind}s") or {}).get(each["name"]) or {})


def _told_variables(name: str, variables: list[dict[str, Any]]) -> str:
    """Which are set, and which are needed and are not."""
    lacking = [each["name"] for each in variables if each["required"] and not each["is_set"]]
    told = ", ".join(each["name"] for each in variables if each["is_set"])
    if lacking:
        told += f"{'; ' if told else ''}missing: {', '.join(lacking)} (headrace component env {name} --set …)"
    return told


def _marked(title: str, written: dict[str, Any] | None) -> str:
    """The title, and that it is deprecated."""
    return f"{title} (deprecated)".strip() if written and written.get("deprecated") is True else title


def _print_credentials(written: dict[str, Any] | None) -> None:
    """What a credential of the component holds."""
    from headrace.cli.output import out

    if written is None:
        return
    how = ", which gets tokens by OAuth 2" if isinstance(written.get("oauth2"), dict) else ""
    _print_offer("its", f"credential{how}", written)
    if not written.get("fields"):
        out().print("\nits credential is only a name", soft_wrap=True)


def _print_offer(kind: str, name: str, offer: dict[str, Any]) -> None:
    """What its descriptor tells people of a trigger or action, and of each field."""
    from headrace.cli.output import one_line, out, print_table, printable

    help_ = offer.get("help")
    told = [offer.get("description"), help_.get("description") if isinstance(help_, dict) else help_]
    fields = [
        (f"  {key}", "required" if field.get("required") else "", one_line(_field_text(field)))
        for key, field in (offer.get("fields") or {}).items()
        if isinstance(field, dict)
    ]
    if not fields and not any(told):
        return
    out().print(f"\n{kind} {name}", style="bold", soft_wrap=True)
    for text in filter(None, told):
        out().print(f"  {printable(str(text))}", soft_wrap=True)
    if fields:
        print_table(("  FIELD", "", "MEANING"), fields, empty="")


def _field_text(field: dict[str, Any]) -> str:
    """Its note or label, with what it may be. Notes may hold simple HTML, which says nothing here."""
    model = field.get("model")
    said = [TAG.sub("", str(field.get("note") or "")) or field.get("label")]
    said += [f"one of {', '.join(map(str, model))}"] if isinstance(model, dict) else []
    said += [f"default {field['default']}"] if field.get("default") not in (None, "") else []
    said += [f"e.g. {field['placeholder']}"] if field.get("placeholder") else []
    said += [f"a path that the step may {field['grants']}"] if field.get("grants") else []
    return "; ".join(str(each).rstrip(".") for each in said if each)


def _fields(descriptor: dict[str, Any], kind: str, name: str) -> list[str]:
    offer = (descriptor.get(f"{kind}s") or {}).get(name) or {}
    return list(offer.get("fields") or ())
