"""One connection to the broker.

nats-py keeps the connection (handshake, reconnecting, pings, subscriptions). Two shortcuts make the hot path cheap:
`Bus.store_nowait` writes a publish straight into the outgoing buffer and matches the broker's acknowledgement through
one inbox, without a task, a future or a subscription per message; `Bus.on_message` hands raw messages to a plain
function from the read loop. Both reach into three private attributes of nats-py (``_pending``, ``_process_msg``,
``_transport``), which `tests/contract/test_bus_client.py` pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from headrace.errors import HeadraceError, NotFound, Refused, Unavailable

__all__ = ["Bus", "Done", "Entry", "JournalFull", "RawHandler", "Stored"]

RawHandler = Callable[[bytes, bytes, bytes, bytes | None], None]
"""``(subject, reply, data, headers)``, called from the read loop: must be quick and must not raise."""

RESEND_AFTER = 5.0
"""Seconds without acknowledgement after which a message with an id is sent again."""
REFUSED_RETRIES = 8
"""A broker that has just restarted has no stream for a moment; a fenced subject never has one again."""


class Stored(NamedTuple):
    """The journal has the message."""

    seq: int
    duplicate: bool


class Entry(NamedTuple):
    """A message read back from a stream. ``at`` is in milliseconds since the epoch."""

    subject: str
    seq: int
    at: int
    headers: dict[str, str]
    data: bytes


Done = Callable[[Stored | HeadraceError], None]


class JournalFull(Unavailable):
    """The stream's byte budget is used up: nothing was stored; try again when it has drained."""

    def __init__(self, message: str = "") -> None:
        super().__init__("journal-full", message)


class _Ack(msgspec.Struct):
    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


class _Pending:
    """A stored message without acknowledgement yet. ``safe``: it has an id, so sending it twice stores it once."""

    __slots__ = ("command", "done", "patient", "refused", "safe", "sent", "since", "subject")

    def __init__(self, subject: str, command: bytes, done: Done, *, safe: bool, patient: bool) -> None:
        self.subject = subject
        self.command = command
        self.done = done
        self.safe = safe
        self.patient = patient
        self.sent = False
        self.since = 0.0
        self.refused = 0


