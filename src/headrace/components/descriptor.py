"""``component.json``: what a component says about itself, read into the platform's own words.

The format is the one elastic.io components use. Reading is forgiving: what is not understood is left out, so a
descriptor that was accepted once can always be read. What is wrong with one is `headrace.components.lint`'s to say.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from headrace.components.variables import is_settable
from headrace.errors import Invalid, Problem
from headrace.flows.catalog import Described, Field, Help, Offer, Variable

__all__ = [
    "FILE",
    "GRANTS",
    "SEMVER",
    "TRIGGER_TYPES",
    "Descriptor",
    "Language",
    "kind_of",
    "main_file",
    "parse",
    "read",
]

FILE = "component.json"
TRIGGER_TYPES = ("polling", "webhook", "listener")
GRANTS = ("read", "write")
DEFAULT_TYPE: Literal["webhook"] = "webhook"
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
"""https://semver.org, as far as it can be told apart from a revision number."""

Language = Literal["python", "node"]

_MOST_DEEP = 100


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A read descriptor. ``document`` is what was written, as JSON values; it is what the store keeps."""

    document: Mapping[str, Any]

    @property
    def title(self) -> str:
        return _text(self.document.get("title"))

    @property
    def version(self) -> str | None:
        """The semantic version, when one is written."""
        written = self.document.get("version")
        return written if isinstance(written, str) and SEMVER.fullmatch(written) else None

    @property
    def has_credentials(self) -> bool:
        return isinstance(self.document.get("credentials"), Mapping)

    @property
    def credential_fields(self) -> dict[str, Field]:
        """What a credential holds, by name."""
        written = _mapping(_mapping(self.document.get("credentials")).get("fields"))
        return {name: _field(name, each) for name, each in written.items()}

    @property
    def oauth2(self) -> Mapping[str, Any] | None:
        """The block that says how tokens are got, when there is one."""
        written = _mapping(self.document.get("credentials")).get("oauth2")
        return written if isinstance(written, Mapping) else None

    @property
    def variables(self) -> dict[str, Variable]:
        """Environment variables it reads, by name, without those that nobody can set."""
        written = _mapping(self.document.get("envVars"))
        return {name: _variable(name, each) for name, each in written.items() if is_settable(name)}

    def offers(self, language: Language = "python") -> dict[tuple[str, str], Offer]:
        """Triggers and actions, keyed by kind and name."""
        found = [*self._offers_of("trigger", language), *self._offers_of("action", language)]
        return {(offer.kind, offer.name): offer for offer in found}

    def described(self, component: str, revision: int, language: Literal["python", "node"] = "python") -> Described:
        """The descriptor as flows see it."""
        return Described(
            component=component,
            revision=revision,
            title=self.title,
            description=_text(self.document.get("description")),
            version=self.version,
            language=language,
            deprecated=self.document.get("deprecated") is True,
            help=_help(self.document.get("help")),
            service=_text(self.document.get("service")),
            has_credentials=self.has_credentials,
            credential_fields=self.credential_fields,
            oauth2=self.oauth2,
            variables=self.variables,
            offers=self.offers(language),
        )

    def _offers_of(self, kind: Literal["trigger", "action"], language: Language) -> Iterator[Offer]:
        for name, written in _mapping(self.document.get(f"{kind}s")).items():
            if isinstance(written, Mapping):
                yield _offer(kind, name, written, language)


def main_file(main: str, language: Language) -> str:
    """The module that ``main`` names, relative to the component's folder: ``./a/b`` is ``a/b.py`` in Python.

    Node.js finds modules by rules of its own, so there only the leading ``./`` goes.
    """
    if not main:
        return ""
    path = posixpath.normpath(main)
    return path if language == "node" or path.endswith(".py") else f"{path}.py"


def read(data: bytes | str) -> Descriptor:
    """Read a descriptor's text. Raises `Invalid` (``bad-descriptor``) when it is not a JSON object."""
    document, problems = parse(data)
    if document is None or problems:
        raise Invalid("bad-descriptor", f"{FILE} cannot be read", problems=problems)
    return Descriptor(document)


