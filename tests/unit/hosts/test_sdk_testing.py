"""The double that component tests use keeps the promises of the host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from headrace_sdk import BodyError, Context, EmitError, Message
from headrace_sdk.testing import Line, RecordingContext, play, run


async def adds(ctx: Context, msg: Message, cfg: dict[str, Any], snapshot: dict[str, Any]) -> Any:
    return {"sum": msg.body + cfg["plus"] + snapshot["at"]}


async def counts(ctx: Context, msg: Message) -> AsyncIterator[int]:
    for n in range(msg.body):
        yield n


def counts_blocking(ctx: Context, msg: Message) -> Iterator[int]:
    yield from range(msg.body)


def test_arguments_and_result() -> None:
    assert run(adds, 1, cfg={"plus": 2}, snapshot={"at": 3}) == [Message({"sum": 6})]


@pytest.mark.parametrize("process", [counts, counts_blocking])
def test_generators(process: Any) -> None:
    assert run(process, 2) == [Message(0), Message(1)]


def test_a_message_alone() -> None:
    def told(msg: Message) -> list[Message]:
        return [Message(msg.headers), Message(msg.id, metadata=msg.metadata)]

    assert run(told, headers={"h": "1"}, metadata={"m": 2}) == [
        Message({"h": "1"}),
        Message("message", metadata={"m": 2}),
    ]


async def test_it_is_played_in_async_tests() -> None:
    assert await play(counts, 1) == [Message(0)]


def test_everything_a_context_does_is_kept() -> None:
    async def process(ctx: Context) -> None:
        await ctx.emit(1)
        await ctx.error("e")
        await ctx.rebound("r")
        await ctx.set_snapshot({"a": 1})
        await ctx.update_snapshot({"b": 2})
        await ctx.update_keys({"k": "v"})
        await ctx.http_reply("body", status=201, headers={"h": "1"})
        ctx.logger.child(n=1).info("%s", "line")

    ctx = RecordingContext()
    assert run(process, ctx=ctx) == [Message(1)]
    assert (ctx.errors, ctx.rebounds, ctx.keys) == (["e"], ["r"], {"k": "v"})
    assert ctx.snapshot == {"a": 1, "b": 2}
    assert ctx.replies == [(201, "body", {"h": "1"})]
    assert ctx.lines == [Line("info", "line", {"n": 1})]


def test_refusals_are_raised_where_they_would_be() -> None:
    async def process(ctx: Context) -> AsyncIterator[str]:
        try:
            yield "a"
        except EmitError as refused:
            assert isinstance(ctx, RecordingContext)
            ctx.refuse = ""
            yield refused.reason

    def blocking(ctx: Context) -> None:
        ctx.emit(1).result()

    assert run(process, ctx=RecordingContext(refuse="full")) == [Message("full")]
    with pytest.raises(EmitError, match="full"):
        run(blocking, ctx=RecordingContext(refuse="full"))


def test_bodies_must_be_json_here_too() -> None:
    with pytest.raises(BodyError, match=r"body\.a is object"):
        run(lambda ctx: {"a": object()})


async def test_emissions_may_become_tasks() -> None:
    async def process(ctx: Context) -> None:
        import asyncio

        await asyncio.gather(asyncio.create_task(ctx.emit(1)), ctx.emit(2))

    assert await play(process) == [Message(1), Message(2)]


def test_the_double_is_a_context() -> None:
    ctx: Context = RecordingContext()
    assert ctx.snapshot == {}
