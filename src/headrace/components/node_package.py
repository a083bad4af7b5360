"""``package.json`` and npm's lock files, as far as a build decides by them. Pure, but for reading the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.errors import Invalid

__all__ = ["Lock", "Package", "find_lock", "read_package"]

PACKAGE = "package.json"
LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
"""In npm's order."""
INSTALLED = ("dependencies", "optionalDependencies", "peerDependencies")
DECISIVE = (
    *INSTALLED, "devDependencies", "peerDependenciesMeta", "bundleDependencies", "bundledDependencies", "overrides",
    "allowScripts",
)  # fmt: skip
"""Keys of ``package.json`` that decide what an install makes."""
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
"""What npm runs for the package whose dependencies it installs."""


@dataclass(frozen=True, slots=True)
class Package:
    """A component's ``package.json``."""

    document: Mapping[str, Any]
    compiles: bool = False
    """There is a ``binding.gyp``, which npm takes for an install script."""

    @property
    def engines(self) -> dict[str, str]:
        """Version ranges of ``node`` and ``npm``, where they are asked for."""
        written = _mapping(self.document.get("engines"))
        return {name: written[name] for name in ("node", "npm") if isinstance(written.get(name), str)}

    @property
    def builds(self) -> bool:
        return "build" in self._scripts

    @property
    def prepares(self) -> bool:
        """Whether its own code runs while its dependencies are installed, and may change them."""
        return self.compiles or any(name in self._scripts for name in INSTALL_SCRIPTS)

    @property
    def bare(self) -> bool:
        """Whether nothing has to be installed to run it."""
        return not any(_mapping(self.document.get(key)) for key in INSTALLED) and not self.document.get("workspaces")

    @property
    def develops(self) -> bool:
        return bool(_mapping(self.document.get("devDependencies")))

    @property
    def manifest(self) -> dict[str, Any]:
        """What decides what is installed, without what may change freely: name, version, scripts."""
        return {key: self.document[key] for key in DECISIVE if key in self.document}

    @property
    def _scripts(self) -> Mapping[str, Any]:
        return _mapping(self.document.get("scripts"))


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file. With ``legacy_peers`` it is read as npm 6 did, which installed no peer dependencies by itself."""

    name: str
    document: Mapping[str, Any]
    legacy_peers: bool = False

    @property
    def version(self) -> int:
        written = self.document.get("lockfileVersion")
        return written if isinstance(written, int) else 1

    @property
    def packages(self) -> Mapping[str, Any]:
        """By place, like ``node_modules/co``; without the component itself. Empty before version 2."""
        return {key: each for key, each in _mapping(self.document.get("packages")).items() if key}

    @property
    def local(self) -> bool:
        """Whether anything is installed from a folder or file of the component."""
        return any(
            _mapping(each).get("link") is True or str(_mapping(each).get("resolved", "")).startswith("file:")
            for each in self.packages.values()
        )

    @property
    def count(self) -> int:
        """Packages that are needed to run."""
        return sum(1 for each in self.packages.values() if not _mapping(each).get("dev"))

    def shared(self, package: Package) -> str:
        """The same lock for a nameless package with nothing but the dependencies, so that others can have it, too."""
        packages = {**_mapping(self.document.get("packages")), "": package.manifest}
        return json.dumps({"lockfileVersion": self.version, "requires": True, "packages": packages}, sort_keys=True)


def read_package(folder: Path) -> Package:
    """Raises `Invalid` (``bad-package``) when npm could not read it either."""
    return Package(_object(folder / PACKAGE), (folder / "binding.gyp").is_file())


def find_lock(folder: Path) -> Lock | None:
    """The lock file npm would take. Raises `Invalid` (``bad-package``) when it is broken."""
    name = next((name for name in LOCKS if (folder / name).is_file()), None)
    return None if name is None else Lock(name, _object(folder / name))


def _object(path: Path) -> dict[str, Any]:
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise Invalid("bad-package", f"{path.name} is a link out of the component's folder")
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Invalid("bad-package", f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Invalid("bad-package", f"{path.name} is not a JSON object")
    return document


def _mapping(written: object) -> Mapping[str, Any]:
    return written if isinstance(written, dict) else {}
