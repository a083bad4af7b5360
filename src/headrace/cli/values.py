"""Values that a person gives to a command: by option, from a file, or when asked for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace.cli import files
from headrace.errors import Invalid

__all__ = ["FileOption", "SetFileOption", "SetOption", "given", "prompted"]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Set a value; may be repeated. Others on this machine can see it."
    ),
]
SetFileOption = Annotated[
    list[str] | None,
    typer.Option("--set-file", metavar="NAME=FILE", help="Set a value to the text of a file, such as a private key."),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="A JSON or YAML object of names and values; `-` reads standard input."),
]


def given(
    pairs: Iterable[str] | None, pairs_of_files: Iterable[str] | None = None, file: Path | None = None
) -> dict[str, Any]:
    """All values, later ones winning: those of the file, then those of single files, then those given as text."""
    values = _object(file) if file is not None else {}
    for name, path in (_pair(each, "--set-file") for each in pairs_of_files or ()):
        values[name] = files.read(Path(path))
    values |= dict(_pair(each, "--set") for each in pairs or ())
    return values


def prompted(fields: Iterable[Mapping[str, Any]], *, keep: bool) -> dict[str, Any]:
    """Values a person types, passwords unseen; none without a terminal. With ``keep`` an empty one stays as it is."""
    if not sys.stdin.isatty():
        return {}
    values = {}
    for field in fields:
        view, label = field["view_class"], field["label"] or field["name"]
        if view == "OAuthFieldView":
            continue
        hidden = view == "PasswordFieldView"
        kept = " [kept]" if keep and field["is_set"] else "" if field["required"] else " [none]"
        typed = typer.prompt(f"{label}{kept}", default="", show_default=False, hide_input=hidden, err=True)
        if typed:
            values[field["name"]] = typed
    return values


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter("write NAME=VALUE", param_hint=option)
    return name, value


def _object(file: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(files.read(file))
    except yaml.YAMLError:  # its message would quote the text, and that is secret
        raise Invalid("bad-file", f"{file} is neither JSON nor YAML", next_step="write NAME: VALUE lines") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Invalid("bad-file", f"{file} holds no names and values", next_step="write NAME: VALUE lines")
    return found
