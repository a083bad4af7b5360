"""An exception in the protocol's form, told from the component's side."""

from __future__ import annotations

from traceback import TracebackException
from typing import Any

__all__ = ["failure"]

_HOST = __file__.removesuffix("headrace_host/failure.py")
_IMPORT_MACHINERY = "<frozen importlib"
_LONGEST = 32_000


def failure(error: BaseException) -> dict[str, Any]:
    """``{name, message, stack}``; the stack is Python's usual text without the frames of host and import machinery."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception as problem:
        message = f"(its text cannot be read: {type(problem).__name__})"
    return {"name": name, "message": _shortened(message), "stack": _shortened(_stack(error))}


def _stack(error: BaseException) -> str:
    try:
        told = TracebackException(type(error), error, error.__traceback__, compact=True)
        _strip(told)
        return "".join(told.format())
    except Exception as problem:  # an exception whose own methods raise
        return f"(its traceback cannot be written: {type(problem).__name__})"


def _strip(told: TracebackException) -> None:
    kept = [f for f in told.stack if not f.filename.startswith((_HOST, _IMPORT_MACHINERY))]
    told.stack[:] = kept
    if not kept:
        told.stack = None  # type: ignore[assignment]  # format() then leaves out its heading
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _strip(other)


def _shortened(text: str) -> str:
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]}\n… {len(text) - _LONGEST} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()
