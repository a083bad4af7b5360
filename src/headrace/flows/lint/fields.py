"""The fields of a step against the fields its component describes, and the paths it would be granted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headrace.flows import grants
from headrace.flows.catalog import Field, Offer
from headrace.flows.document import Step
from headrace.flows.findings import Findings, clipped, join, nearest

__all__ = ["check", "check_grants"]

_EMPTY = (None, "")


def check(index: int, step: Step, offer: Offer, findings: Findings) -> None:
    """Missing, unknown and impossible fields."""
    path = f"steps[{index}].fields"
    values = grants.filled(step, offer)
    unknown = [name for name in step.fields if name not in offer.fields]
    for name, field in offer.fields.items():
        if values.get(name) not in _EMPTY:
            _requirements(join(path, name), field, values, offer, findings)
            _choices(join(path, name), field, values[name], findings)
        elif field.required:
            _required(join(path, name), field, unknown, findings)
    for name in unknown:
        message = f"`{step.component}/{step.function}` has no field `{clipped(name)}`"
        known = f"it has {', '.join(list(offer.fields)[:12])}" if offer.fields else "it has no fields"
        findings.warning(join(path, name), "unknown-field", message, nearest(name, offer.fields, known))


def check_grants(index: int, step: Step, offer: Offer | None, findings: Findings) -> None:
    """Everything that would be granted is an absolute path, and not the whole machine."""
    for key, value, _ in grants.wishes(step, offer):
        path = f"steps[{index}].{key}"
        if not isinstance(value, str):
            findings.error(path, "path", "A granted path is text", "write an absolute path such as /srv/in")
        elif not grants.is_path(value):
            message = f"`{clipped(value)}` is not an absolute path, and nothing else can be granted"
            findings.error(path, "path", message, _absolute(value))
    for granted in grants.step_grants(step, offer):
        if granted.path == "/":
            message = f"This lets the step {granted.access} everything on the machine"
            findings.warning(f"steps[{index}].{granted.why}", "grants-all", message, "grant one folder")


def _absolute(value: str) -> str:
    rest = value.removeprefix("~").removeprefix("./").lstrip("/")
    return f"write it from the root, such as /home/me/{clipped(rest)}" if value.startswith("~") else "start it with /"


def _required(path: str, field: Field, unknown: list[str], findings: Findings) -> None:
    label = f" ({field.label})" if field.label else ""
    meant = nearest(field.name, unknown)
    suggestion = f"{meant[:-1]}, given under another name?" if meant else f"add `{field.name}` under `fields`"
    findings.error(path, "field-missing", f"The field `{field.name}`{label} is required", suggestion)


def _requirements(path: str, field: Field, values: Mapping[str, Any], offer: Offer, findings: Findings) -> None:
    """``require`` names fields without which this one means nothing."""
    for name in field.require:
        if name in offer.fields and values.get(name) in _EMPTY:
            message = f"The field `{field.name}` needs `{name}` as well"
            findings.error(path, "field-requires", message, f"add `{name}`, or remove `{field.name}`")


def _choices(path: str, field: Field, value: Any, findings: Findings) -> None:
    """A choice that is not in the descriptor's list; lists that a function makes are not known here."""
    if not isinstance(field.model, Mapping) or not field.model:
        return
    several = isinstance(value, list)
    for number, choice in enumerate(value if several else [value]):
        shown = choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
        if shown not in field.model:
            choices = ", ".join(list(field.model)[:12])
            where = join(path, number) if several else path
            message = f"`{clipped(shown)}` is not one of the choices of `{field.name}`"
            findings.warning(where, "field-choice", message, nearest(shown, field.model, f"choices: {choices}"))
