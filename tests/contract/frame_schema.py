"""The schemas of `protocol/schema`: is this a frame, and does it look as expected?"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

__all__ = ["FRAME_TYPES", "PROTOCOL", "complete", "faults", "matches"]

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"
_SCHEMAS = {path.name: json.loads(path.read_text()) for path in sorted((PROTOCOL / "schema").glob("*.json"))}
_DEFAULTS: dict[str, dict[str, Any]] = json.loads((PROTOCOL / "defaults.json").read_text())

FRAME_TYPES = tuple(name.removesuffix(".json") for name in _SCHEMAS if name != "shared.json")


def faults(frame: dict[str, Any]) -> list[str]:
    """What keeps ``frame`` from being valid by its schema."""
    if frame.get("type") not in FRAME_TYPES:
        return [f"there is no frame type {frame.get('type')!r}"]
    return [f"{error.json_path}: {error.message}" for error in _validator(frame["type"]).iter_errors(frame)]


def complete(frame: dict[str, Any]) -> dict[str, Any]:
    """A fixture's frame with what it leaves out filled in from ``defaults.json``."""
    return {**_DEFAULTS.get(frame["type"], {}), **frame}


def matches(expected: object, actual: object, *, exact: bool = False) -> bool:
    """Whether a frame is what a fixture expects.

    ``*`` in a string stands for any text and alone for anything; `None` also means absent. A frame may have further
    keys, the values inside it may not.
    """
    if expected == "*":
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        if exact and expected.keys() != actual.keys():
            return False
        return all(matches(value, actual.get(key), exact=True) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_matches_exactly, expected, actual))
    if isinstance(expected, str) and isinstance(actual, str) and "*" in expected:
        return re.fullmatch(".*".join(map(re.escape, expected.split("*"))), actual, re.DOTALL) is not None
    return type(expected) is type(actual) and expected == actual


def _matches_exactly(expected: object, actual: object) -> bool:
    return matches(expected, actual, exact=True)


@cache
def _validator(frame_type: str) -> Draft202012Validator:
    resources = [(name, Resource.from_contents(schema)) for name, schema in _SCHEMAS.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(_SCHEMAS[f"{frame_type}.json"], registry=registry)
