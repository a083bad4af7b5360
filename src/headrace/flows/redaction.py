"""Taking secrets out of what is written to logs. Pure.

What a component prints is its own affair, but where a value of its credential is in there, the value's name stands in
its place. Values are found as they are, as JSON writes them and as URLs do; not when a component has changed them
(Base64, a part of it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["Redaction"]

SHORTEST, SHORTEST_NAMED = 6, 3
"""Characters a value must have to count; fewer would take common words out of every line. Less where the name of the
field says that it is one."""
SECRET = re.compile(r"pass|pwd|secret|token|key|auth|pin\b", re.IGNORECASE)
HARMLESS = frozenset({"token_type", "scope", "type", "expires_in", "_account"})
"""Parts of tokens that are no secrets."""
MOST = 1000
"""Values remembered: old ones, too, which may still be good."""


class Redaction:
    """The secrets of one component."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._names: dict[str, str] = {}
        self._found: re.Pattern[str] | None = None
        if values is not None:
            self.learn(values)

    def learn(self, values: Mapping[str, Any]) -> None:
        """Take these values out as well, from now on."""
        for path, text in _texts("", values):
            for form in _forms(text):
                self._names.pop(form, None)
                self._names[form] = path
        for oldest in list(self._names)[: -MOST or None]:
            del self._names[oldest]
        longest_first = sorted(self._names, key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._found is None:
            return text
        return self._found.sub(lambda found: f"[{self._names[found[0]]}]", text)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets, in keys neither."""
        if self._found is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every secret text within ``value``, with the name it goes by."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key not in HARMLESS:
                yield from _texts(f"{path}.{key}" if path else str(key), each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(path, each)
    elif isinstance(value, str) and not _is_address(value):
        least = SHORTEST_NAMED if SECRET.search(path) else SHORTEST
        pieces = {value.strip(), *(line.strip() for line in value.splitlines())}
        yield from ((path, piece) for piece in pieces if len(piece) >= least)


def _is_address(text: str) -> bool:
    """A URL that says nothing but where something is."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and not (parts.username or parts.password or parts.query)
    except ValueError:
        return False


def _forms(text: str) -> set[str]:
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote(text, safe="")}
