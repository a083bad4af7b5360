"""What a Headrace component imports: types for its functions, messages, and the errors it may meet or raise.

    from headrace_sdk import Context, Message


    async def process(ctx: Context, msg: Message, cfg: dict, snapshot: dict):
        yield {"order": msg.body["id"]}

Nothing here needs a running host: a component's own tests use `headrace_sdk.testing`.
"""

from __future__ import annotations

from headrace_sdk.context import Context, Emission
from headrace_sdk.errors import AttachmentError, BodyError, EmitError, Rebound
from headrace_sdk.logger import Logger
from headrace_sdk.message import Message

__all__ = [
    "AttachmentError",
    "BodyError",
    "Context",
    "Emission",
    "EmitError",
    "Logger",
    "Message",
    "Rebound",
    "__version__",
]

__version__ = "0.1.0"
