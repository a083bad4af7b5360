"""What requests and answers have in common: the base models, names, moments in time, pages.

Requests refuse unknown keys. Answers carry times as `Moment` and lists as `Page`: ask again with ``cursor=<next>``
until ``next`` is null.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from headrace.errors import Invalid, Problem

__all__ = [
    "LATEST",
    "PATTERNS",
    "THING_ID",
    "Answer",
    "ComponentName",
    "CredentialName",
    "FlowName",
    "Json",
    "Moment",
    "Number",
    "Page",
    "Paging",
    "PagingOf",
    "Request",
    "StepName",
    "Text",
    "ThingId",
    "bad_cursor",
    "known_cursor",
    "paged",
]

Item = TypeVar("Item")

MOST = 1000
LATEST = 4102444800000
"""No moment given by a caller is later: the year 2100."""
DEEPEST = 120
"""Levels of a value; expressions read hardly more (128), and with what is around it."""
HALF = re.compile("[\ud800-\udfff]")
TIMED_CURSOR = re.compile(r"[0-9]{1,15}\.[0-9A-Za-z_-]{0,160}")


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("has a character that is not allowed in text: NUL or half a surrogate pair")
    return text


def _as_json(value: Any) -> Any:
    """Refuse what no message can say: Python reads more than JSON is."""
    level, deep = [value], 0
    while level:
        deep += 1
        if deep > DEEPEST:
            raise ValueError(f"is nested deeper than {DEEPEST} levels")
        for each in level:
            if isinstance(each, float) and not math.isfinite(each):
                raise ValueError("has a number that is too large, or is none")
            for text in each if isinstance(each, dict) else [each]:
                if isinstance(text, str) and HALF.search(text):
                    raise ValueError("has half a surrogate pair in a text")
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for some in inner for each in some]
    return value


FLOW_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
COMPONENT_NAME = r"^[a-z][a-z0-9-]{0,62}$"
CREDENTIAL_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
STEP_NAME = r"^[A-Za-z0-9_-]{1,64}$"
THING_ID = r"^[0-9A-Za-z_-]{1,160}$"
PATTERNS = {
    FLOW_NAME: "is no name of a flow: letters, digits, - and _, a letter first, at most 64",
    COMPONENT_NAME: "is no name of a component: lower-case letters, digits and -, a letter first, at most 63",
    CREDENTIAL_NAME: "is no name of a credential: letters, digits, -, _ and ., a letter first, at most 64",
    STEP_NAME: "is no id of a step: letters, digits, - and _, at most 64",
    THING_ID: "is no id: letters, digits, - and _",
}
"""What is wrong with text that does not match, in words."""

Moment = Annotated[int, Field(description="Milliseconds since the epoch.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
FlowName = Annotated[str, Field(pattern=FLOW_NAME, description="Letters, digits, `-` and `_`.")]
ComponentName = Annotated[str, Field(pattern=COMPONENT_NAME, description="Lower-case letters, digits and `-`.")]
CredentialName = Annotated[str, Field(pattern=CREDENTIAL_NAME, description="Letters, digits, `-`, `_` and `.`.")]
StepName = Annotated[str, Field(pattern=STEP_NAME, description="The id of a step.")]
ThingId = Annotated[str, Field(pattern=THING_ID, description="An id.")]
Text = Annotated[str, AfterValidator(_storable)]
"""Text that every database takes."""
Json = Annotated[Any, AfterValidator(_as_json)]
"""A value that a message can say, and expressions can read."""


class Request(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What the server sends."""

    model_config = ConfigDict(extra="forbid")


class Page(Answer, Generic[Item]):
    """A part of a list, and the cursor of the part that follows."""

    items: list[Item]
    next: str | None = Field(description="Give it as `cursor` to get what follows; null at the end.")


class Paging(Request):
    """Which part of a list is wanted: the query parameters of every list."""

    cursor: Annotated[str | None, Field(max_length=400, description="The `next` of the page before.")] = None
    limit: Annotated[
        int,
        Field(ge=1, description=f"Most items on one page; more than {MOST} counts as {MOST}."),
        AfterValidator(lambda limit: min(limit, MOST)),
    ] = 100


PagingOf = Annotated[Paging, Query()]


def paged(items: Sequence[Item], key: Callable[[Item], str], page: Paging) -> tuple[list[Item], str | None]:
    """The items that ``page`` wants and the next cursor, from a whole list in which ``key`` is unique.

    The list keeps its order; a cursor whose item is gone meanwhile starts the list again rather than skip any.
    """
    start = 0
    if page.cursor is not None:
        after = _opened(page.cursor)
        start = next((index + 1 for index, item in enumerate(items) if key(item) == after), 0)
    part = list(items[start : start + page.limit])
    more = start + page.limit < len(items)
    return part, _sealed(key(part[-1])) if more else None


def known_cursor(cursor: str | None) -> str | None:
    """``cursor`` of a list ordered by time, as the store takes it; `Invalid` (``bad-cursor``) for another text."""
    if cursor is not None and TIMED_CURSOR.fullmatch(cursor) is None:
        raise bad_cursor()
    return cursor


def _sealed(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _opened(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise bad_cursor() from None


def bad_cursor() -> Invalid:
    """``bad-cursor``."""
    problem = Problem("query.cursor", "bad-cursor", "this is no cursor of ours", "use the `next` of the page before")
    return Invalid("bad-cursor", "the cursor is not one that this server gave out", problems=[problem])
