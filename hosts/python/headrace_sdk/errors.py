"""What goes wrong between a component and the platform.

Exception
├── AttachmentError  a file could not be read or stored
├── EmitError        the platform did not accept an emission
├── BodyError        a value cannot be sent: it is not JSON, or too large
└── Rebound          raised by a component: try this message again later
"""

from __future__ import annotations

__all__ = ["AttachmentError", "BodyError", "EmitError", "Rebound"]


class _Told(Exception):
    """With a ``reason``, a short fixed word, and a message."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


class EmitError(_Told):
    """The platform did not accept an emission; ``reason`` is a short fixed word such as ``call-ended``."""


class AttachmentError(_Told):
    """A file could not be read or stored; ``reason`` is the store's own word, or ``unreachable`` and the like."""


class BodyError(ValueError):
    """A value cannot be sent. The text names the offending type and the path to it."""


class Rebound(Exception):
    """Raise it to have the message tried again later. What the call emitted so far stays emitted."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
