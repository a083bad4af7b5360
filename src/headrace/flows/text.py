"""YAML and JSON text to plain values: only what JSON can say, and every mistake with its place.

Of YAML this reads the layout, quoting, comments and anchors, but only JSON's types: ``on``, ``yes`` and dates are
text, a repeated key is a problem, tags and merge keys are refused. It works on parser events and builds the values
itself, so neither deep nesting nor aliases of aliases cost more than the limits below.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from headrace.flows.findings import Findings, clipped, join

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Unreadable", "lines", "read", "write"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 50_000
"""Values in a document, counting what an alias stands for each time it is used."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}


class Unreadable(Exception):
    """Reading on makes no sense; the findings say why."""


class _Unsayable:
    """A number that JSON text can spell but no document may hold."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object before its keys are checked."""


def read(text: str | bytes, findings: Findings) -> Any:
    """The value that ``text`` spells; mistakes go to ``findings``.

    Raises `Unreadable`, after saying why, when nothing can be read.
    """
    decoded = _decoded(text, findings)
    start = decoded.lstrip()[:1]
    return _read_json(decoded, findings) if start in ("{", "[") else _read_yaml(decoded, findings)


def write(value: Any) -> str:
    """YAML text of JSON values; `read` gives them back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 30)


def lines(text: str) -> dict[str, int]:
    """Path → line (from 1) of each value in the text, as far as it can be read: for editors and terminals."""
    reader = _Reader(_events(text), Findings())
    with contextlib.suppress(Unreadable, yaml.YAMLError, UnicodeError):
        reader.document()
    return reader.lines


def _decoded(text: str | bytes, findings: Findings) -> str:
    size = len(text)
    if size <= MAX_BYTES and isinstance(text, str):
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            findings.error("", "encoding", f"Character {error.start} is half of a surrogate pair")
            raise Unreadable from None
    if size > MAX_BYTES:
        findings.error("", "too-large", f"The document has {size:,} bytes; the limit is {MAX_BYTES:,}")
        raise Unreadable
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            message = f"Byte {error.start} is not UTF-8 ({text[error.start]:#04x})"
            findings.error("", "encoding", message, "save the file as UTF-8")
            raise Unreadable from None
    return text.removeprefix("\ufeff")


# JSON


def _read_json(text: str, findings: Findings) -> Any:
    try:
        raw = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_constant=lambda _: _Unsayable(),
            parse_int=lambda digits: int(digits) if len(digits) <= 20 else _Unsayable(),
        )
    except json.JSONDecodeError as error:
        return _read_flow_style(text, error, findings)
    except RecursionError:
        findings.error("", "too-deep", f"The document is nested deeper than {MAX_DEPTH} levels")
        raise Unreadable from None
    return _Plain(findings).value("", raw, 0)


def _read_flow_style(text: str, error: json.JSONDecodeError, findings: Findings) -> Any:
    """Not JSON, but ``{flow: orders}`` is good YAML; if it is not that either, say what each author expects."""
    attempt = Findings()
    try:
        value = _read_yaml(text, attempt)
    except Unreadable:
        value = None
    if attempt and text.lstrip()[1:].lstrip()[:1] in ('"', "}"):
        where = f"Line {error.lineno}, column {error.colno}"
        findings.error("", "syntax", f"{where}: {error.msg[:1].lower()}{error.msg[1:]} (JSON)")
        raise Unreadable
    findings.found.extend(attempt.found)
    if attempt:
        raise Unreadable
    return value


class _Plain:
    """Turns `json.loads` output into checked plain values."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.count = 0

    def value(self, path: str, raw: Any, depth: int) -> Any:
        self.count += 1
        _check_limits(path, self.count, depth, self.findings)
        if isinstance(raw, _Pairs):
            return self._members(path, raw, depth)
        if isinstance(raw, list):
            return [self.value(join(path, index), item, depth + 1) for index, item in enumerate(raw)]
        return _scalar(path, raw, self.findings)

    def _members(self, path: str, pairs: _Pairs, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for spelled, raw in pairs:
            key = spelled if _whole(spelled) else spelled.encode(errors="replace").decode()
            here = join(path, key)
            if key != spelled:
                self.findings.error(here, "encoding", "The key holds half of a surrogate pair")
            if key in members:
                _duplicate(here, key, self.findings)
            members[key] = self.value(here, raw, depth + 1)
        return members


# YAML


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_Loader))


def _read_yaml(text: str, findings: Findings) -> Any:
    try:
        return _Reader(_events(text), findings).document()
    except yaml.YAMLError as error:
        message, suggestion = _explained(error)
        findings.error("", "syntax", message, suggestion)
        raise Unreadable from None


@dataclass(frozen=True, slots=True)
class _Anchor:
    value: Any
    size: int
    """How many values it holds, so that each use of it is counted in full."""
    height: int
    """How many levels are below it."""


