"""The envelope: the JSON form of a message in the journal."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["ErrorEntry", "Failure", "Large", "Message", "Output", "decode", "encode"]


class Large(msgspec.Struct, frozen=True):
    """A body that is in the object store; the one in the envelope is ``null`` then."""

    object: str
    size: int
    """Bytes of its JSON."""


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An earlier step's output, as ``$steps.<id>`` sees it."""

    body: msgspec.Raw
    large: Large | None = None
    headers: dict[str, Any] = {}
    attachments: dict[str, Any] = {}


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message. ``body`` stays undecoded JSON wherever nobody needs to look inside."""

    id: str
    execution: str
    step: str
    """The step that emitted it (for an inbox message: the step it is for)."""
    body: msgspec.Raw
    large: Large | None = None
    at: int
    """Milliseconds since the epoch when the event that caused it was accepted."""
    parent: str | None = None
    """Id of the message whose processing emitted this one."""
    stage: Literal["raw", "mapped"] = "raw"
    """``mapped``: the body already is the step's input; its mapper and condition are not applied again."""
    headers: dict[str, Any] = {}
    attachments: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    """What a component says about its message, handed on to the next one as it is."""
    to: str = ""
    """The one of the steps that come after which is to process it; empty: all of them."""
    only: tuple[str, ...] | None = None
    """The steps that may process it and what it causes, in a test; `None`: all."""
    passthrough: dict[str, Output] = {}
    attempt: int = 1
    rerun_of: str | None = None
    reply_to: str | None = None
    """Subject on which a caller waits for ``httpReply``."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, in the component's own words; ``stack`` is its traceback.

    ``reason`` is one of ``exception``, ``timeout``, ``mapping``, ``condition``, ``poison``, ``too-large``,
    ``body-missing``, ``rebound-limit``, ``no-successor``, ``not-carried``.
    """

    name: str
    message: str
    stack: str = ""
    reason: str = "exception"


class ErrorEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored under ``….errors``: the failed message and why it failed."""

    id: str
    """Id of the error, derived from message, step and attempt: the same failure stored twice has one id."""
    message: Message
    step: str
    failure: Failure
    at: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode(message: Message | ErrorEntry) -> bytes:
    """JSON bytes of an envelope."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """The envelope in ``data``; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return _decoder.decode(data)
