"""The recorder: reads what workers tell and writes executions and errors.

    TRACE ──▶ gather (50 ms, or as much as there is) ──▶ one transaction ──▶ purge TRACE · hint at open browsers

The store keeps the number of the last trace message it has applied, in the same transaction: it alone says where to go
on, so nothing is applied twice or left out, whatever stops in between. When the recorder is away flows run on and it
catches up. Beside that it keeps house: executions whose facts are lost are closed, old ones deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

import msgspec
import structlog

from headrace.bus import journal, message, subjects
from headrace.bus.client import Bus, Entry
from headrace.bus.message import ErrorEntry
from headrace.bus.objects import references
from headrace.bus.trace import Batch, Fact, decode_batch
from headrace.control.hints import Hints
from headrace.errors import HeadraceError, Invalid, NotFound
from headrace.settings import Settings
from headrace.store import executions, failures
from headrace.store.database import Database
from headrace.store.failures import ErrorRecord

__all__ = ["Drained", "Recorder"]

Drained = Callable[[str], Awaitable[bool]]
"""Whether a flow (by id) has nothing left to process: nothing queued, nothing in progress, nothing delayed."""

GATHER = 0.05
"""Seconds that facts gather before they are written, when there are few."""
MOST = 400
"""Trace messages in one transaction: about as many as come in while it is written under full load."""
HOUSE = 0.5
PURGE_EVERY, SETTLE_EVERY, RETAIN_EVERY = 2.0, 10.0, 60.0
LOST_AFTER = 60.0
"""Seconds without news after which an open execution of a flow with empty queues has lost its facts."""
AGAIN = (0.2, 10.0)
"""Shortest and longest pause after a failure."""
FETCHES = 32

_decode_error = msgspec.json.Decoder(ErrorEntry).decode


class Recorder:
    """`run` it until `stop`; one at a time per database."""

    def __init__(self, db: Database, bus: Bus, settings: Settings, drained: Drained) -> None:
        self._db = db
        self._bus = bus
        self._keep_ms = int(settings.history_keep_days * 86_400_000)
        self._keep_count = settings.history_keep_count
        self._drained = drained
        self._hints = Hints()
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(MOST * 2)
        self._look_again = False
        self._stopping = asyncio.Event()
        self._stream = ""
        self._recorded_errors: dict[tuple[str, str], int] = {}
        self._old_errors: dict[tuple[str, str], int] = {}
        self._log: Any = structlog.get_logger("recorder")
        self.applied = 0
        """Sequence number of the last trace message that is in the store."""
        self.facts = 0
        """Facts written since the start."""
        self.skipped = 0
        """Trace messages that could not be read or written, and were left out."""

    def stop(self) -> None:
        """Ask `run` to end when what it has begun is written. Safe early, safe twice."""
        self._stopping.set()
        self._wake()

    async def run(self) -> None:
        """Record until `stop`. Failures of broker and store are waited out."""
        self._bus.on_reconnect(self._reconnected)
        async with asyncio.TaskGroup() as group:
            house = group.create_task(self._keep_house(), name="recorder-house")
            await self._record()
            house.cancel()

    def _reconnected(self) -> None:
        """Another broker may answer now, with another stream."""
        self._look_again = True
        self._wake()

    def _wake(self) -> None:
        with suppress(asyncio.QueueFull):  # then nobody sleeps
            self._queue.put_nowait(None)

    def _complain(self, what: str, error: Exception) -> None:
        if isinstance(error, HeadraceError):
            self._log.warning(what, reason=error.reason, detail=error.message)
        else:  # a mistake of ours: history waits, flows and server go on
            self._log.error(what, exc_info=error)

    # -- recording ------------------------------------------------------------------------------------------

    async def _record(self) -> None:
        pause = AGAIN[0]
        while not self._stopping.is_set():
            before = self.applied
            try:
                await self._follow()
            except Exception as error:
                self._complain("recording pauses", error)
                pause = AGAIN[0] if self.applied > before else min(pause * 2, AGAIN[1])
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)

    async def _follow(self) -> None:
        """Apply what comes until something asks to look again."""
        self._look_again, self.applied = False, 0
        self._queue = asyncio.Queue(MOST * 2)
        self._stream = await self._identity()
        async with self._db.read() as conn:
            self.applied = await executions.position(conn, self._stream)
        reading = asyncio.create_task(self._read(self.applied + 1), name="recorder-read")
        try:
            while not self._stopping.is_set() and not self._look_again:
                if reading.done() and self._queue.empty():
                    return reading.result()
                entries = await self._gather()
                await self._apply([(entry.seq, self._decode(entry)) for entry in entries])
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _identity(self) -> str:
        """A name that the stream does not share with the one an emptied broker would make."""
        info = await self._bus.api(f"STREAM.INFO.{subjects.TRACE}")
        return f"{subjects.TRACE} {info['created']}"

    async def _read(self, start: int) -> None:
        try:
            told = self._bus.read(subjects.TRACE, "trace.>", start_seq=start, follow=True)
            async with aclosing(cast("AsyncGenerator[Entry]", told)) as entries:
                async for entry in entries:
                    await self._queue.put(entry)
        finally:
            self._wake()

    async def _gather(self) -> list[Entry]:
        """The next trace messages, as many as there are; few are waited for a moment so that they become more."""
        first = await self._queue.get()
        if first is not None and self._queue.qsize() < MOST and not self._stopping.is_set():
            await asyncio.sleep(GATHER)
        found = [first]
        while len(found) < MOST and not self._queue.empty():
            found.append(self._queue.get_nowait())
        return [entry for entry in found if entry is not None]

    async def _apply(self, batches: Sequence[tuple[int, Batch]]) -> None:
        try:
            if batches:
                await self._write(batches)
        except Invalid as error:
            # One message that the database cannot take must not keep all others out.
            if len(batches) > 1:
                for each in batches:
                    await self._apply([each])
            else:
                [(seq, batch)] = batches
                self._skip(seq, error)
                await self._write([(seq, msgspec.structs.replace(batch, facts=[]))])

    def _decode(self, entry: Entry) -> Batch:
        try:
            return decode_batch(entry.data)
        except msgspec.MsgspecError as error:
            self._skip(entry.seq, error)
            return Batch(entry.subject.removeprefix("trace."), 0, 0, [])

    def _skip(self, seq: int, error: Exception) -> None:
        self.skipped += 1
        self._log.error("a trace message was left out", seq=seq, why=str(error))

    async def _write(self, batches: Sequence[tuple[int, Batch]]) -> None:
        failed = [
            (batch, fact)
            for seq, batch in batches
            if seq > self.applied
            for fact in batch.facts
            if fact.kind == "failed"
        ]
        errors = await self._errors(failed)
        async with self._db.begin() as conn:
            new = await executions.apply(conn, self._stream, batches)
            await failures.add(conn, errors)
        self.facts += new
        self.applied = max(self.applied, batches[-1][0])
        for batch, fact in failed:
            key = batch.flow_id, subjects.errors(batch.flow_id, batch.epoch, fact.step)
            self._recorded_errors[key] = max(fact.seq, self._recorded_errors.get(key, 0))
            self._hints.note(batch.flow_id, fact.execution, errors=1)
        for _, batch in batches:
            if batch.facts:
                self._hints.note(batch.flow_id, batch.facts[-1].execution, facts=len(batch.facts))
        self._hint()

    # -- errors ---------------------------------------------------------------------------------------------

    async def _errors(self, failed: Sequence[tuple[Batch, Fact]]) -> list[ErrorRecord]:
        """The records of failed messages, with their input, which the journal has under the fact's number."""
        gate = asyncio.Semaphore(FETCHES)

        async def fetch(batch: Batch, fact: Fact) -> ErrorRecord:
            async with gate:
                return _error_record(batch, fact, await self._entry(batch.flow_id, fact.seq))

        return list(await asyncio.gather(*(fetch(batch, fact) for batch, fact in failed)))

    async def _entry(self, flow_id: str, seq: int) -> ErrorEntry | None:
        with suppress(NotFound, msgspec.MsgspecError):
            found = await self._bus.get(subjects.stream(flow_id), seq) if seq else None
            return None if found is None else _decode_error(found.data)
        return None

    # -- keeping house --------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        chores = (
            (PURGE_EVERY, self._purge_trace),
            (SETTLE_EVERY, self._settle),
            (RETAIN_EVERY, self._retain),
            (RETAIN_EVERY, self._purge_errors),
        )
        due = [time.monotonic() + every for every, _ in chores]
        while True:
            await asyncio.sleep(HOUSE)
            self._hint()
            for number, (every, chore) in enumerate(chores):
                if time.monotonic() < due[number]:
                    continue
                try:
                    await chore()
                except Exception as error:
                    self._complain("housekeeping pauses", error)
                due[number] = time.monotonic() + every

    def _hint(self) -> None:
        for hint in self._hints.due(time.monotonic()):
            self._bus.publish(subjects.live("execution"), msgspec.json.encode(hint))

    async def _purge_trace(self) -> None:
        if self.applied and not self._look_again:
            await self._bus.api(f"STREAM.PURGE.{subjects.TRACE}", {"seq": self.applied + 1})

    async def _purge_errors(self) -> None:
        """Delete errors from the journals some time after they were recorded: a late fact may name an earlier one."""
        for (flow_id, subject), seq in self._old_errors.items():
            with suppress(NotFound):
                await journal.purge_below(self._bus, flow_id, subject, seq + 1)
        self._old_errors, self._recorded_errors = self._recorded_errors, {}

    async def _settle(self) -> None:
        """Close executions whose facts are lost, once all facts there are have been applied."""
        state = (await self._bus.api(f"STREAM.INFO.{subjects.TRACE}"))["state"]
        if int(state["last_seq"]) > self.applied:
            return
        since = _now_ms() - int(LOST_AFTER * 1000)
        async with self._db.read() as conn:
            flows = await executions.idle(conn, since=since)
        for flow_id in flows:
            with suppress(NotFound):
                if await self._drained(flow_id):
                    async with self._db.begin() as conn:
                        closed = await executions.settle(conn, flow_id, since=since)
                    self._hints.note(flow_id, closed[-1] if closed else "")
                    self._log.info("executions with lost facts were closed", flow=flow_id, count=len(closed))

    async def _retain(self) -> None:
        """Delete what is too old, in steps that let others write in between."""
        before = _now_ms() - self._keep_ms
        gone = 1
        while gone and not self._stopping.is_set():
            async with self._db.begin() as conn:
                gone = await executions.retain(conn, before=before, keep_count=self._keep_count)
                gone += await failures.retain(conn, before=before)
            await asyncio.sleep(0.01)


def _error_record(batch: Batch, fact: Fact, entry: ErrorEntry | None) -> ErrorRecord:
    failure = entry.failure if entry else _LOST
    kept = None if entry is None else message.encode(entry.message)
    return ErrorRecord(
        id=fact.error or f"{fact.execution}-{fact.step}-{fact.message}",
        execution_id=fact.execution,
        flow_id=batch.flow_id,
        epoch=batch.epoch,
        step=fact.step,
        message_id=fact.message,
        name=_text(failure.name),
        message=_text(failure.message),
        stack=_text(failure.stack),
        reason=failure.reason,
        at=fact.at // 1000,
        state="open",
        envelope=kept,
        retried_as=None,
        objects=",".join(sorted(references(kept or b""))),
    )


_LOST = message.Failure(name="Lost", message="the journal no longer has this error", reason="lost")


def _text(text: str) -> str:
    """PostgreSQL takes every character but this one."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
