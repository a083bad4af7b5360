"""A small component to begin with, in either language."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

__all__ = ["Language", "write"]


class Language(StrEnum):
    """What a component is written in."""

    python = "python"
    node = "node"


def write(folder: Path, name: str, language: Language) -> None:
    """Write it into ``folder``, which is made when it is missing. `Refused` (``folder-in-use``) when it holds files."""
    import shutil

    from headrace.cli.shipped import ROOT
    from headrace.errors import Refused

    if folder.exists() and (not folder.is_dir() or any(each.name != ".git" for each in folder.iterdir())):
        raise Refused("folder-in-use", f"{folder} is not empty", next_step="choose another with --into")
    shutil.copytree(ROOT / "examples" / "starters" / language, folder, dirs_exist_ok=True)
    for path in (folder / "component.json", folder / "package.json"):
        if path.is_file():
            path.write_text(path.read_text("utf-8").replace('"starter"', json.dumps(name)), "utf-8")
