"""What component code emits during a call of an action (or of a webhook trigger), and the answers it gets.

Every emission that waits for an answer gets one, except from a host that is gone: when the journal has it, or with the
reason why it was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Stored
from headrace.bus.large import Body, shed
from headrace.bus.message import Failure, Message
from headrace.errors import HeadraceError, Refused, TooLarge
from headrace.flows.deployment import StepSpec
from headrace.worker import frames
from headrace.worker.call import Call
from headrace.worker.config import Config
from headrace.worker.host import Host
from headrace.worker.mapper import carried
from headrace.worker.outbox import Outbox
from headrace.worker.output import OutputIds, Outputs
from headrace.worker.route import routed
from headrace.worker.shared import Shared
from headrace.worker.snapshot import Snapshot, merged, replaced
from headrace.worker.trace import StepLog

__all__ = ["Emissions"]

LARGEST_ENVELOPE = 7 * 1024 * 1024
ALREADY_THERE = Stored(0, True)
NOT_OURS = frozenset({"subject-refused", "bus-closed"})
"""Why the journal takes nothing more from this deployment at all."""


class Owner(Protocol):
    """Whose calls they are."""

    def confirmed(self, call: Call) -> None:
        """One emission less is without confirmation."""

    def passed_on(self, stored: Stored) -> None:
        """A new output is in the journal."""


class Emissions:
    """The emissions of one step."""

    def __init__(
        self,
        shared: Shared,
        step: StepSpec,
        owner: Owner,
        *,
        host: Host,
        log: StepLog,
        snapshot: Snapshot,
        config: Config,
    ) -> None:
        spec = shared.spec
        self._bus = shared.bus
        self._limit = spec.message_limit
        self._inline = spec.inline_limit
        self._step = step
        self._owner = owner
        self._host = host
        self._log = log
        self._snapshot = snapshot
        self._config = config
        self.ids = OutputIds(shared.bus, spec, step.id)
        output = subjects.output(spec.flow_id, spec.epoch, step.id)
        self.outbox = Outbox(shared.bus, shared.room, shared.bodies, output, host.hold)
        self.repeats = 0
        """Outputs the journal already had."""
        self._events: Mapping[str, Callable[[Call, frames.Frame], None]] = {
            "data": self._data,
            "error": self._error,
            "rebound": self._rebound,
            "snapshot": self._change_snapshot,
            "update_snapshot": self._change_snapshot,
            "http_reply": self._http_reply,
            "update_keys": self._update_keys,
        }

    def handle(self, call: Call | None, frame: frames.Frame) -> None:
        """Act on an ``emit`` frame; ``call`` is `None`, or has ended, when it comes too late."""
        if call is None or call.ended:
            self._refuse(frame, "call-ended", "the call this emission belongs to has ended")
            return
        event = self._events.get(frame.event)
        if event is None:
            self._refuse(frame, "unknown-event", f"there is no event {frame.event!r}")
        else:
            event(call, frame)

    def _refuse(self, frame: frames.Frame, reason: str, text: str) -> None:
        if frame.confirm:
            self._host.send(frames.emitted_frame(frame.call, frame.emit, reason, text))
        else:
            self._log.platform("warn", f"an emission was refused ({reason}): {text}")

    def _accept(self, frame: frames.Frame) -> None:
        if frame.confirm:
            self._host.send(frames.emitted_frame(frame.call, frame.emit))

    # -- outputs --------------------------------------------------------------------------------------------

    def _data(self, call: Call, frame: frames.Frame) -> None:
        body = bytes(frame.body)
        message = call.message
        if call.emitted is None:
            call.emitted = Outputs(self.ids, message.id)
        output_id = call.emitted.add(frame)
        try:
            to, headers = routed(frame.headers, self._step)
        except Refused as error:
            self._reject(call, frame, Failure(name="NoSuchStep", message=error.message, reason=error.reason))
            return
        out = Message(
            id=output_id,
            execution=message.execution,
            step=self._step.id,
            body=frame.body,
            at=message.at,
            parent=message.id,
            headers=headers,
            to=to,
            attachments=frame.attachments,
            metadata=frame.metadata,
            only=message.only,
            passthrough=carried(self._step, message),
            reply_to=message.reply_to,
        )
        if len(body) > self._limit:
            text = f"the body has {len(body)} bytes; the limit (message_limit) is {self._limit}"
            self._reject(call, frame, Failure(name="TooLarge", message=text, reason="too-large"))
            return
        large: tuple[Body, ...] = ()
        if len(body) > self._inline or len(data := envelope.encode(out)) > self._inline:
            data, large = shed(out, self._inline)
            if len(data) > LARGEST_ENVELOPE:
                text = f"with headers and attachments the message has {len(data)} bytes; at most {LARGEST_ENVELOPE}"
                self._reject(call, frame, Failure(name="TooLarge", message=text, reason="too-large"))
                return
        call.unconfirmed += 1
        counted = out.id if call.emitted.keep(frame, out.id) else ""
        if out.id in self.ids.known:
            self._stored(call, frame, ALREADY_THERE, counted)
        else:
            self.outbox.store(data, out.id, lambda result: self._answered(call, frame, result, counted), large)

    def _reject(self, call: Call, frame: frames.Frame, why: Failure) -> None:
        """What cannot be emitted: the component is told, or, where it does not wait, its call fails."""
        if not frame.confirm:
            call.failure = why
        self._refuse(frame, why.reason, why.message)

    def _answered(self, call: Call, frame: frames.Frame, result: Stored | HeadraceError, counted: str) -> None:
        if isinstance(result, Stored):
            self._stored(call, frame, result, counted)
            return
        if result.reason in NOT_OURS:
            call.foreign = True
        elif isinstance(result, TooLarge):
            call.failure = Failure(name="TooLarge", message=str(result), reason="too-large")
        else:
            call.failure = Failure(name="NotStored", message=str(result), reason="not-stored")
        if not call.dropped:
            self._refuse(frame, result.reason, str(result))
        self._owner.confirmed(call)

    def _stored(self, call: Call, frame: frames.Frame, stored: Stored, counted: str) -> None:
        """``counted`` is the output's id, or empty for one that the call has emitted before."""
        if not stored.duplicate:
            self._owner.passed_on(stored)
        else:
            self.repeats += 1
        if counted and self._is_of_this_attempt(call, counted, stored.duplicate):
            call.outputs += 1
            if call.dropped:
                call.held.most = max(call.held.most, call.outputs)
        if not call.dropped:
            self._accept(frame)
        self._owner.confirmed(call)

    def _is_of_this_attempt(self, call: Call, output_id: str, duplicate: bool) -> bool:
        """A first attempt may find outputs there of its own, from before a crash, whose fact was lost. Those a later
        one finds are of the attempt before, which has counted them; unless its own, before its host died."""
        if call.message.attempt == 1:
            return True
        held = call.held
        if duplicate:
            return held.fresh is not None and output_id in held.fresh
        if held.fresh is None:
            held.fresh = set()
        held.fresh.add(output_id)
        return True

    # -- everything else ------------------------------------------------------------------------------------

    def _error(self, call: Call, frame: frames.Frame) -> None:
        error = frame.error or frames.HostError()
        call.failure = Failure(name=error.name, message=error.message, stack=error.stack)
        self._accept(frame)

    def _rebound(self, call: Call, frame: frames.Frame) -> None:
        call.rebound = frame.reason or "rebound"
        self._accept(frame)

    def _change_snapshot(self, call: Call, frame: frames.Frame) -> None:
        whole = frame.event == "snapshot"
        call.unconfirmed += 1
        change, raw = (replaced, frame.value) if whole else (merged, frame.patch)
        self._snapshot.queue(change, bytes(raw), self._kept(call, frame))

    def _kept(self, call: Call, frame: frames.Frame) -> Callable[[HeadraceError | None], None]:
        """What to do when a change of something that is kept is durable, or was refused."""

        def kept(error: HeadraceError | None) -> None:
            if not call.dropped and error is None:
                self._accept(frame)
            elif not call.dropped and error is not None:
                self._refuse(frame, error.reason, str(error))
            self._owner.confirmed(call)

        return kept

    def _http_reply(self, call: Call, frame: frames.Frame) -> None:
        if call.message.reply_to is None:
            self._refuse(frame, "nobody-waits", "no caller waits for a reply to this message")
            return
        reply = {"status": frame.status, "headers": frame.headers, "body": frame.body}
        try:
            self._bus.publish(call.message.reply_to, msgspec.json.encode(reply))
        except HeadraceError as error:
            self._refuse(frame, error.reason, str(error))
        else:
            self._accept(frame)

    def _update_keys(self, call: Call, frame: frames.Frame) -> None:
        if not self._config.secret:
            self._refuse(frame, "no-credential", "this step has no credential to update")
            return
        call.unconfirmed += 1
        self._config.write_back(frame.keys, self._kept(call, frame))
