"""Which of the steps that come after gets a message: all, unless its component names one.

Components of elastic.io override the route of a message by a header. There it is a broker's routing key; here it is the
id of a following step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.errors import Refused
from headrace.flows.deployment import StepSpec

__all__ = ["routed"]

HEADER = "x-eio-routing-key"


def routed(headers: Mapping[str, Any], step: StepSpec) -> tuple[str, dict[str, Any]]:
    """The one following step that is to get what ``step`` emits (empty: all), and the headers that it gets.

    `Refused` (``no-such-step``) when the header, whatever its case, names none of them.
    """
    named = [name for name in headers if name.lower() == HEADER]
    if not named:
        return "", dict(headers)
    to = str(headers[named[-1]] or "")
    if to and to not in step.successors:
        known = ", ".join(f"`{each}`" for each in step.successors) or "none"
        told = f"the header {HEADER} names `{to[:100]}`, which is no step after `{step.id}`; after it: {known}"
        raise Refused("no-such-step", told)
    return to, {name: value for name, value in headers.items() if name not in named}
