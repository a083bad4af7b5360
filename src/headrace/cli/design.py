"""``component schema`` and ``component choices``: what a component's code says while a flow is designed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json
from headrace.cli.values import FileOption, SetOption

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["choices", "schema"]

Offer = Annotated[str, typer.Argument(metavar="COMPONENT/FUNCTION", help="A trigger or action, as in flow documents.")]
Credential = Annotated[str | None, typer.Option("--credential", metavar="NAME", help="The credential to use.")]
Version = Annotated[str, typer.Option("--version", metavar="VERSION", help="latest, a revision or a semantic version.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="trigger or action, where both have the name.")
]


def schema(
    *,
    offer: Offer,
    pairs: SetOption = None,
    file: FileOption = None,
    credential: Credential = None,
    version: Version = "latest",
    kind: Kind = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print what a trigger or action takes and gives, with these fields, as JSON Schema."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json
    from headrace.cli.values import given

    del as_json  # it is JSON in any case
    component, function = _parts(offer)
    with connect(data) as client:
        fields = given(pairs, None, file)
        step = _step(client, (component, function), fields, kind=kind, version=version, credential=credential)
        print_json(client.post(at("components", component, "meta-model"), step))


def choices(
    *,
    offer: Offer,
    field: Annotated[str, typer.Argument(metavar="FIELD", help="A field with choices.")],
    pairs: SetOption = None,
    file: FileOption = None,
    credential: Credential = None,
    version: Version = "latest",
    kind: Kind = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List what can be chosen for a field."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json, print_table
    from headrace.cli.values import given

    component, function = _parts(offer)
    with connect(data) as client:
        fields = given(pairs, None, file)
        step = _step(client, (component, function), fields, kind=kind, version=version, credential=credential)
        found = client.post(at("components", component, "choices"), {**step, "field": field})["choices"]
    if as_json:
        print_json(found)
    else:
        print_table(("VALUE", "MEANS"), list(found.items()), empty="There is nothing to choose.")


def _parts(offer: str) -> tuple[str, str]:
    component, slash, function = offer.partition("/")
    if not slash or not function:
        raise typer.BadParameter("write COMPONENT/FUNCTION", param_hint="COMPONENT/FUNCTION")
    return component, function


def _step(
    client: Client,
    asked: tuple[str, str],
    fields: dict[str, Any],
    *,
    kind: str | None,
    version: str,
    credential: str | None,
) -> dict[str, Any]:
    component, function = asked
    if kind is None:
        found = client.get(at("components", component))
        kind = "trigger" if any(each["name"] == function for each in found["triggers"]) else "action"
    selector = int(version) if version.isascii() and version.isdecimal() else version
    step = {"kind": kind, "function": function, "version": selector, "fields": fields}
    return step if credential is None else {**step, "credential": credential}
