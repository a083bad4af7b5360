"""Which paths of the machine a step may see besides its own code, and who asked for it.

Paths come from fields that the component's descriptor marks with ``grants`` and from the step's own ``paths``. They
are absolute: a step runs under another user and in a folder of its own, so ``~`` and relative paths mean nothing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from headrace.flows.catalog import Catalog, Offer
from headrace.flows.deployment import Grants
from headrace.flows.document import Document, Step
from headrace.flows.findings import join

__all__ = ["Access", "Granted", "compiled", "filled", "grants", "is_path", "step_grants", "wishes"]

Access = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Granted:
    """A path a step may read, or (``write``) read and change."""

    path: str
    access: Access
    why: str
    """The key that asks for it: ``fields.folder`` or ``paths.read``."""


def grants(document: Document, catalog: Catalog) -> dict[str, tuple[Granted, ...]]:
    """Per step id what is granted; steps of unknown components show what their own ``paths`` say."""
    return {step.id: step_grants(step, _offer(step, catalog)) for step in document.steps}


def step_grants(step: Step, offer: Offer | None) -> tuple[Granted, ...]:
    """What one step is granted. What is not an absolute path grants nothing (lint says so)."""
    return tuple(
        Granted(posixpath.normpath(f"/{path.lstrip('/')}"), access, key)
        for key, path, access in wishes(step, offer)
        if is_path(path)
    )


def wishes(step: Step, offer: Offer | None) -> Iterator[tuple[str, Any, Access]]:
    """Key, value and access of everything that should be granted, right or wrong."""
    if offer is not None:
        values = filled(step, offer)
        for name, field in offer.fields.items():
            if field.grants is not None and values.get(name) not in (None, ""):
                yield join("fields", name), values[name], field.grants
    yield from _listed(step.read, "read")
    yield from _listed(step.write, "write")


def _listed(paths: tuple[str, ...], access: Access) -> Iterator[tuple[str, str, Access]]:
    for number, path in enumerate(paths):
        yield f"paths.{access}" if len(paths) == 1 else f"paths.{access}[{number}]", path, access


def filled(step: Step, offer: Offer) -> dict[str, Any]:
    """The step's fields, with the descriptor's defaults for those that are not given."""
    defaults = {name: field.default for name, field in offer.fields.items() if field.default is not None}
    return defaults | dict(step.fields)


def is_path(value: Any) -> bool:
    """Whether it can be granted."""
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def compiled(granted: tuple[Granted, ...]) -> Grants:
    """The same for a worker: each path once, the wider access wins."""
    write = tuple(dict.fromkeys(one.path for one in granted if one.access == "write"))
    read = tuple(dict.fromkeys(one.path for one in granted if one.access == "read" and one.path not in write))
    return Grants(read=read, write=write)


def _offer(step: Step, catalog: Catalog) -> Offer | None:
    described = catalog.find(step.component, step.version)
    return described.offer(step.kind, step.function) if described else None
