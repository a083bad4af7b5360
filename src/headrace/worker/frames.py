"""Frames of the host protocol, as the worker reads and writes them (see ``protocol/README.md``)."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["NULL", "Frame", "HostError", "Lines", "call_frame", "decode", "emitted_frame", "encode", "hook_frame"]

NULL = msgspec.Raw(b"null")
LARGEST = 64 * 1024 * 1024
"""Bytes of the longest frame either side may send."""


class HostError(msgspec.Struct, frozen=True):
    """An exception in component code."""

    name: str = "Error"
    message: str = ""
    stack: str = ""


class Frame(msgspec.Struct, frozen=True):
    """Any frame a host sends; keys that do not belong to its type keep their defaults."""

    type: str
    call: int = 0
    emit: int = 0
    event: str = ""
    confirm: bool = True
    """``emit``: whether the component waits for the answer."""
    body: msgspec.Raw = NULL
    headers: dict[str, Any] = {}
    attachments: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    id: str | int | None = None
    error: HostError | None = None
    reason: str = ""
    value: msgspec.Raw = NULL
    patch: msgspec.Raw = NULL
    keys: dict[str, Any] = {}
    status: int = 200
    us: int = 0
    result: msgspec.Raw = NULL
    level: str = "info"
    text: str = ""
    fields: dict[str, Any] = {}
    open: dict[str, int] = {}
    shape: str = "process"
    hooks: list[str] = []
    hook: str = ""


decode = msgspec.json.Decoder(Frame).decode
encode = msgspec.json.Encoder().encode


def call_frame(
    call: int,
    *,
    shape: str,
    execution: str,
    attempt: int,
    msg: bytes,
    cfg: bytes,
    snapshot: bytes,
) -> bytes:
    """A ``call`` line; ``msg``, ``cfg`` and ``snapshot`` are JSON already."""
    return b'{"type":"call","call":%d,"shape":"%b","execution":"%b","attempt":%d,"msg":%b,"cfg":%b,"snapshot":%b}\n' % (
        call,
        shape.encode(),
        execution.encode(),
        attempt,
        msg,
        cfg,
        snapshot,
    )


def hook_frame(call: int, name: str, cfg: dict[str, Any], data: bytes) -> bytes:
    """A ``hook`` line; ``data`` is JSON already."""
    return encode({"type": "hook", "call": call, "hook": name, "cfg": cfg, "data": msgspec.Raw(data)}) + b"\n"


def emitted_frame(call: int, emit: int, reason: str = "", message: str = "") -> bytes:
    """An ``emitted`` line: durable, or refused for ``reason``."""
    if not reason:
        return b'{"type":"emitted","call":%d,"emit":%d,"ok":true}\n' % (call, emit)
    error = {"reason": reason, "message": message}
    return encode({"type": "emitted", "call": call, "emit": emit, "ok": False, "error": error}) + b"\n"


class Lines:
    """Joins chunks of a stream and cuts them into lines. Linear in the bytes fed, however they are cut."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends. `ValueError` for one over `LARGEST`."""
        head, found, tail = data.rpartition(b"\n")
        if not found:
            self._parts.append(data)
            self._size += len(data)
            if self._size > LARGEST:
                raise ValueError(f"a frame is longer than {LARGEST} bytes")
            return []
        if self._parts:
            head = b"".join(self._parts) + head
        self._parts = [tail] if tail else []
        self._size = len(tail)
        return head.split(b"\n")
