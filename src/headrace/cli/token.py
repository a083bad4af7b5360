"""``token``: keys to the API."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

__all__ = ["app"]

app = typer.Typer(help="Tokens: keys to the API and to git.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what it is for.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it; it is shown only now."""
    from headrace.cli.client import connect
    from headrace.cli.output import err, print_json

    with connect(data) as client:
        created = client.post("/tokens", {"name": name})
    if as_json:
        print_json(created)
        return
    typer.echo(created["token"])
    err().print("Keep it: it is stored only as a digest and cannot be shown again.")


@app.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """List tokens."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table, when

    with connect(data) as client:
        tokens = client.items("/tokens")
    if as_json:
        print_json(tokens)
        return
    rows = [
        (
            each["id"],
            each["name"],
            f"{each.get('prefix', '')}…",
            when(each.get("created_at")),
            when(each.get("last_used_at")),
            "revoked" if each.get("revoked_at") else "",
        )
        for each in tokens
    ]
    print_table(("ID", "NAME", "TOKEN", "CREATED", "LAST USED", ""), rows, empty="No tokens.")


@app.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    data: Data = None,
) -> None:
    """Revoke a token at once."""
    from headrace.cli.client import connect
    from headrace.cli.output import out

    with connect(data) as client:
        client.delete(at("tokens", id_))
    out().print(f"Revoked token {id_}.")
