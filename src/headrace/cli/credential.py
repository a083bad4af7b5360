"""``credential``: named secrets of components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json, Yes
from headrace.cli.values import FileOption, SetFileOption, SetOption

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app"]

app = typer.Typer(
    help="Credentials: named secrets of components, stored encrypted and never shown.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The credential.")]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not ask the component whether the values are good.")]


@app.command("list")
def list_(
    component: Annotated[
        str | None, typer.Option("--component", metavar="NAME", help="Only those for this one.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List all credentials."""
    from headrace.cli.client import connect
    from headrace.cli.output import one_line, print_json, print_table, when

    with connect(data) as client:
        found = client.items("/credentials", component=component)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["component"],
            _state(each),
            when(each["changed_at"]),
            ", ".join(each["flows"]),
            one_line(each["reason"]),
        )
        for each in found
    ]
    columns = ("CREDENTIAL", "COMPONENT", "STATE", "CHANGED", "USED BY", "REASON")
    print_table(columns, rows, empty="No credentials yet: headrace credential create NAME --component COMPONENT")


@app.command()
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show a credential: which of its fields are set, and whether it is good. Values are never shown."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("credentials", name))
    if as_json:
        print_json(found)
    else:
        _print(found)


@app.command()
def create(
    *,
    name: Name,
    component: Annotated[str, typer.Option("--component", "-c", metavar="NAME", help="The component it is for.")],
    pairs: SetOption = None,
    pairs_of_files: SetFileOption = None,
    file: FileOption = None,
    no_verify: NoVerify = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Create a credential and verify it. Without values, asks for them; exits with 1 when it is not good."""
    from headrace.cli import values
    from headrace.cli.client import connect

    wanted = values.given(pairs, pairs_of_files, file)
    with connect(data) as client:
        if not wanted:
            wanted = values.prompted(_fields(client, component), keep=False)
        body = {"name": name, "component": component, "values": wanted, "verify": not no_verify}
        _tell(client.post("/credentials", body), as_json, "Created")


@app.command()
def edit(
    *,
    name: Name,
    pairs: SetOption = None,
    pairs_of_files: SetFileOption = None,
    file: FileOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="Take a value away; may be repeated.")
    ] = None,
    no_verify: NoVerify = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change some values, unless the component says they are not good. Flows that run use them at once."""
    from headrace.cli import values
    from headrace.cli.client import connect

    wanted = values.given(pairs, pairs_of_files, file) | dict.fromkeys(unset or ())
    with connect(data) as client:
        if not wanted:
            wanted = values.prompted(client.get(at("credentials", name))["fields"], keep=True)
        _tell(client.patch(at("credentials", name), {"values": wanted, "verify": not no_verify}), as_json, "Changed")


@app.command()
def verify(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Ask the component whether a credential is good; exits with 1 when it is not."""
    from headrace.cli.client import connect

    with connect(data) as client:
        _tell(client.post(at("credentials", name, "verify")), as_json, "Asked")


@app.command("connect")
def connect_(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Print the address where a person agrees to the connection (OAuth2); open it in a browser."""
    from headrace.cli.client import connect
    from headrace.cli.output import err, print_json

    with connect(data) as client:
        found = client.post(at("credentials", name, "connect"))
    if as_json:
        print_json(found)
        return
    typer.echo(found["url"])
    err().print(f"Open it within ten minutes. Then: headrace credential show {name}", soft_wrap=True)


@app.command()
def remove(name: Name, yes: Yes = False, data: Data = None) -> None:
    """Remove a credential that no flow uses."""
    from headrace.cli.client import connect
    from headrace.cli.output import out

    if not yes:
        typer.confirm(f"Remove credential {name} and its values?", abort=True)
    with connect(data) as client:
        client.delete(at("credentials", name))
    out().print(f"Removed {name}.")


@app.command("rotate-key")
def rotate_key(data: Data = None, as_json: Json = False) -> None:
    """Encrypt all credentials with a new key and forget the older ones. Flows run on."""
    from headrace.cli.client import connect
    from headrace.cli.output import counted, out, print_json

    with connect(data) as client:
        done = client.post("/credentials/rotate-key")
    if as_json:
        print_json(done)
        return
    told = f"{counted(done['credentials'], 'credential')} encrypted with a new key. Back up the key file."
    out().print(told, soft_wrap=True)


def _fields(client: Client, component: str) -> list[dict[str, Any]]:
    """The component's credential fields, to ask for."""
    latest = client.get(at("components", component))["latest"]
    if latest is None:
        return []
    descriptor = client.get(at("components", component, "versions", latest))["descriptor"]
    written = ((descriptor.get("credentials") or {}).get("fields") or {}).items()
    return [
        {
            "name": name,
            "label": field.get("label") or "",
            "view_class": field.get("viewClass") or "",
            "required": field.get("required") is True,
            "is_set": False,
        }
        for name, field in written
    ]


def _tell(found: dict[str, Any], as_json: bool, did: str) -> None:
    """What became of it; `Refused` (``not-verified``) when it is not good."""
    from headrace.cli.output import out, print_json
    from headrace.errors import Refused

    if as_json:
        print_json(found)
    elif found["state"] != "failed":
        reason = f" ({found['reason']})" if found["reason"] else ""
        out().print(f"{did} {found['name']}: {_words(found)}{reason}.", soft_wrap=True)
    if found["state"] == "failed":
        next_step = f"headrace credential edit {found['name']}"
        raise Refused(
            "not-verified", f"{did} {found['name']}, but it is not good: {found['reason']}", next_step=next_step
        )
    if found["connects"] and not found["connected"] and not as_json:
        out().print(f"Next: headrace credential connect {found['name']}", soft_wrap=True)


def _words(found: dict[str, Any]) -> str:
    return "not verified" if found["state"] == "unverified" else str(found["state"])


def _state(found: dict[str, Any]) -> Any:
    from headrace.cli.output import coloured

    return coloured(_words(found), {"verified": "green", "failed": "red"}.get(found["state"], "yellow"))


def _print(found: dict[str, Any]) -> None:
    from headrace.cli.output import out, print_fields, print_table, when

    print_fields(
        {
            "Credential": found["name"],
            "Component": found["component"],
            "State": _state(found),
            "Reason": found["reason"],
            "Checked": when(found["checked_at"]),
            "Changed": f"{when(found['changed_at'])} by {found['author']}",
            "Connected": ("yes" if found["connected"] else "no") if found["connects"] else None,
            "Token until": when(found["token_until"]),
            "Used by": ", ".join(found["flows"]),
        }
    )
    rows = [
        (each["name"], "set" if each["is_set"] else "required" if each["required"] else "-", each["label"])
        for each in found["fields"]
    ]
    rows += [(name, "set", "") for name in found["others"]]
    out().print()
    print_table(("FIELD", "VALUE", "LABEL"), rows, empty="It has no fields.")
