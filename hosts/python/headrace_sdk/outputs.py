"""What a returned value means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace_sdk.errors import BodyError
from headrace_sdk.message import Message

__all__ = ["outputs"]


def outputs(returned: Any) -> Sequence[Any]:
    """The bodies and Messages that ``returned`` stands for.

    `None` is nothing; a list or tuple of `Message` is one each; everything else, an empty list too, is one body.
    Raises `BodyError` for a list that mixes Messages with other things.
    """
    if returned is None:
        return ()
    if isinstance(returned, list | tuple):
        messages = sum(isinstance(item, Message) for item in returned)
        if messages == len(returned) and messages:
            return returned
        if messages:
            odd = next(i for i, item in enumerate(returned) if not isinstance(item, Message))
            raise BodyError(
                f"a returned list holds Messages only, or none: item {odd} is {type(returned[odd]).__name__};"
                " wrap it in Message(…)"
            )
    return (returned,)
