from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from headrace_sdk.signature import WrongParameters, parameters, style

NAMES = ("ctx", "msg", "cfg", "snapshot")


def picked(function: Callable[..., Any]) -> tuple[Any, ...]:
    return parameters(function, NAMES, {"msg": 1}).pick(NAMES)


class Callable_:
    async def __call__(self, ctx: Any, msg: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda: 0, ()),
        (lambda ctx: 0, ("ctx",)),
        (lambda context: 0, ("ctx",)),
        (lambda _: 0, ("ctx",)),
        (lambda msg: 0, ("msg",)),
        (lambda ctx, msg: 0, ("ctx", "msg")),
        (lambda c, m, f: 0, ("ctx", "msg", "cfg")),
        (lambda ctx, msg, cfg, snapshot: 0, NAMES),
        (lambda ctx, msg=None: 0, ("ctx", "msg")),
        (lambda ctx, msg, cfg, snapshot, more=None: 0, NAMES),
        (lambda *arguments: 0, NAMES),
        (lambda ctx, *rest, **more: 0, NAMES),
        (lambda ctx, *, debug=False: 0, ("ctx",)),
        (Callable_(), ("ctx", "msg")),
        (functools.partial(lambda extra, ctx, msg: 0, 1), ("ctx", "msg")),
    ],
)
def test_a_leading_part_or_the_message_alone(function: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    assert picked(function) == arguments


@pytest.mark.parametrize(
    "function",
    [
        lambda msg, cfg: 0,
        lambda msg, *rest: 0,
        lambda message: 0,
        lambda body: 0,
        lambda ctx, msg, cfg, snapshot, more: 0,
        lambda ctx, *, must: 0,
    ],
)
def test_what_cannot_be_given_is_refused_with_what_can(function: Callable[..., Any]) -> None:
    with pytest.raises(WrongParameters, match=r"\(ctx, msg, cfg, snapshot\) or just \(msg\)"):
        picked(function)


def plain() -> None: ...
async def coroutine() -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain, "function"),
        (coroutine, "coroutine"),
        (generator, "generator"),
        (async_generator, "async generator"),
        (Callable_(), "coroutine"),
        (functools.partial(async_generator), "async generator"),
        (functools.partial(Callable_()), "coroutine"),
        (Callable_().__call__, "coroutine"),
        (print, "function"),
    ],
)
def test_style(function: Callable[..., Any], expected: str) -> None:
    assert style(function) == expected
