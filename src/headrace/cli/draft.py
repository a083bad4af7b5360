"""``flow edit``, ``flow draft`` and ``flow diff``: work on a flow that changes nothing that runs.

    draft, else newest version ──▶ editor ──▶ lint ──▶ save, with the tag of what was edited ──▶ done
                                     ▲          │ mistakes      │ somebody else saved meanwhile
                                     └──────────┴───────────────┘

Whatever happens, the text is in a file until the server has it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import editor, files
from headrace.cli.client import StaleDraft, at
from headrace.cli.mistakes import CORRECT, errors_of, tell
from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["app", "diff", "edit"]

app = typer.Typer(help="A flow's draft.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]
SIDE = "draft, running, newest, or a version's number"


@dataclass(frozen=True, slots=True)
class Base:
    """What an edit begins with: the text, and the tag it is saved with."""

    text: str
    tag: int


@app.command()
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Print the draft."""
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        found = client.get(at("flows", name, "draft"))
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(found["document"])


@app.command()
def discard(name: Name, data: Data = None) -> None:
    """Throw the draft away. Nothing that runs changes."""
    from headrace.cli.client import connect
    from headrace.cli.output import out

    with connect(data) as client:
        client.delete(at("flows", name, "draft"))
    out().print(f"Discarded the draft of {name}.")


