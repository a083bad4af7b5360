"""JSONata expressions: the input mapping and the condition of a step.

A thin adapter over `jlens`. The engine, its limits and the wording of its errors are decided here, once, for the
worker, for lint and for previews. Nothing heavy is imported: every worker imports this module.

An expression sees the incoming message as ``body``, ``headers`` and ``attachments``, and earlier outputs of the same
execution as ``$steps.<id>.body`` (and ``.headers``, ``.attachments``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jlens
import msgspec

from headrace.errors import HeadraceError

__all__ = ["DEPTH", "EMPTY_BODY", "ITEMS", "RESULT_BYTES", "TIMEOUT", "Expression", "MappingError"]

EMPTY_BODY = b"{}"
"""The body a step receives when its mapping finds nothing (the result is undefined)."""

TIMEOUT = 1.0
"""Seconds one evaluation may take. The limits cost 0.1 µs together."""
DEPTH = 500
"""Calls within calls, so a recursive function without an end is an error, not a crash."""
RESULT_BYTES = 16 * 1024 * 1024
"""Above any message limit, so that an ordinary message too large is reported as such by the worker."""
ITEMS = 1_000_000
"""Items in one array."""

_LIMITS: dict[str, Any] = {
    "timeout": TIMEOUT,
    "max_depth": DEPTH,
    "max_result_size": RESULT_BYTES,
    "max_string_length": RESULT_BYTES,
    "max_array_length": ITEMS,
}
_FALSE = (None, "false", "null")
_decode = msgspec.json.decode


_CURES = {
    "S0101": "Close the text with the quote it begins with.",
    "S0105": "Close the name with a backquote.",
    "S0106": "End the comment with */.",
    "S0201": "Something stands here that cannot follow what is before it: an operator or a comma may be missing.",
    "S0202": "Write what is expected here, or take away what is too much.",
    "S0203": "Something that was opened is not closed: ) ] } or a quote.",
    "S0207": "The expression ends too early: write what is missing, or close what was opened.",
    "S0211": "Put a value before it.",
    "T0410": "Give the function what it takes: the designer shows it while you type.",
    "T0411": "Give the function what it takes: the designer shows it while you type.",
    "T0412": "Give it a list of one kind; $map(…, $number) makes numbers of texts.",
    "T1005": "Write a $ before the name of the function.",
    "T1006": "There is no such function: see how its name is written.",
    "T2001": "$number(…) makes a number of text; $exists(…) tells whether there is a value.",
    "T2002": "$number(…) makes a number of text; $exists(…) tells whether there is a value.",
    "D3030": "Check the text before: $match(value, /^[0-9.]+$/).",
}
"""By JSONata's code, what people do about it."""


class MappingError(HeadraceError):
    """The expression does not compile or cannot be evaluated on this message."""

    status = 422

    def __init__(self, code: str, message: str, position: int | None = None, *, part: str = "") -> None:
        self.code = code
        """JSONata's error code such as ``T2001``; ``input`` when the message itself cannot be read."""
        self.position = position
        """Where in the expression, in characters from 0; `None` when no place is to blame."""
        self.part = part
        """The piece of the expression the error is about."""
        self.cure = _CURES.get(code, "")
        """What to do, where that can be said."""
        super().__init__("mapping", message)


