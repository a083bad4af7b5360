"""What a flow needs to know of components: their offers, as lint and compile see them.

`headrace.components.descriptor` reads these from ``component.json``; the store hands them to lint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = [
    "BuildState",
    "Catalog",
    "Described",
    "Field",
    "Help",
    "Listing",
    "Offer",
    "Selector",
    "Variable",
    "set_command",
]

Selector = str | int
"""How a step names a component version: ``"latest"``, a revision number or a semantic version."""


@dataclass(frozen=True, slots=True)
class Help:
    """More than a description; either part may be empty."""

    description: str = ""
    link: str = ""


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
    prompt: str = ""
    placeholder: str = ""
    prefix: str = ""
    suffix: str = ""
    help: Help | None = None


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
    """``in`` and ``out``, each a JSON Schema or its path; or the path of both."""
    dynamic_metadata: bool | str = False
    """The module tells its schemas: by ``getMetaModel``, or by the function of this name. Goes before ``metadata``."""
    deprecated: bool = False
    help: Help | None = None
    order: float = 0.0
    writes: bool = False
    """A call may change something in the system it talks to: actions do, unless the descriptor says otherwise."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that a component reads."""

    name: str
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One component version, as far as its descriptor tells."""

    component: str
    revision: int
    title: str = ""
    description: str = ""
    version: str | None = None
    language: Literal["python", "node"] = "python"
    deprecated: bool = False
    help: Help | None = None
    service: str = ""
    """Which of the vendor's special components it is, like ``router``; of others empty."""
    has_credentials: bool = False
    credential_fields: Mapping[str, Field] = field(default_factory=dict)
    """What a credential of it holds."""
    oauth2: Mapping[str, Any] | None = None
    """How its tokens are got, as written: ``auth_uri``, ``token_uri`` and so on, with ``{{NAME}}`` for values."""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    offers: Mapping[tuple[str, str], Offer] = field(default_factory=dict)
    """Keyed by kind and name: ``("trigger", "new-order")``."""

    def offer(self, kind: Literal["trigger", "action"], name: str) -> Offer | None:
        """The offer, or `None`."""
        return self.offers.get((kind, name))

    def lacking(self, given: Collection[str]) -> tuple[str, ...]:
        """Names of the variables it cannot do without and that are not among those ``given``."""
        return tuple(name for name, each in self.variables.items() if each.required and name not in given)


def set_command(component: str, variable: str) -> str:
    """What a person types to set a variable of a component."""
    return f"headrace component env {component} --set {variable}=…"


BuildState = Literal["pushed", "building", "ready", "failed"]


class Catalog(Protocol):
    """Answers what lint asks; pure, so whoever calls lint loads what a document names first.

    `headrace.flows.document.named` tells what that is; `Listing` is the implementation.
    """

    def components(self) -> tuple[str, ...]:
        """Names of all components, for suggestions."""
        ...

    def find(self, component: str, selector: Selector) -> Described | None:
        """The built component version that ``selector`` means now; `None` when there is none."""
        ...

    def state(self, component: str, selector: Selector) -> BuildState | None:
        """How far that version is, to say why `find` gives `None`; `None` when nothing is known of it."""
        ...

    def selectors(self, component: str) -> tuple[Selector, ...]:
        """What could be asked for instead: revisions and semantic versions, for suggestions."""
        ...

    def credentials(self) -> Mapping[str, str]:
        """Every credential's name, and the component it is for."""
        ...

    def doubts(self) -> Mapping[str, str]:
        """Names of credentials that will hardly work, and why."""
        ...

    def variables(self, component: str) -> Collection[str]:
        """Names of the component's environment variables that have a value."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A catalog held in memory."""

    names: tuple[str, ...] = ()
    found: Mapping[tuple[str, Selector], Described] = field(default_factory=dict)
    states: Mapping[tuple[str, Selector], BuildState] = field(default_factory=dict)
    """Of versions that are not in ``found``; for ``latest`` that of the newest version."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Names of credentials, and their components."""
    given: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names of environment variables that have a value, by component."""
    doubtful: Mapping[str, str] = field(default_factory=dict)
    """Names of credentials that are not good, and why."""

    def components(self) -> tuple[str, ...]:
        return self.names

    def find(self, component: str, selector: Selector) -> Described | None:
        return self.found.get((component, selector))

    def state(self, component: str, selector: Selector) -> BuildState | None:
        return "ready" if (component, selector) in self.found else self.states.get((component, selector))

    def selectors(self, component: str) -> tuple[Selector, ...]:
        known = dict.fromkeys(selector for name, selector in (*self.found, *self.states) if name == component)
        return tuple(known)

    def credentials(self) -> Mapping[str, str]:
        return self.secrets

    def doubts(self) -> Mapping[str, str]:
        return self.doubtful

    def variables(self, component: str) -> Collection[str]:
        return self.given.get(component, ())
