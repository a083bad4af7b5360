"""One message on its way through a step, and one call of component code for it."""

from __future__ import annotations

from headrace.bus.message import Failure, Message
from headrace.worker.output import Outputs

__all__ = ["Call", "Held"]


class Held:
    """A message delivered by the broker and not acknowledged yet."""

    __slots__ = ("bodies", "data", "due", "fresh", "key", "message", "most", "reply", "stored_us")

    def __init__(self, key: int, reply: str, data: bytes, stored_us: int, due: str) -> None:
        self.key = key
        """Sequence number in the journal; negative: minus the number in the stream of delayed messages."""
        self.reply = reply
        """Where the acknowledgement goes."""
        self.data = data
        self.stored_us = stored_us
        self.due = due
        """Subject of a delayed message; empty for others."""
        self.message: Message | None = None
        self.bodies: dict[str, bytes] | None = None
        """Large bodies, from their reading until the message is taken."""
        self.begin_attempt()

    def begin_attempt(self) -> None:
        """Forget what was emitted for it."""
        self.fresh: set[str] | None = None
        """Ids of outputs that a repeated attempt was the first to store."""
        self.most = 0
        """Outputs of the host that got furthest with it before it died."""


class Call:
    """What is known of a message while the step works on it."""

    __slots__ = (
        "cancelled",
        "dropped",
        "emitted",
        "ended",
        "failure",
        "foreign",
        "heavy",
        "held",
        "map_us",
        "message",
        "number",
        "outputs",
        "rebound",
        "started",
        "unconfirmed",
        "us",
        "wait_us",
    )

    def __init__(self, held: Held, message: Message, wait_us: int) -> None:
        self.held = held
        self.message = message
        self.wait_us = wait_us
        self.map_us = -1
        self.number = 0
        self.started = 0.0
        """Loop time at which the host may have begun it; 0 while it waits behind others."""
        self.heavy = False
        """The host has a large body to hold for it."""
        self.emitted: Outputs | None = None
        self.outputs = 0
        """Outputs that are in the journal because of this attempt."""
        self.unconfirmed = 0
        """Emissions that the journal has not confirmed yet."""
        self.ended = False
        self.dropped = False
        """Its host died; the message has gone back to the queue."""
        self.cancelled = False
        self.foreign = False
        """The journal takes nothing more from this deployment: the message is for another one to process."""
        self.failure: Failure | None = None
        self.rebound = ""
        self.us = 0
