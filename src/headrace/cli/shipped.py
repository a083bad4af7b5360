"""What ships with Headrace: the library components and the demo flows, and putting them into a new platform.

Each is installed once, a component again when the shipped content changes. What a person pushed, edited or removed
since then stays as it is; ``shipped.json`` in the data folder remembers what was put there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import headrace
from headrace.cli import push
from headrace.cli.client import Client, at
from headrace.cli.place import Place
from headrace.errors import HeadraceError, NotFound

__all__ = ["DEMO_FLOWS", "Result", "demo_folder", "install_demo", "install_library", "library_folder"]

ROOT = Path(headrace.__file__).parents[2]
DEMO_FLOWS = ("demo-webhook", "demo-folder")
AT_ONCE = 3
"""Pushes at the same time: a build is mostly waiting for git and uv."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one installation; ``error`` is empty when it went well."""

    name: str
    error: str = ""


def library_folder() -> Path:
    """The folder with one component per sub-folder."""
    return ROOT / "library"


def demo_folder() -> Path:
    """The folder with the demo's flow documents and sample files."""
    return ROOT / "examples" / "demo"


def install_library(client: Client, place: Place, tell: Callable[[str], None]) -> list[Result]:
    """Push every library component whose shipped content is not installed yet, and wait for the builds."""
    shipped = _read(place)
    digests = {folder.name: _digest(folder) for folder in _components()}
    wanted = [name for name, digest in digests.items() if shipped["components"].get(name) != digest]
    if not wanted:
        return []
    tell(f"Installing {len(wanted)} library components")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda name: _install_component(client, name), wanted))
    for result in results:
        if not result.error:
            shipped["components"][result.name] = digests[result.name]
    _write(place, shipped)
    return results


def install_demo(client: Client, place: Place, tell: Callable[[str], None]) -> list[Result]:
    """Publish and start the demo flows that were never installed here."""
    shipped = _read(place)
    there = [name for name in DEMO_FLOWS if (demo_folder() / f"{name}.yaml").is_file()]
    wanted = [name for name in there if name not in shipped["flows"]]
    if not wanted:
        return []
    tell("Starting the demo flows")
    results = [_install_flow(client, place, name) for name in wanted]
    shipped["flows"] += [result.name for result in results if not result.error]
    _write(place, shipped)
    return results


def demo_document(place: Place, name: str) -> str:
    """The flow document with this data folder's paths in it."""
    template = (demo_folder() / f"{name}.yaml").read_text()
    return template.replace("{demo}", json.dumps(str(place.demo))[1:-1])


def _components() -> Iterator[Path]:
    return (path.parent for path in sorted(library_folder().glob("*/component.json")))


def _install_component(client: Client, name: str) -> Result:
    try:
        version = push.push(client, library_folder() / name, name, message="Shipped with Headrace", tell=_ignore)
    except HeadraceError as error:
        return Result(name, error.message)
    failed = version["state"] != "ready"
    return Result(name, str(version.get("reason") or "the build failed") if failed else "")


def _install_flow(client: Client, place: Place, name: str) -> Result:
    try:
        if _exists(client, name):
            return Result(name)
        client.put(at("flows", name, "draft"), {"document": demo_document(place, name)})
        client.post(at("flows", name, "publish"), {"note": "The demo", "start": True})
    except HeadraceError as error:
        return Result(name, error.message)
    return Result(name)


def _exists(client: Client, name: str) -> bool:
    try:
        client.get(at("flows", name))
    except NotFound:
        return False
    return True


def _digest(folder: Path) -> str:
    """Names and content of the component's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _read(place: Place) -> dict[str, Any]:
    try:
        written = json.loads(place.shipped_file.read_text())
        return {"components": dict(written["components"]), "flows": list(written["flows"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"components": {}, "flows": []}


def _write(place: Place, shipped: dict[str, Any]) -> None:
    new = place.shipped_file.with_suffix(".new")
    new.write_text(json.dumps(shipped, indent=2) + "\n")
    new.replace(place.shipped_file)


def _ignore(_line: str) -> None:
    return None
