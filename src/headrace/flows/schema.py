"""The keys of a flow document: each with its check. Turns plain values into a `Document`.

A check takes the value and says what it means, or reports why it cannot; every key is checked even when others
are wrong, so one reading finds every mistake. A key without a value counts as not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from headrace.flows.catalog import Selector
from headrace.flows.deployment import Retry
from headrace.flows.document import Document, Journal, Step
from headrace.flows.findings import Findings, clipped, join, nearest
from headrace.flows.quantity import parse_duration, parse_size

__all__ = ["FLOW_KEYS", "JOURNAL_KEYS", "MAX_STEPS", "PATHS_KEYS", "RETRY_KEYS", "STEP_KEYS", "document"]

MAX_STEPS = 500
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_SEMANTIC = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)
_OFFER = re.compile(r"([^/\s]{1,128})/([^/\s]{1,128})")

NOTHING: Final = object()
"""What a check returns when it reported a problem."""

Check = Callable[[Findings, str, Any], Any]


def document(value: Any, findings: Findings) -> Document | None:
    """The document that plain values mean; `None` when ``findings`` holds any problem, old or new."""
    if not isinstance(value, dict):
        message = f"A flow document is a mapping of keys, not {_kind(value)}"
        findings.error("", "type", message, "start with `flow: <name>`")
        return None
    given = _members(findings, "", value, FLOW_KEYS, required=("flow", "steps"))
    if findings:
        return None
    return Document(**given)


# Kinds of values


def _name(findings: Findings, path: str, value: Any) -> Any:
    """A name that is legal in addresses, in broker subjects and as a file name."""
    if not isinstance(value, str):
        return _wrong(findings, path, value, "a name")
    if NAME.fullmatch(value):
        return value
    message = f"`{clipped(value)}` is not a name: letters, digits, - and _, a letter first, at most 64"
    proposal = re.sub(r"[^A-Za-z0-9_-]+", "-", value).strip("-")[:64]
    findings.error(path, "name", message, f"write `{proposal}`" if NAME.fullmatch(proposal) else "")
    return NOTHING


def _text(findings: Findings, path: str, value: Any) -> Any:
    return value if isinstance(value, str) else _wrong(findings, path, value, "text", "put it in quotes")


def _truth(findings: Findings, path: str, value: Any) -> Any:
    return value if isinstance(value, bool) else _wrong(findings, path, value, "true or false")


def _expression(findings: Findings, path: str, value: Any) -> Any:
    """JSONata source; whether it compiles is for lint."""
    if isinstance(value, str):
        return value
    hint = "put the expression in quotes, or start it on the next line after `|`"
    return _wrong(findings, path, value, "a JSONata expression as text", hint)


def _choice(*choices: str) -> Check:
    def check(findings: Findings, path: str, value: Any) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        listed = ", ".join(f"`{choice}`" for choice in choices)
        shown = clipped(value) if isinstance(value, str) else _kind(value)
        suggestion = nearest(shown, choices, f"write {listed.replace(', ', ' or ')}")
        findings.error(path, "choice", f"`{shown}` is not one of {listed}", suggestion)
        return NOTHING

    return check


def _number(low: float, high: float, *, whole: bool) -> Check:
    kinds = int if whole else (int, float)
    what = "a whole number" if whole else "a number"

    def check(findings: Findings, path: str, value: Any) -> Any:
        if not isinstance(value, kinds) or isinstance(value, bool):
            return _wrong(findings, path, value, what)
        return _within(findings, path, value, (low, high, f"{low:,}", f"{high:,}"))

    return check


def _duration(shown_low: str, shown_high: str) -> Check:
    bounds = (_known(parse_duration(shown_low)), _known(parse_duration(shown_high)), shown_low, shown_high)

    def check(findings: Findings, path: str, value: Any) -> Any:
        seconds = parse_duration(value)
        if seconds is None:
            return _wrong(findings, path, value, "a duration", "write it like 250ms, 1s, 5m, 2h or 1d")
        return _within(findings, path, seconds, bounds)

    return check


def _size(shown_low: str, shown_high: str) -> Check:
    bounds = (_known(parse_size(shown_low)), _known(parse_size(shown_high)), shown_low, shown_high)

    def check(findings: Findings, path: str, value: Any) -> Any:
        size = parse_size(value)
        if size is None:
            return _wrong(findings, path, value, "a size", "write it like 512KB, 256MB or 2GB")
        return _within(findings, path, size, bounds)

    return check


def _within(findings: Findings, path: str, value: float, bounds: tuple[float, float, str, str]) -> Any:
    low, high, shown_low, shown_high = bounds
    if low <= value <= high:
        return value
    findings.error(path, "range", f"It must be between {shown_low} and {shown_high}")
    return NOTHING


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _texts(findings: Findings, path: str, value: Any) -> Any:
    """One text or a list of different ones."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        return _wrong(findings, path, value, "text or a list of texts")
    before = len(findings.found)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            _wrong(findings, join(path, index), item, "text")
        elif item in value[:index]:
            findings.error(join(path, index), "repeated", f"`{clipped(item)}` is listed twice", "remove one")
    return tuple(value) if len(findings.found) == before else NOTHING


