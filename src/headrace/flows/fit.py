"""Whether what an expression builds, and what it reads, fits the JSON Schemas that components give of their steps.

Schemas are those of real components: draft 4 to 2020-12, and the dialect of elastic.io, in which a property itself says
``required: true``. What cannot be read as a schema says nothing; it is never a reason to refuse.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.errors import Problem

__all__ = ["misfits", "unknown_reads"]

MOST = 50
"""Problems told of one value."""
DEEPEST = 60

_KINDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def misfits(value: Any, schema: object) -> tuple[Problem, ...]:
    """Where ``value`` is not what ``schema`` asks for, each with the path of the field: ``lines[0].price``.

    Fields that the schema does not name are warnings.
    """
    import jsonschema
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if not isinstance(schema, Mapping):
        return ()
    plain = _plain(schema)
    kind = jsonschema.validators.validator_for(plain, default=jsonschema.Draft7Validator)
    try:
        kind.check_schema(plain)
        # An empty registry: nothing is ever fetched from an address that a schema names.
        found = [_told(error) for error in kind(plain, registry=Registry()).iter_errors(value)]
    except (jsonschema.SchemaError, Unresolvable, RecursionError) as error:
        said = str(error).partition("\n")[0]
        return (Problem("", "bad-schema", f"what the component says it takes is no usable JSON Schema: {said}"),)
    extra = [_unasked(path, name, known) for path, name, known in _extra(value, plain, plain, "", 0)]
    return tuple(dict.fromkeys([*found, *extra]))[:MOST]


def unknown_reads(reads: Mapping[str, Any], gives: Mapping[str, object], after: Sequence[str]) -> tuple[Problem, ...]:
    """Warnings for what an expression reads although no step before says that it gives it.

    ``reads`` is what the engine says (`headrace.flows.mapping.Expression.reads`), ``gives`` are the schemas of
    the bodies that steps emit, by id, ``after`` the steps whose messages come in. A step without a schema may give
    anything.
    """
    return tuple(dict.fromkeys(_unknown_reads(reads, gives, after)))[:MOST]


def _unknown_reads(reads: Mapping[str, Any], gives: Mapping[str, object], after: Sequence[str]) -> Iterator[Problem]:
    body = _below(reads.get("input"), "body")
    if body is not None and after and all(isinstance(gives.get(step), Mapping) for step in after):
        schemas = [_plain(gives[step]) for step in after]
        yield from _unknown(
            body, [(each, each) for each in schemas], "body", " and ".join(f"`{each}`" for each in after)
        )
    bindings = reads.get("bindings")
    steps = _below(bindings, "steps") if isinstance(bindings, Mapping) else None
    for step, read in steps.items() if isinstance(steps, Mapping) else ():
        schema, body = gives.get(step), _below(read, "body")
        if body is not None and isinstance(schema, Mapping):
            plain = _plain(schema)
            yield from _unknown(body, [(plain, plain)], f"$steps.{step}.body", f"`{step}`")


def _below(read: object, name: str) -> Any:
    return read.get(name) if isinstance(read, Mapping) else None


Placed = tuple[object, Mapping[str, Any]]
"""A schema, and the whole that its references point into."""


def _unknown(read: object, schemas: Sequence[Placed], path: str, step: str, depth: int = 0) -> Iterator[Problem]:
    """Lists are passed through, as JSONata does."""
    if not isinstance(read, Mapping) or depth > DEEPEST:
        return
    known: dict[str, list[Placed]] = {}
    for schema, whole in schemas:
        properties = _properties(schema, whole)
        if properties is None:
            return
        for name, each in properties.items():
            known.setdefault(name, []).append((each, whole))
    for name, deeper in read.items():
        if name in known:
            yield from _unknown(deeper, known[name], f"{path}.{name}", step, depth + 1)
        else:
            near = _near(name, known)
            told = f"{step} does not say that it gives `{path}.{name}`"
            yield Problem(f"{path}.{name}", "unknown-path", told, near or _listed(known), severity="warning")


def _properties(schema: object, whole: Mapping[str, Any]) -> dict[str, object] | None:
    """The fields of what a schema describes; `None` when there may be any."""
    return _collected(schema, whole, set())


def _collected(schema: object, whole: Mapping[str, Any], seen: set[int]) -> dict[str, object] | None:
    """``seen`` ends schemas that hold themselves."""
    if not isinstance(schema, Mapping):
        return None
    if id(schema) in seen:
        return {}
    seen.add(id(schema))
    items, properties = schema.get("items"), schema.get("properties")
    if "$ref" in schema:
        return _collected(_resolved(schema["$ref"], whole), whole, seen)
    if isinstance(items, Mapping) and properties is None:
        return _collected(items, whole, seen)
    branches = [_collected(each, whole, seen) for key in ("anyOf", "oneOf", "allOf") for each in _list(schema.get(key))]
    is_open = schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema
    if is_open or any(each is None for each in branches):
        return None
    own = {str(name): each for name, each in properties.items()} if isinstance(properties, Mapping) else {}
    found = {name: each for branch in (*branches, own) for name, each in (branch or {}).items()}
    return found or None


def _resolved(reference: object, whole: Mapping[str, Any]) -> object:
    """What a local reference points at, by pointer or by ``$id``."""
    if not isinstance(reference, str):
        return None
    if not reference.startswith("#"):
        return next((each for each in _schemas(whole, 0) if reference in (each.get("$id"), each.get("id"))), None)
    found: object = whole
    for part in reference.lstrip("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _schemas(value: object, depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from _schemas(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _schemas(each, depth + 1)


def _plain(schema: object, depth: int = 0) -> dict[str, Any]:
    """The schema with ``required: true`` of properties as the list that JSON Schema has."""
    written = dict(schema) if isinstance(schema, Mapping) else {}
    if depth > DEEPEST:
        return written
    needed = [str(each) for each in _list(written.get("required"))]
    if not isinstance(written.get("required"), list):
        written.pop("required", None)
    properties = written.get("properties")
    if isinstance(properties, Mapping):
        needed += [
            str(name) for name, each in properties.items() if isinstance(each, Mapping) and each.get("required") is True
        ]
        written["properties"] = {str(name): _branch(each, depth) for name, each in properties.items()}
    if needed:
        written["required"] = list(dict.fromkeys(needed))
    for key in ("items", "additionalProperties", "not"):
        if isinstance(written.get(key), Mapping):
            written[key] = _plain(written[key], depth + 1)
    for key in ("definitions", "$defs"):
        if isinstance(written.get(key), Mapping):
            written[key] = {str(name): _branch(each, depth) for name, each in written[key].items()}
    for key in ("anyOf", "oneOf", "allOf", "items"):
        if isinstance(written.get(key), list):
            written[key] = [_branch(each, depth) for each in written[key]]
    return written


def _branch(schema: object, depth: int) -> object:
    return _plain(schema, depth + 1) if isinstance(schema, Mapping) else schema


def _told(error: Any) -> Problem:
    """A mistake that jsonschema found, in words of ours where it is a frequent one."""
    path = _path(error.absolute_path)
    asked, given = error.validator_value, error.instance
    if error.validator == "required":
        name = next((each for each in asked if error.message.startswith(repr(each))), "")
        where = f"{path}.{name}" if path else str(name)
        return Problem(where, "missing", f"`{where}` is required and not there", "give it a value")
    if error.validator == "type":
        kinds = " or ".join(_KINDS.get(each, str(each)) for each in (asked if isinstance(asked, list) else [asked]))
        return Problem(path, "type", f"must be {kinds}, and is {_kind(given)}", _cast(asked, given, path))
    if error.validator == "enum":
        return Problem(path, "choice", f"must be one of {', '.join(map(str, asked))[:200]}")
    return Problem(path, str(error.validator), error.message[:300])


def _cast(asked: object, given: object, path: str) -> str:
    if asked in ("number", "integer") and isinstance(given, str):
        return "$number(…) makes a number of text"
    if asked == "string" and isinstance(given, int | float):
        return "$string(…) makes text of it"
    if asked == "array" and not isinstance(given, list):
        return "[…] around it makes a list"
    return ""


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for kind, name in ((str, "text"), (int | float, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "an object"


def _extra(
    value: object, schema: object, whole: Mapping[str, Any], path: str, depth: int
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Fields of a value that its schema says nothing of, where it names any."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        items = schema.get("items") if isinstance(schema, Mapping) else None
        for index, each in enumerate(value[:MOST]):
            yield from _extra(each, items, whole, f"{path}[{index}]", depth + 1)
        return
    known = _properties(schema, whole)
    if not isinstance(value, Mapping) or known is None:
        return
    closed = isinstance(schema, Mapping) and schema.get("additionalProperties") is False
    for name, each in value.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            yield from _extra(each, known[name], whole, where, depth + 1)
        elif not closed:  # one that allows no others is told of by the validator
            yield where, name, known


def _unasked(path: str, name: str, known: Mapping[str, object]) -> Problem:
    told = f"the step says nothing of a field `{path}`"
    return Problem(path, "unknown-field", told, _near(name, known) or _listed(known), severity="warning")


def _near(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{near[0]}`?" if near else ""


def _listed(known: Mapping[str, object]) -> str:
    return f"it has {', '.join(list(known)[:10])}" if known else ""


def _path(parts: Iterator[object]) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _list(written: object) -> list[Any]:
    return written if isinstance(written, list) else []
