"""Which arguments a component function takes, and how it delivers its results."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["Parameters", "Style", "WrongParameters", "parameters", "style"]

Style = Literal["function", "coroutine", "generator", "async generator"]

_CTX_NAMES = frozenset({"ctx", "context", "self"})


class WrongParameters(TypeError):
    """A component function asks for arguments the platform does not have."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many of the leading arguments a function takes, or the one it takes alone."""

    count: int
    lone: int | None = None

    def pick(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments to call with."""
        if self.lone is not None:
            return (arguments[self.lone],)
        return arguments[: self.count]


def parameters(
    function: Callable[..., Any], names: tuple[str, ...], lone: Mapping[str, int] = MappingProxyType({})
) -> Parameters:
    """Match ``function`` against the leading part of ``names``.

    ``lone`` gives names a single parameter may have to get just the argument at that position. Names count only where
    a mistake would go unseen: a single parameter must be a context or in ``lone``, and one of ``lone`` cannot come
    first when more follow. Raises `WrongParameters`.
    """
    found = list(inspect.signature(function).parameters.values())
    positional = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in found)
    needed = sum(p.default is p.empty for p in positional)
    keywords = [p.name for p in found if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    alone = len(positional) == 1 and not open_ended
    first = positional[0].name if positional else ""
    if keywords or needed > len(names):
        raise _wrong(function, names, lone)
    if first in lone:
        if not alone:
            raise _wrong(function, names, lone)
        return Parameters(1, lone=lone[first])
    if alone and not _is_context(first):
        raise _wrong(function, names, lone)
    return Parameters(len(names) if open_ended else min(len(positional), len(names)))


def style(function: Callable[..., Any]) -> Style:
    """How ``function`` delivers; looks through `functools.partial` and objects that are called."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "function"


def _is_context(name: str) -> bool:
    return name.startswith("_") or name in _CTX_NAMES


def _wrong(function: Callable[..., Any], names: tuple[str, ...], lone: Mapping[str, int]) -> WrongParameters:
    name = getattr(function, "__name__", type(function).__name__)
    forms = [f"a leading part of ({', '.join(names)})", *(f"just ({only})" for only in lone)]
    return WrongParameters(
        f"{name}{inspect.signature(function)} cannot be called: its parameters must be {' or '.join(forms)}"
    )