class _Client(Client):
    """nats-py, with messages of chosen subscriptions handed over raw."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: dict[int, RawHandler] = {}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        handler = self.raw.get(sid)
        if handler is not None:
            handler(subject, reply, data, headers)
        else:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]


_decode_ack = msgspec.json.Decoder(_Ack).decode
_HEADER_LINE = b"NATS/1.0\r\n"


def _header_block(headers: dict[str, str]) -> bytes:
    lines = [_HEADER_LINE]
    for name, value in headers.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"header {name} has a line break")
        lines.append(f"{name}: {value}\r\n".encode())
    lines.append(b"\r\n")
    return b"".join(lines)


def _failure(error: dict[str, Any]) -> HeadraceError:
    code, text = error.get("err_code"), str(error.get("description", "refused"))
    if code == 10077 or "maximum bytes" in text or "maximum messages" in text:
        return JournalFull(text)
    if code in (10023, 10028, 10047):
        return Unavailable("store-full", f"the broker has no room left: {text}")
    if error.get("code") == 404:
        return NotFound("not-in-broker", text)
    if error.get("code") == 503:
        return Unavailable("broker-busy", text)
    return Refused("broker-refused", text)


class Bus:
    """A connection. Made by `connect`; `close` it, or use it as an async context manager."""

    def __init__(self) -> None:
        self._client = _Client()
        self._loop = asyncio.get_running_loop()
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        self._inbox_bytes = self._inbox.encode() + b"."
        self._waiting: dict[bytes, _Pending] = {}
        self._next = 0
        self._flushing = False
        self._away = False
        self._later: list[bytes] = []
        """Plain messages for when the broker is back."""
        self._stalled: set[str] = set()
        """Subjects whose messages wait for their stream: sent on in order, so that none overtakes another."""
        self._sweeper: asyncio.Task[None] | None = None
        self._reconnected: list[Callable[[], None]] = []
        self._closed = asyncio.Event()

    @classmethod
    async def connect(cls, url: str, user: str = "", password: str = "", *, name: str = "headrace") -> Bus:
        """Connect; `Unavailable` (``broker-unreachable``, ``broker-login``) when that fails within 5 s.

        Afterwards a lost connection is taken up again for ever; publishes wait meanwhile.
        """
        bus = cls()
        try:
            await bus._client.connect(
                servers=url.split(","),
                user=user or None,
                password=password or None,
                name=name,
                allow_reconnect=False,
                connect_timeout=5,
                max_reconnect_attempts=3,
                reconnect_time_wait=0.1,  # type: ignore[arg-type]  # given to asyncio.sleep
                error_cb=bus._on_error,
            )
        except (nats.errors.Error, OSError, TimeoutError) as error:
            await bus._give_up()
            if "uthorization" in str(error):
                raise Unavailable("broker-login", f"the broker at {url} refused our credentials") from error
            raise Unavailable("broker-unreachable", f"no broker answers at {url}: {error}") from error
        bus._keep_connected()
        await bus.on_message(f"{bus._inbox}.*", bus._on_ack)
        bus._sweeper = asyncio.create_task(bus._sweep(), name="bus-sweep")
        return bus

    async def _give_up(self) -> None:
        """Close what a failed connect left open; nats-py's own ``close`` would wait for a task it never started."""
        transport: Any = self._client._transport
        if transport:
            transport.close()
            with contextlib.suppress(OSError):
                await transport.wait_closed()

    def _keep_connected(self) -> None:
        options = self._client.options
        options["allow_reconnect"] = True
        options["max_reconnect_attempts"] = -1
        options["reconnect_time_wait"] = 0.1
        options["ping_interval"] = 20
        self._client._disconnected_cb = self._on_disconnect
        self._client._reconnected_cb = self._on_reconnect

    async def _on_error(self, error: Exception) -> None:
        """Connection errors are met by reconnecting; `JournalFull` and the like come with acknowledgements."""

    async def _on_disconnect(self) -> None:
        """Nothing goes out until everything older has: what is unsent is set aside, stores are all sent again."""
        self._away = True
        unsent, self._client._pending = self._client._pending, []
        self._client._pending_data_size = 0
        self._later += [command for command in unsent if command.startswith(b"PUB ")]

    async def _on_reconnect(self) -> None:
        self._away = False
        later, self._later = self._later, []
        for command in later:
            self._send(command)
        self._stalled.clear()
        for pending in self._waiting.values():
            self._again(pending)
        for callback in self._reconnected:
            callback()

    def _again(self, pending: _Pending) -> None:
        if pending.safe or not pending.sent:
            self._send_stored(pending)

    def _send_stored(self, pending: _Pending) -> None:
        if not self._away and pending.subject not in self._stalled:
            pending.sent = True
            pending.since = self._loop.time()
            self._send(pending.command)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after every reconnection, when subscriptions are in place again."""
        self._reconnected.append(callback)

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now."""
        return bool(self._client.is_connected)

    @property
    def server_version(self) -> str:
        """The broker's version, such as ``2.15.1``."""
        return str(self._client._server_info.get("version", ""))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what is buffered and disconnect. Stores still unacknowledged fail with ``bus-closed``. Safe twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        self._flush()
        waiting, self._waiting = self._waiting, {}
        for pending in waiting.values():
            pending.done(Unavailable("bus-closed", "the connection to the broker was closed"))
        if not self._client.is_closed:
            await self._client.close()

    # -- plain messages -------------------------------------------------------------------------------------

    def _send(self, command: bytes) -> None:
        if self._away:
            self._later.append(command)
            return
        client = self._client
        client._pending.append(command)
        client._pending_data_size += len(command)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        client = self._client
        if client._pending and client.is_connected and client._transport is not None:
            client._transport.write(b"".join(client._pending))
            client._pending = []
            client._pending_data_size = 0

    def publish(self, subject: str, data: bytes, *, reply: str = "") -> None:
        """Send a message that nobody stores. Waits in memory while the broker is away."""
        self._send(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data))

    async def flush(self) -> None:
        """Return when the broker has seen everything sent so far."""
        self._flush()
        await self._client.flush(timeout=10)

    async def request(self, subject: str, data: bytes = b"", timeout: float = 5.0) -> bytes:
        """Ask and return the answer; `Unavailable` (``no-answer``) when nobody listens or the time is over."""
        try:
            return (await self._client.request(subject, data, timeout=timeout)).data
        except (nats.errors.NoRespondersError, TimeoutError, nats.errors.Error) as error:
            raise Unavailable("no-answer", f"nobody answered on {subject}: {error or 'timeout'}") from error

    async def subscribe(
        self, subject: str, callback: Callable[[str, bytes, str], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Call ``await callback(subject, data, reply)`` for each message, one after another. Returns its undo."""

        async def handle(message: Msg) -> None:
            await callback(message.subject, message.data, message.reply)

        subscription = await self._client.subscribe(subject, cb=handle, pending_msgs_limit=-1, pending_bytes_limit=-1)
        await self._client.flush()

        async def undo() -> None:
            if not self._client.is_closed:
                await subscription.unsubscribe()

        return undo

    async def on_message(self, subject: str, handler: RawHandler) -> Callable[[], Awaitable[None]]:
        """Hand each raw message of ``subject`` to ``handler`` from the read loop. Returns its undo."""

        async def never(message: Msg) -> None:
            raise AssertionError(f"{message.subject} was not handed over raw")

        subscription = await self._client.subscribe(subject, cb=never)
        sid = subscription._id
        self._client.raw[sid] = handler
        await self._client.flush()

        async def undo() -> None:
            if not self._client.is_closed:
                await subscription.unsubscribe()
            self._client.raw.pop(sid, None)

        return undo

    # -- stored messages ------------------------------------------------------------------------------------

    def store_nowait(
        self,
        subject: str,
        data: bytes,
        done: Done,
        *,
        msg_id: str | None = None,
        headers: dict[str, str] | None = None,
        patient: bool = True,
    ) -> None:
        """Store a message; ``done`` is called once, with `Stored` or with the error, from the event loop.

        With ``msg_id`` the message is sent again until it is acknowledged, through any number of reconnects, and the
        broker drops repeats of the id; without, a lost connection ends in `Unavailable` after a while. A subject that
        no stream takes is tried for ten seconds, as the broker may just be starting; not ``patient``, it fails at once.
        """
        self._next += 1
        token = b"%x" % self._next
        if msg_id is not None and headers is None:
            block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n" % msg_id.encode()
        else:
            fields = dict(headers or {})
            if msg_id is not None:
                fields["Nats-Msg-Id"] = msg_id
            block = _header_block(fields)
        command = b"HPUB %b %b%b %d %d\r\n%b%b\r\n" % (
            subject.encode(),
            self._inbox_bytes,
            token,
            len(block),
            len(block) + len(data),
            block,
            data,
        )
        self._waiting[token] = pending = _Pending(subject, command, done, safe=msg_id is not None, patient=patient)
        self._send_stored(pending)

    async def store(
        self,
        subject: str,
        data: bytes,
        msg_id: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        patient: bool = True,
    ) -> Stored:
        """Store a message and return where; raises what `store_nowait` reports."""
        future: asyncio.Future[Stored] = self._loop.create_future()

        def done(result: Stored | HeadraceError) -> None:
            if future.done():
                return
            if isinstance(result, HeadraceError):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.store_nowait(subject, data, done, msg_id=msg_id, headers=headers, patient=patient)
        return await future

    def _on_ack(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        token = subject[len(self._inbox_bytes) :]
        pending = self._waiting.get(token)
        if pending is None:
            return
        if not data:
            self._on_refused(token, pending)
            return
        del self._waiting[token]
        ack = _decode_ack(data)
        pending.done(_failure(ack.error) if ack.error else Stored(ack.seq, ack.duplicate))

    def _on_refused(self, token: bytes, pending: _Pending) -> None:
        """Nobody stores this subject: the stream is not up again yet, or the subject was fenced off."""
        pending.refused += 1
        if pending.refused > REFUSED_RETRIES or not pending.patient:
            self._waiting.pop(token, None)
            pending.done(Refused("subject-refused", "no stream takes this subject any more"))
            return
        pending.sent = False
        if pending.subject not in self._stalled:
            self._stalled.add(pending.subject)
            self._loop.call_later(0.02 * 2**pending.refused, self._resume, pending.subject)

    def _resume(self, subject: str) -> None:
        self._stalled.discard(subject)
        for pending in self._waiting.values():
            if pending.subject == subject:
                self._again(pending)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if not self.connected:
                continue
            late = self._loop.time() - RESEND_AFTER
            for token, pending in list(self._waiting.items()):
                if pending.since > late or not pending.sent:
                    continue
                if pending.safe:
                    self._send_stored(pending)
                else:
                    del self._waiting[token]
                    pending.done(Unavailable("no-answer", "the broker did not acknowledge in time"))

    # -- the JetStream API ----------------------------------------------------------------------------------

    async def api(self, verb: str, payload: dict[str, Any] | None = None, *, timeout: float = 5.0) -> dict[str, Any]:
        """Call ``$JS.API.<verb>``; the answer, or the error as one of our own (`NotFound` for 404)."""
        body = json.dumps(payload).encode() if payload is not None else b""
        answer: dict[str, Any] = json.loads(await self.request(f"$JS.API.{verb}", body, timeout))
        error = answer.get("error")
        if error:
            raise _failure(error)
        return answer

    async def get(self, stream: str, seq: int) -> Entry | None:
        """The message with that sequence number, or `None` when it is gone."""
        return await self._get(stream, {"seq": seq})

    async def last(self, stream: str, subject: str) -> Entry | None:
        """The newest message of a subject, or `None`."""
        return await self._get(stream, {"last_by_subj": subject})

    async def first_since(self, stream: str, subject: str, at: int) -> Entry | None:
        """The oldest message of ``subject`` stored at or after ``at`` (milliseconds since the epoch)."""
        from datetime import UTC, datetime

        moment = datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")
        return await self._get(stream, {"start_time": moment, "next_by_subj": subject})

    async def _get(self, stream: str, query: dict[str, Any]) -> Entry | None:
        try:
            message = await self._client.request(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), timeout=5)
        except nats.errors.NoRespondersError as error:
            raise NotFound("not-in-broker", f"there is no stream {stream}") from error
        except (TimeoutError, nats.errors.Error) as error:
            raise Unavailable("no-answer", f"the broker did not answer: {error}") from error
        headers = dict(message.headers or {})
        if headers.get("Status"):
            return None
        return Entry(
            headers.pop("Nats-Subject", ""),
            int(headers.pop("Nats-Sequence", 0)),
            _milliseconds(headers.pop("Nats-Time-Stamp", "")),
            headers,
            message.data,
        )

    async def read(
        self,
        stream: str,
        subjects: str | list[str],
        *,
        start_seq: int = 1,
        tail: int | None = None,
        follow: bool = False,
        headers_only: bool = False,
    ) -> AsyncIterator[Entry]:
        """Read a stream in order from ``start_seq`` (or the last ``tail`` messages); ends at its end unless ``follow``.

        ``follow`` goes on through reconnects, without gap or repeat, until the iterator is closed.
        """
        filters = [subjects] if isinstance(subjects, str) else subjects
        if tail is not None:
            start_seq = await self._tail_start(stream, filters, tail)
        while True:
            async for entry in self._read_once(stream, filters, start_seq, follow, headers_only):
                start_seq = entry.seq + 1
                yield entry
            if not follow:
                return

    async def _read_once(
        self, stream: str, filters: list[str], start_seq: int, follow: bool, headers_only: bool
    ) -> AsyncIterator[Entry]:
        queue: asyncio.Queue[tuple[bytes, bytes, bytes, bytes | None]] = asyncio.Queue()
        inbox = f"_INBOX.{secrets.token_hex(8)}"
        undo = await self.on_message(inbox, lambda *message: queue.put_nowait(message))
        name = ""
        try:
            info = await self._reader(stream, filters, start_seq, inbox, headers_only)
            name, left = info["name"], int(info["num_pending"])
            expected = 1
            while follow or left > 0:
                try:
                    subject, reply, data, headers = await asyncio.wait_for(queue.get(), 5.0)
                except TimeoutError:
                    if await self._reader_lives(stream, name):
                        continue
                    return
                if not reply.startswith(b"$JS.ACK."):
                    if reply:
                        self.publish(reply.decode(), b"")
                    continue
                entry, position, left = _entry(subject, reply, data, headers)
                if position != expected:
                    return
                expected += 1
                yield entry
        finally:
            await undo()
            if name and not self._closed.is_set():
                # Ephemeral: should this fail, the broker removes it by itself when nobody reads.
                with contextlib.suppress(HeadraceError):
                    await self.api(f"CONSUMER.DELETE.{stream}.{name}", timeout=1.0)

    async def _reader(
        self, stream: str, filters: list[str], start_seq: int, inbox: str, headers_only: bool
    ) -> dict[str, Any]:
        config: dict[str, Any] = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(start_seq, 1),
            "ack_policy": "none",
            "deliver_subject": inbox,
            "filter_subjects": filters,
            "flow_control": True,
            "idle_heartbeat": 2_000_000_000,
            "inactive_threshold": 10_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
            "headers_only": headers_only,
        }
        name = f"read_{secrets.token_hex(6)}"
        config["name"] = name
        return await self.api(
            f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "create"}
        )

    async def _reader_lives(self, stream: str, name: str) -> bool:
        try:
            await self.api(f"CONSUMER.INFO.{stream}.{name}")
        except (NotFound, Unavailable):
            return False
        return True

    async def _tail_start(self, stream: str, filters: list[str], tail: int) -> int:
        """Sequence number from which ``filters`` have the last ``tail`` messages: a search over the broker's counts."""
        state = (await self.api(f"STREAM.INFO.{stream}"))["state"]
        low, high = int(state["first_seq"]) or 1, int(state["last_seq"]) + 1
        if tail <= 0:
            return high
        while low < high:
            middle = (low + high) // 2
            if await self._count_from(stream, filters, middle) > tail:
                low = middle + 1
            else:
                high = middle
        return low

    async def _count_from(self, stream: str, filters: list[str], seq: int) -> int:
        info = await self._reader(stream, filters, seq, f"_INBOX.{secrets.token_hex(8)}", True)
        await self.api(f"CONSUMER.DELETE.{stream}.{info['name']}")
        return int(info["num_pending"])


def _milliseconds(stamp: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp() * 1000) if stamp else 0


def _entry(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> tuple[Entry, int, int]:
    """The entry, its number in this reading, and how many are left, from ``$JS.ACK.<stream>.<consumer>.….``."""
    tokens = reply.split(b".")
    seq, position, nanoseconds, left = int(tokens[5]), int(tokens[6]), int(tokens[7]), int(tokens[8])
    return (
        Entry(subject.decode(), seq, nanoseconds // 1_000_000, parse_headers(headers), data),
        position,
        left,
    )


def parse_headers(block: bytes | None) -> dict[str, str]:
    """Header fields of a raw message."""
    if not block:
        return {}
    fields = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.decode()] = value.strip().decode()
    return fields
