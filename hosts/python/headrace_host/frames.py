"""Frames: one JSON object per line."""

from __future__ import annotations

from collections.abc import Callable
from json.decoder import JSONDecoder
from typing import Any

from headrace_sdk.encoding import LARGEST, to_json

__all__ = ["LARGEST", "FrameError", "Splitter", "frame", "parse"]


class FrameError(Exception):
    """The other side sent something that is not a frame."""


class Splitter:
    """Cuts a byte stream into lines, however it arrives."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their newline. Raises `FrameError` beyond `LARGEST`."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._pieces:
            self._pieces.append(lines[0])
            lines[0] = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
        if self._size > LARGEST or any(len(line) > LARGEST for line in lines):
            raise FrameError(f"a frame is larger than {LARGEST} bytes")
        return lines


_scan: Callable[[str, int], tuple[Any, int]] = JSONDecoder().scan_once  # type: ignore[attr-defined]


def parse(line: bytes) -> dict[str, Any]:
    """The frame on ``line``. Raises `FrameError`."""
    try:
        text = line.decode()
        value, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError) as problem:
        raise FrameError(f"not a frame: {type(problem).__name__}: {problem}: {line[:200]!r}") from None
    if type(value) is not dict or text[end:].strip():
        raise FrameError(f"not one JSON object: {line[:200]!r}")
    return value


def frame(**keys: object) -> bytes:
    """A whole frame; keys that are `None` are left out. For the rarer frames: the hot ones are put together by hand."""
    return to_json({key: value for key, value in keys.items() if value is not None}, "frame") + b"\n"
