"""What becomes of a message in the end: done, skipped, delayed for another attempt, or kept as an error record.

Each ending is durable before the message is acknowledged.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Stored
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.times import Counts, noted
from headrace.bus.trace import Fact, FactKind
from headrace.errors import HeadraceError
from headrace.flows.deployment import StepSpec
from headrace.ids import derived_id
from headrace.worker.call import Call, Held
from headrace.worker.host import now_us
from headrace.worker.shared import Shared
from headrace.worker.trace import StepLog

__all__ = ["Endings", "error_entry"]

RETRIED = frozenset({"exception", "timeout"})
"""Reasons for which a message is tried again; others would only fail the same way."""
LONGEST_TEXT = 64 * 1024
"""Characters of a failure's message, and of its traceback, that are kept."""
LONGEST_REASON = 500
"""Characters of a failure that its fact repeats."""


class Owner(Protocol):
    """Whose messages they are."""

    def release(self, held: Held) -> None:
        """The message is dealt with: acknowledge it."""

    def keep_place(self, call: Call, seconds: float) -> None:
        """``order: strict``: the message stays in front and is tried again; everything behind it waits."""

    def let_go(self, held: Held) -> None:
        """Leave the message unacknowledged."""


class Endings:
    """The endings of one step's messages."""

    def __init__(self, shared: Shared, step: StepSpec, owner: Owner, log: StepLog) -> None:
        spec = shared.spec
        self._bus = shared.bus
        self._trace = shared.trace
        self._delays = shared.delays
        self._step = step
        self._rebound = spec.rebound
        self._owner = owner
        self._log = log
        self._branches = len(step.successors)
        self._errors = subjects.errors(spec.flow_id, spec.epoch, step.id)
        self.failures = 0
        """Error records stored."""
        self.times: Counts = {}
        """How long the calls took, with the mapping before them."""

    def done(self, call: Call) -> None:
        """The call ended well and its outputs are in the journal."""
        self._note(call, "done", self._opened(call) - 1, seq=max(call.held.key, 0))
        self._owner.release(call.held)

    def skipped(self, call: Call) -> None:
        """The step's condition was false, or the message is for another step."""
        self._note(call, "skipped", -1, seq=max(call.held.key, 0))
        self._owner.release(call.held)

    def failed(self, call: Call, failure: Failure) -> None:
        """Try it again while attempts are left, else keep it as an error record."""
        retry = self._step.retry
        attempt = call.message.attempt
        if failure.reason in RETRIED and attempt < retry.attempts:
            told = f"attempt {attempt} of {retry.attempts} failed: {failure.message}"
            self._log.platform("warn", told, execution=call.message.execution, message=call.message.id)
            self._again(call, retry.delay(attempt), failure.message)
        else:
            self._record(call, failure)

    def rebound(self, call: Call) -> None:
        """The component wants the message again, later."""
        attempt = call.message.attempt
        if attempt >= self._rebound.attempts:
            text = f"rebound limit exceeded after {attempt} attempts: {call.rebound}"
            self._record(call, Failure(name="ReboundLimit", message=text, reason="rebound-limit"))
        else:
            self._again(call, self._rebound.delay(attempt), call.rebound)

    def _opened(self, call: Call) -> int:
        return self._outputs(call) * self._branches

    def _outputs(self, call: Call) -> int:
        """Also those of a host that died on the way and got further."""
        return max(call.outputs, call.held.most)

    def _again(self, call: Call, seconds: float, why: str) -> None:
        until = now_us() // 1000 + int(seconds * 1000)
        if self._step.order == "strict":
            self._delayed(call, why, until)
            self._owner.keep_place(call, seconds)
            return

        def done(result: Stored | HeadraceError) -> None:
            if isinstance(result, Stored):
                self._delayed(call, why, until)
                self._owner.release(call.held)
            else:
                self._give_up(call, "delay this message", result)

        self._delays.schedule(self._step.id, call.message, until, done)

    def _delayed(self, call: Call, why: str, until: int) -> None:
        seq = max(call.held.key, 0)
        self._note(call, "delayed", self._opened(call), seq=seq, error=why[:LONGEST_REASON], until=until)

    def _record(self, call: Call, failure: Failure) -> None:
        message = call.message
        entry = error_entry(message, self._step.id, failure)

        def done(result: Stored | HeadraceError) -> None:
            if not isinstance(result, Stored):
                self._give_up(call, "keep the error record of this message", result)
                return
            self.failures += 1
            self._note(call, "failed", self._opened(call) - 1, seq=result.seq, error=entry.id)
            text = failure.stack or f"{failure.name}: {failure.message}"
            self._log.platform("error", text, execution=message.execution, message=message.id)
            self._tell_caller(message)
            self._owner.release(call.held)

        self._bus.store_nowait(self._errors, envelope.encode(entry), done, msg_id=entry.id, wait=True)

    def _tell_caller(self, message: Message) -> None:
        """Whoever waits for an answer learns that this step has none; it may have been given already."""
        if message.reply_to is not None:
            answer = {"failed": self._step.id, "execution": message.execution}
            with contextlib.suppress(HeadraceError):  # with the broker away, the caller's time runs out
                self._bus.publish(message.reply_to, msgspec.json.encode(answer))

    def _give_up(self, call: Call, what: str, error: HeadraceError) -> None:
        """The journal waits for room and for the broker; what it refuses, it refuses for good."""
        self._log.platform("error", f"cannot {what}, which stays unacknowledged: {error}")
        self._owner.let_go(call.held)

    def _note(self, call: Call, kind: FactKind, opened: int, *, seq: int, error: str = "", until: int = 0) -> None:
        message = call.message
        if call.number:  # it came to its code
            noted(self.times, call.us + max(call.map_us, 0))
        self._trace.add(
            Fact(
                kind=kind,
                execution=message.execution,
                step=self._step.id,
                message=message.id,
                parent=message.parent or "",
                at=now_us(),
                opened=opened,
                seq=seq,
                outputs=self._outputs(call),
                wait_us=call.wait_us,
                map_us=call.map_us,
                call_us=call.us,
                attempt=message.attempt,
                error=error,
                until=until,
                rerun_of=message.rerun_of or "",
            )
        )


def error_entry(message: Message, step: str, failure: Failure) -> ErrorEntry:
    """The error record of a message at a step, no larger than the journal takes."""
    return ErrorEntry(
        id=derived_id("error", message.id, step, str(message.attempt)),
        message=message,
        step=step,
        failure=msgspec.structs.replace(
            failure,
            name=failure.name[:LONGEST_REASON],
            message=failure.message[:LONGEST_TEXT],
            stack=failure.stack[-LONGEST_TEXT:],
        ),
        at=now_us() // 1000,
    )
