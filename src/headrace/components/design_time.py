"""What a component is asked outside of flows: are these credentials good, what does a step take, what can be chosen.

Each question gets a host of its own, which ends with the answer, the deadline, or the interest in it. ``init`` hooks do
not run.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.components.program import end, finished, status
from headrace.errors import NotFound, Refused, TooLarge, Unavailable
from headrace.flows.catalog import Offer
from headrace.flows.redaction import Redaction
from headrace.sandbox import Command, resident

__all__ = ["LARGEST_ANSWER", "Question", "Terms", "ask", "verdict"]

Hook = Literal["verify_credentials", "meta_model", "select_model"]

LARGEST_ANSWER = 1024 * 1024
"""Bytes of JSON a component may answer."""
MOST_LINES = 100
"""Lines a component may say meanwhile; what follows is left out."""
LONGEST_LINE = 2_000
LARGEST_FRAME = 16 * 1024 * 1024
CALL = 1
LOOK_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` is the function of a select model. Offers are tried until one has the hook."""

    hook: Hook
    offers: Sequence[Offer]
    cfg: Mapping[str, Any]
    name: str = ""


@dataclass(slots=True)
class Terms:
    """How it is asked. ``wrote_back`` takes what the component emits as ``updateKeys``; `None`: nothing is taken."""

    command: Callable[[Offer], Command]
    within: float
    memory: int
    tell: Callable[[str], None]
    wrote_back: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
    redaction: Redaction = field(default_factory=Redaction)


async def ask(question: Question, terms: Terms) -> Any:
    """The component's answer, as a JSON value.

    Raises `NotFound` (``no-hook``) when it has no such function, `Refused` (``component-failed``) with its own words
    when it does not load, raises or dies, `Unavailable` (``component-slow``), `TooLarge` (``too-large``). Cancelled,
    the host is killed.
    """
    try:
        async with asyncio.timeout(terms.within):
            for offer in {each.main: each for each in question.offers}.values():
                async with _Host(terms, offer) as host:
                    if await host.load(question.hook):
                        return await host.answer(question)
    except TimeoutError:
        told = f"the component gave no answer within {terms.within:g} s"
        raise Unavailable("component-slow", told, next_step="raise the setting `design_within`") from None
    raise NotFound("no-hook", f"the component has no {question.hook}")


def verdict(answer: Any) -> tuple[bool, str]:
    """Whether ``verifyCredentials`` has said, in so many words, that they are good; if not, why."""
    said = answer.get("verified") if isinstance(answer, dict) else answer
    if said is True:
        return True, ""
    if said is False:
        reason = answer.get("reason") if isinstance(answer, dict) else ""
        return False, reason if isinstance(reason, str) and reason else "the component says that they are wrong"
    return False, 'the component said neither yes nor no: it must answer true or {"verified": true}'


class _Host:
    """One short life of a host."""

    def __init__(self, terms: Terms, offer: Offer) -> None:
        self._terms = terms
        self._offer = offer
        self._lines = 0

    async def __aenter__(self) -> _Host:
        command = self._terms.command(self._offer)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, _closed_on_failure(ours):
            self._process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                **command.options,
            )
        self._printing = asyncio.create_task(self._printed())
        self._watching = asyncio.create_task(self._watched())
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=LARGEST_FRAME)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._watching.cancel()
        await end(self._process)
        await finished([self._printing], self._process)
        self._writer.close()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def load(self, hook: Hook) -> bool:
        """Whether the module has the hook, as far as that is known before it is called."""
        self._send(
            type="load", check=True, main=self._offer.main, function=self._offer.name, kind=self._offer.kind,
            trigger_type=self._offer.trigger_type, flow="", flow_id="", step="design", concurrency=1,
            log_level="info", cfg={}, quiet_after=10.0, call_max=30.0, timeout=self._terms.within,
        )  # fmt: skip
        ready = await self._next("ready")
        return hook == "select_model" or hook in ready.get("hooks", ())

    async def answer(self, question: Question) -> Any:
        """What the hook returns."""
        self._send(
            type="hook", call=CALL, hook=question.hook, cfg=dict(question.cfg), data={}, name=question.name or None
        )
        ended = await self._next("end")
        result = ended.get("result")
        size = len(json.dumps(result, ensure_ascii=False).encode(errors="replace"))
        if size > LARGEST_ANSWER:
            raise TooLarge("too-large", f"the component answered {size} bytes; {LARGEST_ANSWER} are possible")
        return result

    async def _next(self, wanted: str) -> dict[str, Any]:
        """The frame that ends this part of the conversation; what comes before it is dealt with."""
        while True:
            frame = await self._read()
            kind = frame.get("type")
            if kind == wanted and not frame.get("error"):
                return frame
            if kind in ("fatal", "end"):
                raise self._failed(frame.get("error"))
            if kind == "emit":
                await self._emitted(frame)
            elif kind == "log":
                self._say(str(frame.get("text", "")))

    async def _read(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            raise await self._gone()
        try:
            frame = json.loads(line)
        except ValueError:
            frame = None
        return frame if isinstance(frame, dict) else {}

    async def _emitted(self, frame: Mapping[str, Any]) -> None:
        """Nothing comes of it, except that a credential's changed values are kept."""
        keys, wrote_back = frame.get("keys"), self._terms.wrote_back
        refused: dict[str, str] | None = None
        if frame.get("event") != "update_keys" or wrote_back is None or not isinstance(keys, dict):
            refused = {"reason": "design-time", "message": "no flow is running, so nothing can be emitted here"}
        else:
            try:
                await wrote_back(keys)
            except (NotFound, Refused, TooLarge, Unavailable) as error:
                refused = {"reason": error.reason, "message": error.message}
        if frame.get("confirm") is not False:
            self._send(type="emitted", call=CALL, emit=frame.get("emit"), ok=refused is None, error=refused)

    def _send(self, **frame: Any) -> None:
        self._writer.write(json.dumps(frame).encode() + b"\n")

    def _failed(self, error: object) -> Refused:
        told = error if isinstance(error, dict) else {}
        name, message = str(told.get("name") or "Error"), str(told.get("message") or "")
        for line in str(told.get("stack") or "").splitlines():
            self._say(line)
        return Refused("component-failed", self._clean(f"{name}: {message}" if message else name))

    async def _gone(self) -> Refused:
        if self._watching.done() and not self._watching.cancelled():
            return Refused("component-failed", self._watching.result())
        code = await status(self._process)
        return Refused("component-failed", f"the component's host ended (exit status {code}) before it answered")

    async def _watched(self) -> str:
        """Kill a host that takes more memory than one in a flow may, and say so."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            taken = await asyncio.to_thread(resident, self._process.pid)
            if taken > self._terms.memory:
                self._process.kill()
                return f"the component took {taken >> 20} MB; {self._terms.memory >> 20} MB (step_memory) are possible"

    async def _printed(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # longer than asyncio holds: what it has is thrown away
                continue
            if not line:
                return
            self._say(line.decode(errors="replace").rstrip())

    def _say(self, line: str) -> None:
        self._lines += 1
        if self._lines <= MOST_LINES and line.strip():
            self._terms.tell(self._clean(line))

    def _clean(self, text: str) -> str:
        return self._terms.redaction.text(text)[:LONGEST_LINE]


@contextmanager
def _closed_on_failure(ours: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        ours.close()
        raise
