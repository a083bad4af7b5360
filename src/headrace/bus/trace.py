"""Facts: what workers (and the server, for webhook requests) tell the recorder, in small batches.

An execution's number of open messages is the sum of ``opened`` over its facts; it has ended when that is 0. Facts
may arrive in any order; the recorder applies each batch exactly once, by its stream sequence.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Batch", "Fact", "FactKind", "LogLine", "decode_batch", "encode_batch"]

FactKind = Literal["accepted", "emitted", "done", "skipped", "failed", "delayed"]


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened to one message at one step.

    accepted  an event reached the trigger's inbox (webhook, rerun); ``opened`` = 1
    emitted   the trigger emitted an event of its own accord; ``opened`` = number of successors
    done      a step processed a message; ``opened`` = outputs x successors - 1
    skipped   the step's condition was false; ``opened`` = -1
    failed    an error record was stored; ``opened`` = -1 (plus outputs emitted before x successors)
    delayed   the message waits for its next attempt; ``opened`` = outputs x successors, for they stay

    Outputs count once: those that an attempt repeats are counted by the one before.
    """

    kind: FactKind
    execution: str
    step: str
    message: str
    """Id of the processed message; for ``emitted`` the id of the emitted one."""
    parent: str
    """Id of the message whose processing emitted ``message``; empty for events."""
    at: int
    """When it happened, microseconds since the epoch."""
    opened: int
    seq: int = 0
    """Where the processed (or emitted) message is in the journal; 0: nowhere."""
    outputs: int = 0
    wait_us: int = 0
    """Time in the queue before this step took it."""
    map_us: int = -1
    """Time of the mapper (with the condition) before the step; -1: the step has none."""
    call_us: int = 0
    """Time in the component's code."""
    attempt: int = 1
    error: str = ""
    """``failed``: id of the error entry; ``delayed``: the reason."""
    until: int = 0
    """``delayed``: when the next attempt is due, milliseconds since the epoch."""
    rerun_of: str = ""


class Batch(msgspec.Struct, frozen=True):
    """What one trace message holds."""

    flow_id: str
    epoch: int
    version: int
    facts: list[Fact]


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a step's log, as stored in the stream LOGS."""

    at: int
    """Milliseconds since the epoch."""
    step: str
    level: Literal["trace", "debug", "info", "warn", "error", "fatal"]
    text: str
    source: Literal["logger", "stdout", "stderr", "platform"] = "logger"
    epoch: int = 0
    execution: str = ""
    message: str = ""
    fields: dict[str, object] = {}


_batch_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """MessagePack bytes."""
    return _batch_encoder.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """The batch in ``data``; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return _batch_decoder.decode(data)
