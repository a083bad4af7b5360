"""Durations and sizes as people write them: ``250ms``, ``5m``, ``256MB``."""

from __future__ import annotations

import math
import re

__all__ = ["format_duration", "format_size", "parse_duration", "parse_size"]

_DURATIONS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_SIZES = {"GB": 1 << 30, "MB": 1 << 20, "KB": 1 << 10, "B": 1}
_DIGITS = 10**15
_WRITTEN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)", re.ASCII)


def parse_duration(value: object) -> float | None:
    """Seconds in ``250ms``, ``1s``, ``5m``, ``2h``, ``1d`` or a plain number; `None` when it is none of these."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 <= value <= 1e15 and math.isfinite(value) else None
    number, unit = _split(value)
    if unit == "ms":
        return number / 1000
    factor = _DURATIONS.get(unit)
    return None if factor is None else number * factor


def parse_size(value: object) -> int | None:
    """Bytes in ``512KB``, ``256MB``, ``2GB`` (units of 1024; ``MiB`` means the same) or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    number, unit = _split(value)
    factor = _SIZES.get(unit.upper().replace("IB", "B"))
    return None if factor is None else round(number * factor)


def format_duration(seconds: float) -> str | float:
    """The shortest spelling that `parse_duration` reads back exactly."""
    for unit, factor in _DURATIONS.items():
        count = seconds / factor
        if count == int(count) and 1 <= count < _DIGITS:
            return f"{int(count)}{unit}"
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if 0 < milliseconds < _DIGITS and milliseconds / 1000 == seconds else seconds


def format_size(size: int) -> str | int:
    """The shortest spelling that `parse_size` reads back exactly."""
    for unit, factor in _SIZES.items():
        if unit != "B" and size and size % factor == 0:
            return f"{size // factor}{unit}"
    return size


def _split(value: object) -> tuple[float, str]:
    match = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    return (float(match[1]), match[2]) if match else (0.0, "")
