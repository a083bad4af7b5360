"""What a flow needs to know of components: their offers, as lint and compile see them.

`headrace.components.descriptor` reads these from ``component.json``; the store hands them to lint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["Catalog", "Described", "Field", "Offer", "Selector"]

Selector = str | int
"""How a step names a component version: ``"latest"``, a revision number or a semantic version."""


@dataclass(frozen=True, slots=True)
class Field:
    """One configuration input of a trigger or action."""

    name: str
    view_class: str = "TextFieldView"
    label: str = ""
    required: bool = False
    grants: Literal["read", "write"] | None = None
    """The field's value is a host path that the step may read, or read and write."""
    model: Mapping[str, Any] | str | None = None
    """Choices of a select field, or the name of the function that lists them."""
    require: tuple[str, ...] = ()
    order: float = 0.0
    default: Any = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A trigger or action of one component version."""

    kind: Literal["trigger", "action"]
    name: str
    main: str
    title: str = ""
    description: str = ""
    trigger_type: Literal["polling", "webhook", "listener"] | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    metadata: Mapping[str, Any] | str | None = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """One component version, as far as its descriptor tells."""

    component: str
    revision: int
    title: str = ""
    description: str = ""
    version: str | None = None
    language: Literal["python", "node"] = "python"
    has_credentials: bool = False
    offers: Mapping[tuple[str, str], Offer] = field(default_factory=dict)
    """Keyed by kind and name: ``("trigger", "new-order")``."""

    def offer(self, kind: Literal["trigger", "action"], name: str) -> Offer | None:
        """The offer, or `None`."""
        return self.offers.get((kind, name))


class Catalog(Protocol):
    """Answers what lint asks; pure, so whoever calls lint loads what a document names first."""

    def components(self) -> tuple[str, ...]:
        """Names of all components, for suggestions."""
        ...

    def find(self, component: str, selector: Selector) -> Described | None:
        """The built component version that ``selector`` means now; `None` when there is none."""
        ...
