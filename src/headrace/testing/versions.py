"""Versions of the benchmark's three components that differ in their code and do the same: for publishing to and fro."""

from __future__ import annotations

from headrace.testing.measure import ROOT

__all__ = ["COMPONENTS", "FOLDERS", "good"]

COMPONENTS = ROOT / "bench" / "components"
FOLDERS = {"source": "ledger-source", "middle": "shape", "sink": "ledger-sink"}
"""The component of each step of `headrace.testing.trial.chain`; those of ``middle2`` and so on are ``middle``'s."""


def good(step: str, number: int) -> dict[str, str]:
    """The files of version ``number`` of a step's component; the sink's marks what it saw with the number."""
    folder = COMPONENTS / FOLDERS[step]
    files = {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}
    for name, text in files.items():
        if name.endswith(".py"):
            files[name] = text.replace("MARK = 1", f"MARK = {number}") + f"# version {number}\n"
    return files