def _values(findings: Findings, path: str, value: Any) -> Any:
    return value if isinstance(value, dict) else _wrong(findings, path, value, "a mapping of field names to values")


def _version(findings: Findings, path: str, value: Any) -> Any:
    """How a step names a component version."""
    selector = _selector(value)
    if selector is not None:
        return selector
    shown = clipped(str(value)) if isinstance(value, (str, int, float)) else _kind(value)
    message = f"`{shown}` is not `latest`, a revision number or a semantic version"
    findings.error(path, "version", message, "write `latest`, a number such as 3, or a version such as 1.4.0")
    return NOTHING


def _selector(value: Any) -> Selector | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 1 else None
    if not isinstance(value, str):
        return None
    if value == "latest" or (_SEMANTIC.fullmatch(value) and len(value) <= 128):
        return value
    return int(value) if re.fullmatch(r"[1-9][0-9]{0,8}", value, re.ASCII) else None


def _offer(findings: Findings, path: str, value: Any) -> Any:
    match = _OFFER.fullmatch(value) if isinstance(value, str) else None
    if match:
        return match[1], match[2]
    suggestion = "write <component>/<trigger or action>, such as `webhook/receive`"
    shown = clipped(value) if isinstance(value, str) else _kind(value)
    findings.error(path, "offer", f"`{shown}` does not name a component and what it offers", suggestion)
    return NOTHING


# Groups of keys


def _retry(findings: Findings, path: str, value: Any) -> Any:
    given = _group(findings, path, value, RETRY_KEYS)
    return given if given is NOTHING else Retry(**given)


def _journal(findings: Findings, path: str, value: Any) -> Any:
    given = _group(findings, path, value, JOURNAL_KEYS)
    return given if given is NOTHING else Journal(**given)


def _paths(findings: Findings, path: str, value: Any) -> Any:
    return _group(findings, path, value, PATHS_KEYS)


def _steps(findings: Findings, path: str, value: Any) -> Any:
    if not isinstance(value, list):
        return _wrong(findings, path, value, "a list of steps", "start each step with `- id:`")
    if len(value) > MAX_STEPS:
        findings.error(path, "too-many-steps", f"A flow has at most {MAX_STEPS} steps, this one has {len(value):,}")
        return NOTHING
    return tuple(_step(findings, join(path, index), item) for index, item in enumerate(value))


_KINDS: tuple[Literal["trigger", "action"], ...] = ("trigger", "action")


def _step(findings: Findings, path: str, value: Any) -> Any:
    given = _group(findings, path, value, STEP_KEYS, required=("id",))
    if not isinstance(value, dict):
        return NOTHING
    kinds = [kind for kind in _KINDS if value.get(kind) is not None]
    if not kinds:
        suggestion = "add `action: <component>/<name>`, or `trigger:` for the first step"
        findings.error(join(path, "action"), "missing", "A step needs a trigger or an action", suggestion)
    if len(kinds) == 2:
        findings.error(join(path, "action"), "both", "A step is a trigger or an action, not both", "make two steps")
    if given is NOTHING or len(kinds) != 1:
        return NOTHING
    component, function = given.pop(kinds[0])
    return Step(kind=kinds[0], component=component, function=function, **given.pop("paths", {}), **given)


