"""Everything Headrace refuses or cannot do.

    HeadraceError
    ├── Invalid        the input is wrong: carries every problem found         422
    ├── Unauthorized   no token, or one that does not count                    401
    ├── NotFound       the named thing does not exist                          404
    ├── Refused        the state of things forbids it now                      409
    ├── TooLarge       over a limit that a setting names                       413
    ├── Busy           try again: carries the seconds to wait                  429
    └── Unavailable    a part that is needed does not answer                   503

A subclass exists where a caller acts differently. ``reason`` is a short fixed word: it labels the metric, is
in the API's answer and has a line in ``docs/reference/errors.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "Busy",
    "HeadraceError",
    "Invalid",
    "NotFound",
    "Problem",
    "Refused",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document: where it is, what is wrong, what to write instead.

    ``path`` names the field as a person would: ``steps[2].input`` or ``triggers.new-order.main``.
    """

    path: str
    reason: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        then = f" ({self.suggestion})" if self.suggestion else ""
        return f"{where}{self.message}{then}"


class HeadraceError(Exception):
    """Something expected went wrong."""

    status: ClassVar[int] = 500

    def __init__(self, reason: str, message: str = "", *, next_step: str = "") -> None:
        self.reason = reason
        self.message = message or (type(self).__doc__ or reason).strip()
        self.next_step = next_step
        super().__init__(self.message)


class Invalid(HeadraceError):
    """The input has mistakes."""

    status = 422

    def __init__(
        self, reason: str, message: str = "", *, problems: Sequence[Problem] = (), next_step: str = ""
    ) -> None:
        self.problems = tuple(problems)
        super().__init__(reason, message, next_step=next_step)


class Unauthorized(HeadraceError):
    """A valid token is needed."""

    status = 401


class NotFound(HeadraceError):
    """There is no such thing."""

    status = 404


class Refused(HeadraceError):
    """Not possible in the present state."""

    status = 409


class TooLarge(HeadraceError):
    """Over the size limit."""

    status = 413


class Busy(HeadraceError):
    """Too much is waiting; try again later."""

    status = 429

    def __init__(self, reason: str, message: str = "", *, retry_after: float = 1.0, next_step: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(reason, message, next_step=next_step)


class Unavailable(HeadraceError):
    """A part of the platform does not answer."""

    status = 503
