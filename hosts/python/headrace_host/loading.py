"""Finding and importing a step's component code."""

# ruff: noqa: PTH112, PTH113, PTH118  (pathlib would cost every host half a megabyte)

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from os.path import isdir, isfile, join
from types import ModuleType
from typing import Any, Literal

from headrace_sdk.signature import Parameters, Style, parameters, style

__all__ = ["HOOKS", "Component", "Function", "LoadError", "load", "make_importable"]

_Arguments = tuple[tuple[str, ...], dict[str, int]]

HOOKS = ("startup", "init", "shutdown", "verify_credentials", "meta_model")
_MAIN: _Arguments = (("ctx", "msg", "cfg", "snapshot"), {"msg": 1})
_LISTEN: _Arguments = (("ctx", "cfg", "snapshot"), {})
_HOOK: _Arguments = (("ctx", "cfg", "data"), {"cfg": 1, "credentials": 1})


class LoadError(Exception):
    """The component's code is not what its descriptor says."""


@dataclass(frozen=True, slots=True)
class Function:
    """A component function with what is needed to call it."""

    call: Callable[..., Any]
    takes: Parameters
    style: Style

    @property
    def is_async(self) -> bool:
        """It runs on the event loop; the others get a thread."""
        return self.style in ("coroutine", "async generator")


@dataclass(frozen=True, slots=True)
class Component:
    """A loaded trigger or action."""

    shape: Literal["process", "listen"]
    main: Function
    hooks: dict[str, Function]
    module: ModuleType

    def hook(self, hook: str, name: str | None) -> Function | None:
        """The hook; for ``select_model`` the function called ``name``. Raises `LoadError` and `WrongParameters`."""
        if hook != "select_model":
            return self.hooks.get(hook)
        found = getattr(self.module, name or "", None)
        if not callable(found):
            raise LoadError(f"the component has no function {name!r}; see `model` of the field in component.json")
        return _function(found, _HOOK)


def make_importable(folder: str) -> None:
    """Put the component's folder before installed packages but after the standard library.

    A component may so have a ``config.py`` whatever is installed, while its ``http/`` folder does not break Python.
    """
    installed = (i for i, entry in enumerate(sys.path) if "site-packages" in entry or "dist-packages" in entry)
    sys.path.insert(next(installed, len(sys.path)), folder)


def load(folder: str, main: str, kind: str, trigger_type: str | None) -> Component:
    """Import ``main`` and find its functions. Raises `LoadError`, `WrongParameters`, or whatever the import raises."""
    module = _imported(folder, main)
    hooks = {name: _function(getattr(module, name), _HOOK) for name in HOOKS if _has(module, name)}
    if "verify_credentials" not in hooks and isfile(join(folder, "verify_credentials.py")):
        apart = _imported(folder, "verify_credentials.py")
        if _has(apart, "verify_credentials"):
            hooks["verify_credentials"] = _function(apart.verify_credentials, _HOOK)
    if kind == "trigger" and _has(module, "listen") and not (_has(module, "process") and trigger_type != "listener"):
        return Component("listen", _function(module.listen, _LISTEN), hooks, module)
    if not _has(module, "process"):
        wanted = "`process` or `listen`" if kind == "trigger" else "`process`"
        own = (name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
        found = ", ".join(own) or "nothing"
        raise LoadError(f"{main} has no function {wanted}; it defines {found}")
    return Component("process", _function(module.process, _MAIN), hooks, module)


def _has(module: ModuleType, name: str) -> bool:
    return callable(getattr(module, name, None))


def _function(function: Callable[..., Any], arguments: _Arguments) -> Function:
    return Function(function, parameters(function, *arguments), style(function))


def _imported(folder: str, main: str) -> ModuleType:
    path = _path(folder, main)
    dotted = path.removeprefix(f"{folder}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if all(part.isidentifier() for part in dotted.split(".")) and _means(dotted, path):
        return importlib.import_module(dotted)
    name = "component_" + "".join(c if c.isalnum() else "_" for c in dotted)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{main} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _path(folder: str, main: str) -> str:
    stem = join(folder, main.removeprefix("./"))
    choices = (stem, f"{stem}.py", join(stem, "__init__.py"))
    path = next((choice for choice in choices if isfile(choice)), None)
    if path is None:
        what = "is a folder without __init__.py" if isdir(stem) else "does not exist"
        raise LoadError(f"{main} {what} in the component's folder; see `main` in component.json")
    return path


def _means(dotted: str, path: str) -> bool:
    """Whether importing ``dotted`` gives the file at ``path``, not a module of the same name from elsewhere."""
    try:
        spec = importlib.util.find_spec(dotted)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{dotted}.".startswith(f"{missing.name}."):
            raise
        return False
    except ValueError:
        return False
    return spec is not None and spec.origin == path
