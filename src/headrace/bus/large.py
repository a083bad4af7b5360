"""Large bodies: which of them leave an envelope for the object store, and how they come back. Pure.

    emitted ──▶ encode ──▶ over the limit? ──shed──▶ objects stored ──▶ envelope with references stored
    taken   ──▶ decode ──▶ references?    ──lacking──▶ objects read  ──▶ whole message: mapped, given to the host

A message's own body is called ``""`` here, a carried one by its step. What is kept anywhere, and carried on, is always
the message with its references; the whole one lives from its reading to the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.bus import message as envelope
from headrace.bus.message import Large, Message, Output
from headrace.bus.objects import new_object_id

__all__ = ["Body", "lacking", "shed", "whole"]

SMALLEST = 16 * 1024
"""Bytes of a body below which an object of its own would be no relief."""
NOTHING = msgspec.Raw(b"null")


class Body(msgspec.Struct, frozen=True):
    """A body on its way into the object store."""

    object: str
    data: msgspec.Raw


def shed(message: Message, limit: int) -> tuple[bytes, tuple[Body, ...]]:
    """The envelope of ``message``, and the bodies that left it so that it has at most ``limit`` bytes.

    The largest go first. An envelope of many small parts may stay larger.
    """
    present = sorted(_present(message).items(), key=_by_size, reverse=True)
    # What is over the limit by itself has to leave in any case: it is not encoded first.
    left = {part: Body(new_object_id(), body) for part, body in present if _size(body) > max(limit, SMALLEST)}
    data = envelope.encode(_lightened(message, left) if left else message)
    over = len(data) - limit
    if over > 0:
        for part, body in present[len(left) :]:
            if over <= 0 or _size(body) < SMALLEST:
                break
            left[part] = Body(new_object_id(), body)
            over -= _size(body)
        data = envelope.encode(_lightened(message, left))
    return data, tuple(left.values())


def _size(body: msgspec.Raw) -> int:
    return len(memoryview(body))


def _by_size(item: tuple[str, msgspec.Raw]) -> int:
    return _size(item[1])


def _present(message: Message) -> dict[str, msgspec.Raw]:
    """The bodies that are in the envelope."""
    bodies = {step: output.body for step, output in message.passthrough.items() if output.large is None}
    return bodies if message.large is not None else {"": message.body, **bodies}


def _lightened(message: Message, left: Mapping[str, Body]) -> Message:
    changes: dict[str, Any] = {"passthrough": dict(message.passthrough)}
    for part, body in left.items():
        outside = {"body": NOTHING, "large": Large(body.object, _size(body.data))}
        if part:
            changes["passthrough"][part] = msgspec.structs.replace(message.passthrough[part], **outside)
        else:
            changes |= outside
    return msgspec.structs.replace(message, **changes)


def lacking(message: Message) -> list[Large]:
    """The bodies that are not in the envelope."""
    found = [output.large for output in message.passthrough.values() if output.large is not None]
    return found if message.large is None else [message.large, *found]


def whole(message: Message, bodies: Mapping[str, bytes]) -> Message:
    """The message with the bodies it lacks, which ``bodies`` has by object id."""
    changes: dict[str, Any] = {}
    if message.large is not None:
        changes = {"body": msgspec.Raw(bodies[message.large.object]), "large": None}
    passthrough = {step: _whole(output, bodies) for step, output in message.passthrough.items()}
    return msgspec.structs.replace(message, passthrough=passthrough, **changes)


def _whole(output: Output, bodies: Mapping[str, bytes]) -> Output:
    if output.large is None:
        return output
    return msgspec.structs.replace(output, body=msgspec.Raw(bodies[output.large.object]), large=None)