RETRY_KEYS: Mapping[str, Check] = {
    "attempts": _number(1, 1000, whole=True),
    "first": _duration("0s", "366d"),
    "factor": _number(1, 100, whole=False),
    "max": _duration("0s", "366d"),
}
JOURNAL_KEYS: Mapping[str, Check] = {
    "max_bytes": _size("1MB", "1048576GB"),
    "keep": _duration("0s", "3660d"),
}
PATHS_KEYS: Mapping[str, Check] = {"read": _texts, "write": _texts}
STEP_KEYS: Mapping[str, Check] = {
    "id": _name,
    "trigger": _offer,
    "action": _offer,
    "disabled": _truth,
    "version": _version,
    "name": _text,
    "note": _text,
    "credential": _text,
    "fields": _values,
    "after": _texts,
    "when": _expression,
    "input": _expression,
    "concurrency": _number(1, 1000, whole=True),
    "order": _choice("relaxed", "strict"),
    "retry": _retry,
    "timeout": _duration("1ms", "366d"),
    "poll_interval": _duration("1ms", "366d"),
    "quiet_after": _duration("1ms", "366d"),
    "call_max": _duration("1ms", "366d"),
    "queue_limit": _number(1, 10_000_000, whole=True),
    "memory": _size("16MB", "16384GB"),
    "paths": _paths,
    "reply": _choice("none", "wait"),
    "log_level": _choice("trace", "debug", "info", "warn", "error", "fatal"),
}
FLOW_KEYS: Mapping[str, Check] = {
    "flow": _name,
    "type": _choice("real-time", "ordinary"),
    "title": _text,
    "description": _text,
    "redeploy": _choice("manual", "on-push"),
    "leak_guard": _choice("warn", "stop"),
    "journal": _journal,
    "steps": _steps,
}

_OTHER_WORDS = {
    "mapping": "input",
    "mapper": "input",
    "transform": "input",
    "condition": "when",
    "if": "when",
    "depends_on": "after",
    "needs": "after",
    "from": "after",
    "config": "fields",
    "params": "fields",
    "with": "fields",
    "credentials": "credential",
    "uses": "action",
    "component": "action",
    "parallel": "concurrency",
    "interval": "poll_interval",
    "nodes": "steps",
    "name": "flow",
}
"""What people coming from elsewhere write, and the key that means it here."""


def _group(
    findings: Findings, path: str, value: Any, keys: Mapping[str, Check], *, required: tuple[str, ...] = ()
) -> Any:
    """The checked members of a mapping, or `NOTHING` when there is any problem in it."""
    if not isinstance(value, dict):
        return _wrong(findings, path, value, "a mapping", f"known keys: {', '.join(keys)}")
    before = len(findings.found)
    given = _members(findings, path, value, keys, required=required)
    return given if len(findings.found) == before else NOTHING


def _members(
    findings: Findings, path: str, value: dict[str, Any], keys: Mapping[str, Check], *, required: tuple[str, ...]
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, item in value.items():
        if key not in keys:
            _unknown(findings, join(path, key), key, keys)
        elif item is not None:
            given[key] = keys[key](findings, join(path, key), item)
    for key in required:
        if key not in given:
            findings.error(join(path, key), "missing", f"`{key}` is missing", f"add `{key}:`")
    return given


def _unknown(findings: Findings, path: str, key: str, keys: Mapping[str, Check]) -> None:
    foreign = {word: meant for word, meant in _OTHER_WORDS.items() if meant in keys}
    suggestion = nearest(key, (*keys, *foreign), f"known keys: {', '.join(keys)}")
    for word, meant in foreign.items():
        suggestion = suggestion.replace(f"`{word}`", f"`{meant}`")
    findings.error(path, "unknown-key", f"There is no key `{clipped(key)}` here", suggestion)


def _wrong(findings: Findings, path: str, value: Any, expected: str, suggestion: str = "") -> Any:
    shown = f"`{clipped(value)}`" if isinstance(value, str) else _kind(value)
    findings.error(path, "type", f"Expected {expected}, found {shown}", suggestion)
    return NOTHING


def _kind(value: Any) -> str:
    """A JSON value in a person's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"