def parse(data: bytes | str) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    """The JSON object in ``data``, and the mistakes of its text; no object when it cannot be read at all."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return None, (Problem("", "not-utf-8", f"byte {error.start + 1} is not UTF-8 text", "save it as UTF-8"),)
    twice: list[str] = []
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, twice), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return None, (Problem(where, "bad-json", f"not JSON: {error.msg}", _json_hint(text, error.pos)),)
    except (ValueError, RecursionError) as error:
        said = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        return None, (Problem("", "bad-json", f"not JSON: {said}"),)
    if not isinstance(document, dict):
        return None, (
            Problem("", "not-an-object", f"must be a JSON object, not {kind_of(document)}", "begin it with {"),
        )
    problems = [Problem(key, "duplicate-key", "written twice in one object", "keep one of them") for key in twice]
    problems += _unstorable(document)
    return document, tuple(problems)


def _unique(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice += [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _json_hint(text: str, position: int) -> str:
    before, here = text[:position].rstrip()[-1:], text[position : position + 1]
    if here in "}]" and before == "," and here:
        return "remove the comma before it"
    if here == "'":
        return 'write strings between double quotes: "'
    if text[position : position + 2] in ("//", "/*"):
        return "JSON has no comments: remove it"
    if not text.strip():
        return "the file is empty"
    if not text[position:].strip():
        return "the file ends too early: something that was opened is not closed"
    return ""


def _unstorable(document: dict[str, Any]) -> list[Problem]:
    """Text and numbers that no database or other JSON reader takes, and nesting beyond reason."""
    problems: list[Problem] = []
    waiting: list[tuple[str, Any, int]] = [("", document, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > _MOST_DEEP:
            return [*problems, Problem(path[:80], "too-deep", f"nested more than {_MOST_DEEP} levels deep")]
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}" if path else key, each, depth + 1) for key, each in value.items()]
            waiting += [(path, key, depth + 1) for key in value]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", each, depth + 1) for index, each in enumerate(value)]
        elif isinstance(value, str) and not _storable(value):
            problems.append(
                Problem(path, "bad-text", "has a character that is not allowed in text: \\u0000 or half a pair")
            )
        elif isinstance(value, float) and not math.isfinite(value):
            problems.append(Problem(path, "bad-number", "the number is too large"))
    return problems


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _offer(kind: Literal["trigger", "action"], name: str, written: Mapping[str, Any], language: Language) -> Offer:
    metadata, dynamic = written.get("metadata"), written.get("dynamicMetadata")
    return Offer(
        kind=kind,
        name=name,
        main=main_file(_text(written.get("main")), language),
        title=_text(written.get("title")),
        description=_text(written.get("description")),
        trigger_type=_trigger_type(written) if kind == "trigger" else None,
        fields={key: _field(key, each) for key, each in _mapping(written.get("fields")).items()},
        metadata=metadata if isinstance(metadata, Mapping | str) else None,
        dynamic_metadata=dynamic if isinstance(dynamic, bool | str) else False,
        deprecated=written.get("deprecated") is True,
        help=_help(written.get("help")),
        order=_order(written.get("order")),
        writes=written.get("sideEffects", kind == "action") is not False,
    )


def _trigger_type(written: Mapping[str, Any]) -> Literal["polling", "webhook", "listener"]:
    kind = written.get("type")
    return cast(Any, kind) if kind in TRIGGER_TYPES else DEFAULT_TYPE


def _field(name: str, written: object) -> Field:
    values = _mapping(written)
    grants, model = values.get("grants"), values.get("model")
    return Field(
        name=name,
        view_class=_text(values.get("viewClass")) or "TextFieldView",
        label=_text(values.get("label")),
        required=values.get("required") is True,
        grants=cast(Any, grants) if grants in GRANTS else None,
        model=model if isinstance(model, Mapping | str) else None,
        require=_names(values.get("require")),
        order=_order(values.get("order")),
        default=values.get("default"),
        note=_text(values.get("note")),
        prompt=_text(values.get("prompt")),
        placeholder=_text(values.get("placeholder")),
        prefix=_text(values.get("prefix")),
        suffix=_text(values.get("suffix")),
        help=_help(values.get("help")),
    )


def _variable(name: str, written: object) -> Variable:
    values = _mapping(written)
    return Variable(name, values.get("required") is True, _text(values.get("description")))


def _help(written: object) -> Help | None:
    """Text, or an object of text and link."""
    if isinstance(written, Mapping):
        found = Help(_text(written.get("description")), _text(written.get("link")))
    else:
        found = Help(_text(written))
    return found if found != Help() else None


def _order(written: object) -> float:
    return float(written) if isinstance(written, int | float) and abs(written) < 1e300 else 0.0


def _names(written: object) -> tuple[str, ...]:
    if isinstance(written, str):
        return (written,)
    return tuple(each for each in written if isinstance(each, str)) if isinstance(written, list) else ()


def _mapping(written: object) -> Mapping[str, Any]:
    return written if isinstance(written, Mapping) else {}


def _text(written: object) -> str:
    return written if isinstance(written, str) else ""


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
