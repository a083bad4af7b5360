"""Versions of the benchmark's three components that differ in their code and do the same: for publishing to and fro."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from headrace.testing.measure import ROOT

__all__ = ["FOLDERS", "Language", "folder", "good"]

Language = Literal["node", "python"]
"""What a component is written in. Both languages have all three, under the same names and with the same functions."""
FOLDERS = {"source": "ledger-source", "middle": "shape", "sink": "ledger-sink"}
"""The component of each step of `headrace.testing.trial.chain`; those of ``middle2`` and so on are ``middle``'s."""

_COMMENTS = {".js": "//", ".py": "#"}


def folder(step: str, language: Language = "python") -> Path:
    """Where the component of a step is kept."""
    return ROOT / "bench" / "components" / language / FOLDERS[step]


def good(step: str, number: int, language: Language = "python") -> dict[str, str]:
    """The files of version ``number`` of a step's component; the sink's marks what it saw with the number."""
    kept = folder(step, language)
    files = {path.name: path.read_text() for path in sorted(kept.iterdir()) if path.is_file()}
    for name, text in files.items():
        comment = _COMMENTS.get(Path(name).suffix)
        if comment:
            files[name] = text.replace("MARK = 1", f"MARK = {number}") + f"{comment} version {number}\n"
    return files