def diff(
    name: Name,
    before: Annotated[
        str | None, typer.Argument(metavar="FROM", help=f"{SIDE}. Default: what runs.", show_default=False)
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="TO", help=f"{SIDE}. Default: the draft, else newest.", show_default=False)
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what differs between a flow's draft, its versions and what runs, by step and key."""
    from headrace.cli.changes import print_changes
    from headrace.cli.client import connect
    from headrace.cli.output import out, print_json

    with connect(data) as client:
        found = client.get(at("flows", name, "diff"), **{"from": before, "to": after})
    if as_json:
        print_json(found)
        return
    out().print(f"{_side(found['before'])} → {_side(found['after'])}", style="bold")
    if found["changes"]:
        print_changes(found["changes"])
    else:
        out().print("  no difference")


def edit(
    name: Name,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Take the text from a file; - reads stdin.")
    ] = None,
    tag: Annotated[
        int | None, typer.Option("--tag", min=0, help="With --file: only if the draft still has this tag.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Edit a flow's draft, made from its newest version when there is none, in $VISUAL or $EDITOR.

    The text is checked when you leave the editor, which opens again until it has no errors. It is never lost: where it
    could not be saved, a file with it stays and is named.
    """
    from headrace.cli.client import connect
    from headrace.cli.output import print_json

    with connect(data) as client:
        saved = _from_editor(client, name) if file is None else _from_file(client, name, file, tag)
    if as_json:
        print_json(saved)
    else:
        _say(name, saved)


def _from_file(client: Client, name: str, file: Path, tag: int | None) -> dict[str, Any]:
    from headrace.errors import Invalid

    text = editor.bare(files.read(file))
    base = _base(client, name)
    linted = client.post("/flows/lint", {"document": text, "name": name})
    if errors_of(linted):
        raise Invalid(
            "bad-document", f"{file} has errors, and was not saved", problems=errors_of(linted), next_step=CORRECT
        )
    try:
        return _saved(client, name, text, base.tag if tag is None else tag)
    except StaleDraft as stale:
        again = f"merge it into {file}, then: headrace flow edit {name} --file {file} --tag {stale.draft['tag']}"
        _show_conflict(stale)
        raise _moved_on(stale, again) from None


def _from_editor(client: Client, name: str) -> dict[str, Any] | None:
    base = _base(client, name)
    folder = Path(tempfile.mkdtemp(prefix="headrace-"))
    path = folder / f"{name}.{'json' if base.text.lstrip().startswith('{') else 'yaml'}"
    files.write(path, base.text)
    try:
        saved = _edited(client, name, path, base)
    except BaseException:
        if path.exists() and path.read_bytes() != base.text.encode():
            _kept(name, path)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)
    return saved


def _edited(client: Client, name: str, path: Path, base: Base) -> dict[str, Any] | None:
    """Open the editor until what is left in the file is saved; `None` when nothing was changed."""
    from headrace.errors import Refused

    offered = base.text
    while True:
        editor.edit(path)
        text = editor.bare(files.read(path))
        if text == base.text:
            return None
        if text == offered:  # nothing was done about what is wrong
            raise Refused("draft-not-saved", f"the draft of {name} was not saved", next_step=CORRECT)
        offered = text
        linted = client.post("/flows/lint", {"document": text, "name": name})
        if errors_of(linted):
            _annotate(path, text, linted)
            continue
        saved, base, who = _saved_over(client, name, text, base)
        if saved is not None:
            return saved
        offered = editor.merged(text, base.text, who)
        told = "Somebody saved another draft meanwhile: keep what is right between the marks, and remove the marks."
        files.write(path, editor.annotated(offered, told, (), {}))


def _saved_over(client: Client, name: str, text: str, base: Base) -> tuple[dict[str, Any] | None, Base, str]:
    """The answer to saving ``text`` over ``base``; `None` with what is there instead, and whose it is."""
    while True:
        try:
            return _saved(client, name, text, base.tag), base, ""
        except StaleDraft as stale:
            found = _base(client, name)
            if found.text == text:  # saved already, by us or by somebody of the same mind
                return {"flow": name, "tag": found.tag, "created": False, "problems": []}, found, ""
            if found.text != base.text:
                return None, found, str(stale.draft["author"] or "theirs")
            base = found  # published, or saved as it was: there is nothing to merge


def _annotate(path: Path, text: str, linted: dict[str, Any]) -> None:
    from headrace.flows.text import lines

    told = "It has mistakes, and was not saved:"
    files.write(path, editor.annotated(text, told, errors_of(linted), lines(text)))


def _base(client: Client, name: str) -> Base:
    """The draft; without one the text of the newest version, and the tag that says that there still is none."""
    from headrace.errors import NotFound, Refused

    try:
        draft = client.get(at("flows", name, "draft"))
        _say_who_edits(name, draft["edited"])
        return Base(draft["document"], draft["tag"])
    except NotFound as error:
        if error.reason != "no-draft":
            raise
    flow = client.get(at("flows", name))
    if flow["version"] is None:
        raise Refused(
            "not-published", f"{name} has neither draft nor version", next_step="headrace flow apply FILE makes a draft"
        )
    version = client.get(at("flows", name, "versions", flow["version"]))
    return Base(version["document"], flow["draft_tag"])


def _say_who_edits(name: str, edited: dict[str, Any] | None) -> None:
    from headrace.cli.output import err, when

    if edited is not None:
        told = f"{edited['author']} edits the draft of {name} in a browser, since {when(edited['since'])}."
        err().print(f"{told} Neither of you overwrites the other unseen.", soft_wrap=True)


def _saved(client: Client, name: str, text: str, tag: int) -> dict[str, Any]:
    saved: dict[str, Any] = client.put(at("flows", name, "draft"), {"document": text, "tag": tag})
    return saved


def _say(name: str, saved: dict[str, Any] | None) -> None:
    from headrace.cli.output import out

    if saved is None:
        out().print("Nothing was changed.")
        return
    tell(saved)
    told = f"Saved the draft of {name}. Compare: headrace flow diff {name}. Publish: headrace flow publish {name}"
    out().print(told, soft_wrap=True)


def _kept(name: str, path: Path) -> None:
    from headrace.cli.output import err

    err().print(f"Your text is kept in {path}", style="bold", soft_wrap=True)
    err().print(f"  once it is right: headrace flow edit {name} --file {path}", soft_wrap=True)


def _show_conflict(stale: StaleDraft) -> None:
    import difflib

    from headrace.cli.output import err, printable

    theirs, yours = str(stale.draft["theirs"] or ""), str(stale.draft["yours"] or "")
    names = (f"the draft now (by {stale.draft['author'] or 'nobody'})", "yours")
    for line in difflib.unified_diff(theirs.splitlines(), yours.splitlines(), *names, lineterm=""):
        err().print(f"  {printable(line)}", soft_wrap=True)


def _moved_on(stale: StaleDraft, next_step: str) -> StaleDraft:
    again = StaleDraft(stale.reason, stale.message, next_step=next_step)
    again.draft = stale.draft
    return again


def _side(side: dict[str, Any]) -> str:
    if side["what"] != "version":
        return str(side["what"])
    return f"version {side['version']}" + (f" (deployment {side['epoch']})" if side["epoch"] else "")
