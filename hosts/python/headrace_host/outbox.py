"""Emissions on their way: numbered within their call, sent, and settled when the worker answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace_host.emission import Emission
from headrace_host.log import Log
from headrace_host.transport import Transport
from headrace_sdk.encoding import to_json

if TYPE_CHECKING:
    from headrace_host.call import Call

__all__ = ["Outbox"]


class Outbox:
    """Sends emissions from any thread. Numbers count up within a call and leave in that order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Transport, log: Log) -> None:
        self._loop, self._transport, self._log = loop, transport, log
        self._pending: dict[tuple[int, int], Emission] = {}

    def __len__(self) -> int:
        """Emissions that have no answer yet, and whose answer somebody may wait for."""
        return len(self._pending)

    def emit(self, call: Call, event: str, keys: bytes) -> Emission:
        """Send an emission; ``keys`` is the inside of its frame's JSON object."""
        emission = Emission(self._loop)
        with self._transport.lock:
            number = self._post(call, event, keys)
            self._pending[call.number, number] = emission
        return emission

    def post(self, call: Call, event: str, keys: bytes) -> None:
        """Send an emission that needs no answer: what becomes of it is between the worker and the call's input."""
        with self._transport.lock:
            self._post(call, event, b'"confirm":false,' + keys)

    def post_rebound(self, call: Call, reason: str) -> None:
        """What raising `headrace_sdk.Rebound` does."""
        self.post(call, "rebound", b'"reason":' + to_json(reason, "reason"))

    def settle(self, answer: dict[str, Any]) -> None:
        """Handle an ``emitted`` frame; one that nobody waits for is ignored."""
        call, number = answer.get("call", 0), answer.get("emit", 0)
        emission = self._pending.pop((call, number), None)
        if emission is None:
            return
        if answer.get("ok"):
            emission.settle()
            return
        error = answer.get("error") or {}
        reason, message = error.get("reason") or "refused", error.get("message") or ""
        told = f"emission {number} was not accepted ({reason}: {message}), and nobody awaited it"
        emission.refuse(reason, message, lambda: self._log.write("warn", told, call))

    def _post(self, call: Call, event: str, keys: bytes) -> int:
        call.emissions = number = call.emissions + 1
        frame = b'{"type":"emit","call":%d,"emit":%d,"event":"%b",%b}\n'
        self._transport.send(frame % (call.number, number, event.encode(), keys))
        return number