class _Reader:
    """Builds values from parser events."""

    def __init__(self, events: Iterator[Any], findings: Findings) -> None:
        self.events = events
        self.findings = findings
        self.count = 0
        self.deepest = 0
        self.anchors: dict[str, _Anchor | None] = {}
        self.lines: dict[str, int] = {}

    def document(self) -> Any:
        event = self._next()
        while isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            self.findings.error("", "empty", "The document is empty", "start with `flow: <name>`")
            raise Unreadable
        value = self.value("", event, 0)
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self.findings.error("", "syntax", "There is more than one document in the text", "remove the `---` line")
        return value

    def value(self, path: str, event: Any, depth: int) -> Any:
        self._count(path, 1, depth)
        self.lines[path] = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(path, event.anchor or "", depth)
        if event.tag not in (None, "!"):
            message = f"The tag `{clipped(event.tag)}` is not supported"
            self.findings.error(path, "tag", message, "remove it; values have JSON's types")
        return self._fresh(path, event, depth) if event.anchor is None else self._anchored(path, event, depth)

    def _anchored(self, path: str, event: Any, depth: int) -> Any:
        before, outside = self.count, self.deepest
        self.deepest = depth
        self.anchors[event.anchor] = None
        value = self._fresh(path, event, depth)
        self.anchors[event.anchor] = _Anchor(value, self.count - before + 1, self.deepest - depth)
        self.deepest = max(outside, self.deepest)
        return value

    def _alias(self, path: str, name: str, depth: int) -> Any:
        anchor = self.anchors.get(name)
        if anchor is None:
            why = "stands for itself" if name in self.anchors else "is not defined above"
            self.findings.error(path, "alias", f"The alias `*{clipped(name)}` {why}")
            return None
        self._count(path, anchor.size, depth + anchor.height)
        return anchor.value

    def _count(self, path: str, size: int, depth: int) -> None:
        self.count += size
        self.deepest = max(self.deepest, depth)
        _check_limits(path, self.count, depth, self.findings)

    def _fresh(self, path: str, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._members(path, depth)
        plain = event.implicit[0] and event.tag is None
        return _scalar(path, _resolved(event.value) if plain else event.value, self.findings)

    def _items(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self.value(join(path, len(items)), event, depth + 1))
        return items

    def _members(self, path: str, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(path, event, depth)
            here = join(path, key)
            if key in members:
                _duplicate(here, key, self.findings)
            line = event.start_mark.line + 1
            members[key] = self.value(here, self._next(), depth + 1)
            self.lines[here] = line
        return members

    def _key(self, path: str, event: Any, depth: int) -> str:
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                message = "Merge keys (`<<`) are not supported"
                self.findings.error(join(path, "<<"), "merge-key", message, "write the keys out")
            return str(event.value)
        self.value(path, event, depth + 1)
        self.findings.error(path, "key", "A key must be text", "put the key in quotes")
        return ""

    def _next(self) -> Any:
        return next(self.events)


def _resolved(text: str) -> Any:
    """What an unquoted scalar means: JSON's words and numbers, everything else is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= 20 else _Unsayable()
    return float(text) if _FLOAT.fullmatch(text) else text


def _explained(error: yaml.YAMLError) -> tuple[str, str]:
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"Not YAML: {clipped(str(error), 120)}", ""
    mark = error.problem_mark or error.context_mark
    where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{where}{what}", _hint(error.problem or "")


def _hint(problem: str) -> str:
    if "cannot start any token" in problem:
        return "indent with spaces, not tabs, and quote text that starts with a sign such as % or @"
    if "mapping values are not allowed" in problem:
        return "put text that holds `: ` in quotes, or check the indentation"
    return ""


# Both


def _check_limits(path: str, count: int, depth: int, findings: Findings) -> None:
    if depth > MAX_DEPTH:
        findings.error(clipped(path, 80), "too-deep", f"The document is nested deeper than {MAX_DEPTH} levels")
        raise Unreadable
    if count > MAX_VALUES:
        findings.error("", "too-large", f"The document holds more than {MAX_VALUES:,} values")
        raise Unreadable


def _scalar(path: str, value: Any, findings: Findings) -> Any:
    too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
    unreal = isinstance(value, float) and not math.isfinite(value)
    if too_large or unreal or isinstance(value, _Unsayable):
        findings.error(path, "number", "The number is not finite or needs more than 64 bits", "write it as text")
        return None
    if isinstance(value, str) and not _whole(value):
        findings.error(path, "encoding", "The text holds half of a surrogate pair")
        return None
    return value


def _whole(text: str) -> bool:
    """Whether UTF-8 can say it: JSON escapes can spell half a character."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _duplicate(path: str, key: str, findings: Findings) -> None:
    findings.error(path, "duplicate-key", f"The key `{clipped(key)}` is given twice", "keep one of them")


# Writing


_SURPRISING = re.compile("[\r\x85\u2028\u2029\ufeff]")
"""Line breaks to YAML, and a mark that readers drop: safe only when escaped."""


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `read`, or a reader of YAML 1.1, would not take for text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        if _SURPRISING.search(text):
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"{_FLOAT.pattern}$"), None)
