"""Values that come from anywhere, made as deep as can be shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CLIPPED", "LEVELS", "clipped"]

LEVELS = 200
"""What answers can say is some 250 levels deep (the limit of pydantic's serialiser), all around it included."""
CLIPPED = "[nested too deep to be shown]"


def clipped(value: Any, levels: int = LEVELS) -> Any:
    """A JSON value with `CLIPPED` in place of what lies deeper than ``levels``."""
    if not isinstance(value, Mapping | list | tuple):
        return value
    if levels == 0:
        return CLIPPED
    if isinstance(value, Mapping):
        return {key: clipped(each, levels - 1) for key, each in value.items()}
    return [clipped(each, levels - 1) for each in value]
