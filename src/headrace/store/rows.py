"""From rows to values: a dataclass whose field names are column names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Table

__all__ = ["columns"]


def columns(table: Table, value: type[Any], **computed: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """What to select for ``value(*row)``: the column of each field's name, or the expression in ``computed``."""
    return [computed[f.name] if f.name in computed else table.c[f.name] for f in fields(value)]
