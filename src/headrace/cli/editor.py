"""A text in a person's editor: what was found wrong with it goes on top as comments, and comes off again."""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from headrace.errors import Problem, Refused, Unavailable

__all__ = ["annotated", "bare", "edit", "merged"]

MARK = "#! "
USUAL = ("editor", "nano", "vi")


def edit(path: Path) -> None:
    """Let a person edit the file; returns when the editor has ended.

    Raises `Unavailable` (``no-editor``) and `Refused` (``editor-failed``).
    """
    command = _command()
    try:
        status = subprocess.run([*command, str(path)], check=False).returncode
    except OSError as error:
        raise Unavailable(
            "no-editor", f"the editor {command[0]} cannot be started: {error.strerror}", next_step="set EDITOR"
        ) from None
    if status:
        raise Refused("editor-failed", f"the editor {command[0]} ended with status {status}", next_step="set EDITOR")


def annotated(text: str, told: str, problems: Iterable[Problem], lines: Mapping[str, int]) -> str:
    """``text`` below a comment that says what is wrong. ``lines`` says on which line of ``text`` each path is."""
    found = list(problems)
    head = [told, *(str(each) for each in found), "These lines are taken out again. Leave without a change to give up."]
    places = [_line(each.path, lines) for each in found]
    for index, place in enumerate(places, 1):
        if place is not None:
            head[index] = f"line {place + len(head)}: {head[index]}"
    return "".join(f"{MARK}{' '.join(line.split())}\n" for line in head) + text


def bare(text: str) -> str:
    """``text`` without the comment on top of it."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith(MARK.strip()):
        del lines[0]
    return "".join(lines)


def merged(yours: str, theirs: str, who: str) -> str:
    """Both texts in one, as git does it: what differs stands between marks, of which a person keeps what is right."""
    mine, other = _whole_lines(yours), _whole_lines(theirs)
    parts: list[str] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, mine, other, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += mine[a:b]
        else:
            parts += ["<<<<<<< yours\n", *mine[a:b], "=======\n", *other[c:d], f">>>>>>> {who}\n"]
    return "".join(parts)


def _command() -> list[str]:
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if chosen:
        try:
            return shlex.split(chosen)
        except ValueError:
            raise Unavailable("no-editor", f"EDITOR is no command: {chosen}", next_step="set EDITOR") from None
    found = next((name for name in USUAL if shutil.which(name)), None)
    if found is None:
        raise Unavailable("no-editor", "there is no editor here", next_step="set EDITOR, or give the text by --file")
    return [found]


def _line(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of the path, or of what it is in."""
    while path and path not in lines:
        path = path.rpartition("[" if path.endswith("]") else ".")[0]
    return lines.get(path) if path else None


def _whole_lines(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    return [*lines[:-1], f"{lines[-1]}\n"] if lines and not lines[-1].endswith("\n") else lines
