"""From rows to values, and from page to page."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Table

from headrace.errors import Invalid

__all__ = ["Cursor", "columns"]


def columns(table: Table, value: type[Any], **computed: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """What to select for ``value(*row)``: the column of each field's name, or the expression in ``computed``."""
    return [computed[f.name] if f.name in computed else table.c[f.name] for f in fields(value)]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of a list ordered by time and id ends. Its text is what callers hand back for the next page."""

    at: int
    id: str

    def __str__(self) -> str:
        return f"{self.at}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor written as ``text``; a bare time in milliseconds does, too. `Invalid` (``cursor``)."""
        at, _, id_ = text.partition(".")
        if not at.isdecimal():
            raise Invalid("cursor", f"{text!r} is not the `next` of an earlier page")
        return cls(int(at), id_)

    def pair(self) -> tuple[int, str]:
        return self.at, self.id
