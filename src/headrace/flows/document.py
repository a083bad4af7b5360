"""The flow document: what a draft and a version contain.

`parse` reads YAML or JSON and reports every mistake; `to_yaml` and `to_json` write the canonical text, which parses
back to an equal document. The keys are described in ``docs/reference/flow-document.md``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.errors import Invalid
from headrace.flows import text as texts
from headrace.flows.catalog import Selector
from headrace.flows.deployment import Retry
from headrace.flows.findings import Findings
from headrace.flows.quantity import format_duration, format_size

__all__ = ["Document", "Journal", "Step", "named", "parse", "to_json", "to_value", "to_yaml"]


@dataclass(frozen=True, slots=True)
class Journal:
    """How much of a flow's past is kept; `None` means the platform's setting."""

    max_bytes: int | None = None
    keep: float | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it is written. Times are seconds, sizes bytes; `None` means the platform's default."""

    id: str
    kind: Literal["trigger", "action"]
    component: str
    function: str
    version: Selector = "latest"
    disabled: bool = False
    """Left out of what runs, with every step that can only be reached through it: `headrace.flows.disabled`."""
    name: str = ""
    note: str = ""
    credential: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    when: str | None = None
    input: str | None = None
    concurrency: int = 1
    order: Literal["relaxed", "strict"] = "relaxed"
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    poll_interval: float | None = None
    quiet_after: float | None = None
    call_max: float | None = None
    queue_limit: int | None = None
    memory: int | None = None
    read: tuple[str, ...] = ()
    """``paths.read``"""
    write: tuple[str, ...] = ()
    """``paths.write``"""
    reply: Literal["none", "wait"] = "none"
    log_level: Literal["trace", "debug", "info", "warn", "error", "fatal"] = "info"


@dataclass(frozen=True, slots=True)
class Document:
    """One flow."""

    flow: str
    type: Literal["real-time", "ordinary"] = "real-time"
    title: str = ""
    description: str = ""
    redeploy: Literal["manual", "on-push"] = "manual"
    leak_guard: Literal["warn", "stop"] = "warn"
    journal: Journal = Journal()
    steps: tuple[Step, ...] = ()

    @property
    def trigger(self) -> Step | None:
        """The first trigger, if there is one."""
        return next((step for step in self.steps if step.kind == "trigger"), None)

    @property
    def step_count(self) -> int:
        """Steps as plans count them: the visible ones and their mappers."""
        return len(self.steps) + sum(step.input is not None for step in self.steps)

    def step(self, step_id: str) -> Step | None:
        """The step of that id, or `None`."""
        return next((step for step in self.steps if step.id == step_id), None)


def parse(text: str | bytes) -> Document:
    """The document that YAML or JSON ``text`` spells.

    Raises `Invalid` with reason ``flow-document`` and every problem found; what only a catalog of components can
    tell is left to `headrace.flows.lint`.
    """
    from headrace.flows import schema

    findings = Findings()
    document = None
    with contextlib.suppress(texts.Unreadable):
        document = schema.document(texts.read(text, findings), findings)
    if document is None:
        count = len(findings.problems)
        message = f"The flow document has {count} problem{'s' if count > 1 else ''}: {findings.problems[0]}"
        raise Invalid("flow-document", message, problems=findings.problems)
    return document


def named(document: Document) -> frozenset[tuple[str, Selector]]:
    """The component versions it names: what a `Catalog` must know to lint it."""
    return frozenset((step.component, step.version) for step in document.steps)


def to_value(document: Document) -> dict[str, Any]:
    """The document as JSON values, keys in canonical order, defaults left out."""
    journal = {
        "max_bytes": _maybe(format_size, document.journal.max_bytes),
        "keep": _maybe(format_duration, document.journal.keep),
    }
    head = _given(document, Document(""), ("title", "description", "redeploy", "leak_guard"))
    present = {key: value for key, value in journal.items() if value is not None}
    return {
        "flow": document.flow,
        "type": document.type,
        **head,
        **({"journal": present} if present else {}),
        "steps": [_step_value(step) for step in document.steps],
    }


def to_json(document: Document) -> str:
    """Canonical JSON text."""
    return json.dumps(to_value(document), indent=2, ensure_ascii=False) + "\n"


def to_yaml(document: Document) -> str:
    """Canonical YAML text."""
    return texts.write(to_value(document))


# Writing

_BLANK = Step("", "action", "", "")
_DURATIONS = ("timeout", "poll_interval", "quiet_after", "call_max")


def _given(value: Any, blank: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: getattr(value, key) for key in keys if getattr(value, key) != getattr(blank, key)}


def _step_value(step: Step) -> dict[str, Any]:
    value: dict[str, Any] = {"id": step.id, step.kind: f"{step.component}/{step.function}"}
    value |= _given(step, _BLANK, ("disabled", "version", "name", "note", "credential"))
    if step.fields:
        value["fields"] = dict(step.fields)
    if step.after:
        value["after"] = step.after[0] if len(step.after) == 1 else list(step.after)
    value |= _given(step, _BLANK, ("when", "input", "concurrency", "order"))
    if retry := _retry_value(step.retry):
        value["retry"] = retry
    value |= {key: format_duration(seconds) for key, seconds in _given(step, _BLANK, _DURATIONS).items()}
    value |= _given(step, _BLANK, ("queue_limit",))
    if step.memory is not None:
        value["memory"] = format_size(step.memory)
    if paths := _given(step, _BLANK, ("read", "write")):
        value["paths"] = {access: list(paths[access]) for access in paths}
    return value | _given(step, _BLANK, ("reply", "log_level"))


def _retry_value(retry: Retry) -> dict[str, Any]:
    value = _given(retry, Retry(), ("attempts", "first", "factor", "max"))
    return {key: format_duration(item) if key in ("first", "max") else item for key, item in value.items()}


def _maybe(write: Any, value: Any) -> Any:
    return None if value is None else write(value)
