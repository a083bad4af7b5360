"""Try a component function without a platform.

from headrace_sdk.testing import RecordingContext, run

assert run(process, {"id": 7}) == [Message({"order": 7})]

ctx = RecordingContext(refuse="queue-full")      # every emission is refused
with pytest.raises(EmitError):
    run(process, {"id": 7}, ctx=ctx)
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace_sdk.attachments import Attachments, Source, Upload
from headrace_sdk.context import Emission
from headrace_sdk.driving import drive, drive_blocking
from headrace_sdk.encoding import to_json
from headrace_sdk.errors import AttachmentError, EmitError
from headrace_sdk.logger import Logger, filled_in
from headrace_sdk.message import Message
from headrace_sdk.outputs import outputs
from headrace_sdk.reply import answered
from headrace_sdk.signature import parameters

__all__ = ["Attachments", "Line", "MemoryFiles", "RecordingContext", "play", "run"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line the component logged."""

    level: str
    text: str
    fields: dict[str, Any]


@dataclass
class RecordingContext:
    """A `Context` that keeps what the component does. Set ``refuse`` to a reason to have every emission refused."""

    flow: str = "flow"
    flow_id: str = "1"
    step: str = "step"
    execution: str | None = "execution"
    attempt: int = 1
    attachments: Attachments = field(default_factory=lambda: Attachments({}, MemoryFiles()))
    stopping: bool = False
    refuse: str = ""
    messages: list[Message] = field(default_factory=list)
    errors: list[BaseException | str] = field(default_factory=list)
    rebounds: list[str] = field(default_factory=list)
    replies: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    snapshot: dict[str, Any] = field(default_factory=dict)

    @property
    def logger(self) -> Logger:
        return Logger(lambda level, text, args, fields: self.lines.append(Line(level, filled_in(text, args), fields)))

    def emit(self, data: Message | Any) -> Emission:
        message = data if isinstance(data, Message) else Message(data)
        to_json(message.body, "body")
        if not self.refuse:
            self.messages.append(message)
        return _Settled(self.refuse)

    def error(self, error: BaseException | str) -> Emission:
        self.errors.append(error)
        return _Settled(self.refuse)

    def rebound(self, reason: str = "") -> Emission:
        self.rebounds.append(reason)
        return _Settled(self.refuse)

    def set_snapshot(self, value: Mapping[str, Any]) -> Emission:
        to_json(value, "snapshot")
        self.snapshot = dict(value)
        return _Settled(self.refuse)

    def update_snapshot(self, patch: Mapping[str, Any]) -> Emission:
        return self.set_snapshot({**self.snapshot, **patch})

    def update_keys(self, keys: Mapping[str, Any]) -> Emission:
        self.keys.update(keys)
        return _Settled(self.refuse)

    def http_reply(
        self, body: Any = None, *, status: int | None = None, headers: Mapping[str, Any] | None = None
    ) -> Emission:
        number, kept = answered(status, headers)
        self.replies.append((number, body, kept))
        return _Settled(self.refuse)


def run(
    process: Callable[..., Any],
    body: Any = None,
    *,
    cfg: dict[str, Any] | None = None,
    snapshot: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    ctx: RecordingContext | None = None,
) -> list[Message]:
    """Call ``process`` once, as the platform would, and return what it emitted. Its exceptions come through."""
    return asyncio.run(play(process, body, cfg=cfg, snapshot=snapshot, headers=headers, metadata=metadata, ctx=ctx))


async def play(
    process: Callable[..., Any],
    body: Any = None,
    *,
    cfg: dict[str, Any] | None = None,
    snapshot: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    ctx: RecordingContext | None = None,
) -> list[Message]:
    """`run`, for tests that are async themselves."""
    ctx = RecordingContext() if ctx is None else ctx
    if snapshot is not None:
        ctx.snapshot = snapshot
    message = Message(body, headers or {}, ctx.attachments, id="message", metadata=metadata or {})
    takes = parameters(process, ("ctx", "msg", "cfg", "snapshot"), {"msg": 1})
    returned: Any = process(*takes.pick((ctx, message, cfg or {}, dict(ctx.snapshot))))
    if isinstance(returned, Awaitable):
        returned = await returned
    if isinstance(returned, AsyncGenerator):
        await drive(returned, ctx.emit)
    elif isinstance(returned, Generator):
        drive_blocking(returned, lambda item: ctx.emit(item).result())
    else:
        for output in outputs(returned):
            await ctx.emit(output)
    return ctx.messages


class MemoryFiles:
    """Files of a test: ``held`` has what is there, by address.

    files = MemoryFiles({"memory:in": b"1;2"})
    ctx = RecordingContext(attachments=Attachments({"in.csv": {"url": "memory:in"}}, files))
    """

    def __init__(self, held: Mapping[str, bytes] | None = None) -> None:
        self.held = dict(held or {})

    def open(self, url: str, /) -> Source:
        if url not in self.held:
            raise AttachmentError("no-such-object", f"the test has no file {url}")
        return io.BytesIO(self.held[url])

    def begin(self, content_type: str, keep: float | None, size: int | None, /) -> Upload:
        return _MemoryUpload(self.held)


class _MemoryUpload:
    def __init__(self, held: dict[str, bytes]) -> None:
        self._held = held
        self._parts = bytearray()

    def send(self, data: bytes, /) -> None:
        self._parts += data

    def end(self) -> str:
        url = f"memory:{len(self._held) + 1}"
        self._held[url] = bytes(self._parts)
        return url

    def abort(self) -> None:
        return


class _Settled(Emission):
    """An emission that has its answer."""

    __slots__ = ("_refusal",)

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal

    def result(self, timeout: float | None = None) -> None:
        if self._refusal:
            raise EmitError(self._refusal, "refused by the test")

    def __await__(self) -> Generator[Any, Any, None]:
        self.result()
        return
        yield

    def send(self, value: Any) -> Any:
        self.result()
        raise StopIteration

    def throw(self, *error: Any) -> Any:
        raise error[0]

    def close(self) -> None:
        return