class Expression:
    """A compiled expression; evaluates from any thread, as often as you like."""

    __slots__ = (
        "_expression",
        "fields",
        "output_fields",
        "reads",
        "reads_steps",
        "references",
        "source",
        "variables",
    )

    def __init__(self, source: str) -> None:
        """Compile ``source``; raises `MappingError` naming the place when it is not JSONata."""
        self.source = source
        self._expression = _compiled(source)
        reads = self._expression.reads()
        self.reads: Mapping[str, Any] = reads
        """What it reads, as far as the engine can tell: ``input`` and ``bindings`` as trees whose leaves are `True`."""
        bindings = reads["bindings"]
        steps = bindings.get("steps", {})
        everything = "everyBinding" in reads
        whole = reads.get("input", {})
        self.reads_steps: bool = everything or "steps" in bindings
        """Whether `evaluate` needs ``steps`` at all."""
        self.references: frozenset[str] | None = None if everything or steps is True else frozenset(steps)
        """Ids of the steps whose outputs it reads; `None` when that cannot be told, so all are needed."""
        self.output_fields: Mapping[str, frozenset[str]] = _output_fields(steps)
        """Per step id what it reads of the output (``body``, …); without those it may read all of."""
        self.variables: frozenset[str] = frozenset(bindings) - {"steps"}
        """Names after ``$`` that it reads but nobody defines: most likely misspelt."""
        self.fields: frozenset[str] | None = None if whole is True else frozenset(whole)
        """What it reads of the message (``body``, …); `None` when it may read all of it."""

    def evaluate(self, context: bytes | str, steps: Mapping[str, Any] | None = None) -> bytes | None:
        """Apply it to a message and return the result as JSON; `None` when the result is undefined.

        ``context`` is JSON text ``{"body": …, "headers": …, "attachments": …}``; ``steps`` maps ids to the same three
        keys as Python values, and may be left out when `reads_steps` is false. Raises `MappingError`.
        """
        result = self._run(context, steps)
        return None if result is None else result.encode()

    def test(self, context: bytes | str, steps: Mapping[str, Any] | None = None) -> bool:
        """Whether the result counts as true in JSONata: it is not undefined, null, false, 0, "", {}, a function, or a
        list of nothing but such. Raises `MappingError`."""
        result = self._run(context, steps)
        return result == "true" or (result not in _FALSE and _true(_decode(result)))

    def _run(self, context: bytes | str, steps: Mapping[str, Any] | None) -> str | None:
        bindings = {"steps": steps or {}} if self.reads_steps else None
        try:
            text = context if isinstance(context, str) else str(context, "utf-8")
            return self._expression.evaluate_json(text, bindings, **_LIMITS)
        except (jlens.JlensError, ValueError, TypeError) as error:
            raise _explained(error, self.source) from None

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def _true(value: Any) -> bool:
    """JSONata's ``$boolean`` of a JSON value."""
    return any(map(_true, value)) if isinstance(value, list) else bool(value)


def _compiled(source: str) -> jlens.Expression:
    try:
        return jlens.Expression(source)
    except UnicodeEncodeError as error:
        raise MappingError("text", "The expression holds half of a surrogate pair", error.start) from None
    except jlens.JlensError as error:
        raise _explained(error, source) from None


def _output_fields(steps: Any) -> dict[str, frozenset[str]]:
    if steps is True:
        return {}
    return {step: frozenset(read) for step, read in steps.items() if read is not True}


def _explained(error: Exception, source: str) -> MappingError:
    """The engine's error in words: what is wrong, in which part, where."""
    if not isinstance(error, jlens.JlensError):
        return MappingError("input", _unreadable(str(error)))
    start, end = _span(error, len(source))
    part = _clipped(source[start:end]) if start is not None else ""
    message = " ".join(str(error).split()).rstrip(".")
    about = f", in `{part}`" if part and part not in message else ""
    place = "" if start is None else f"{_place(source, start)}, "
    return MappingError(error.code, f"{message}{about} ({place}{error.code})", start, part=part)


def _span(error: jlens.JlensError, length: int) -> tuple[int | None, int | None]:
    start = error.start if error.start is not None else error.position
    if start is None:
        return None, None
    end = error.end if error.end is not None else start
    return min(start, length), min(end, length)


def _place(source: str, offset: int) -> str:
    line = source.count("\n", 0, offset) + 1
    column = offset - (source.rfind("\n", 0, offset) + 1) + 1
    return f"line {line}, column {column}" if "\n" in source.strip() else f"column {column}"


def _clipped(text: str, limit: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _unreadable(why: str) -> str:
    if "recursion limit" in why:
        return "The message is nested too deeply for an expression (the limit is 128 levels)"
    return f"The message cannot be read: {why}"
