"""Loading shipped components as a host does, and a platform double that says yes to everything."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["LIBRARY", "Platform", "descriptor", "load"]

LIBRARY = Path(__file__).parents[3] / "library"


def descriptor(component: str) -> dict[str, Any]:
    """What ``component.json`` says."""
    found = json.loads((LIBRARY / component / "component.json").read_text())
    assert isinstance(found, dict)
    return found


def load(component: str, module: str) -> Any:
    """A module of a library component, imported afresh with the component's folder on the path."""
    folder = LIBRARY / component
    with _on_path(folder):
        spec = importlib.util.spec_from_file_location(f"library_{component}_{module}", folder / f"{module}.py")
        assert spec and spec.loader
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[loaded.__name__] = loaded  # dataclasses look their module up
        spec.loader.exec_module(loaded)
    return loaded


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Components have modules of equal names, so each forgets its own siblings again."""
    siblings = {path.stem for path in folder.glob("*.py")}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in siblings:
            sys.modules.pop(name, None)


class Landed:
    """An emission that has arrived, or was refused."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal

    def __await__(self) -> Iterator[None]:
        if self.refusal:
            raise self.refusal
        return iter(())


class Log:
    """A logger that remembers level, text and fields."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(text: object, *arguments: object, **fields: Any) -> None:
            self.lines.append((level, str(text) % arguments if arguments else str(text), fields))

        return log


class Platform:
    """A context that remembers what a component did. ``refuse`` maps a message id to the refusal it meets."""

    def __init__(self) -> None:
        self.logger = Log()
        self.emitted: list[Any] = []
        self.errors: list[str] = []
        self.snapshots: list[dict[str, Any]] = []
        self.refuse: dict[str, Exception] = {}

    def emit(self, data: Any) -> Landed:
        refusal = self.refuse.get(getattr(data, "id", None) or "")
        if refusal is None:
            self.emitted.append(data)
        return Landed(refusal)

    def error(self, error: object) -> Landed:
        self.errors.append(str(error))
        return Landed()

    def set_snapshot(self, value: dict[str, Any]) -> Landed:
        self.snapshots.append(json.loads(json.dumps(value)))
        return Landed()
