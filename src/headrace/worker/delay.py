"""Messages that wait for a later attempt: stored with a schedule, handed back by the broker when it is time.

They live in one stream of their own (the broker does not allow schedules in a stream that refuses new messages when
full, as journals do), keep the epoch they were delayed under, and go to whatever deployment is live when they are due.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Bus, Done
from headrace.bus.message import Message
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import derived_id

__all__ = ["Delays"]


class Delays:
    """The delayed messages of one deployment."""

    def __init__(self, bus: Bus, spec: DeploymentSpec) -> None:
        self._bus = bus
        self._flow_id = spec.flow_id
        self._epoch = spec.epoch

    def schedule(self, step: str, message: Message, until: int, done: Done) -> None:
        """Store ``message`` for its next attempt at ``until`` (milliseconds since the epoch). Waits for room."""
        again = msgspec.structs.replace(message, attempt=message.attempt + 1)
        token = derived_id(message.id, step, str(again.attempt))
        moment = datetime.fromtimestamp(until / 1000, UTC).isoformat(timespec="milliseconds")
        self._bus.store_nowait(
            subjects.delay(self._flow_id, self._epoch, step, token),
            envelope.encode(again),
            done,
            msg_id=token,
            wait=True,
            headers={
                "Nats-Schedule": f"@at {moment.replace('+00:00', 'Z')}",
                "Nats-Schedule-Target": subjects.due(self._flow_id, self._epoch, step, token),
            },
        )

    def forget(self, reply: str) -> None:
        """Delete the due message that is acknowledged at ``reply``, so that a lost request costs room only.

        By its number, not by a purge of its subject: when that meets the acknowledgement, the broker (2.15) takes all
        older messages for acknowledged, and never hands out again what a worker that was killed had held.
        """
        request = json.dumps({"seq": int(reply.split(".")[5]), "no_erase": True}).encode()
        self._bus.publish(f"$JS.API.STREAM.MSG.DELETE.{subjects.DELAYS}", request)
