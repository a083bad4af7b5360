"""One connection to the broker.

nats-py keeps the connection (handshake, reconnecting, pings, subscriptions). Two shortcuts make the hot path cheap:
`Bus.store_nowait` writes a publish straight into the outgoing buffer (see `headrace.bus.stores`); `Bus.on_message`
hands raw messages to a plain function from the read loop. Both, and what
a lost connection needs, reach into private attributes of nats-py (``_pending``, ``_process_msg``, ``_transport``,
``_resp_map``, ``_sid``, ``_subs``, ``_pongs``), which `tests/contract/test_bus_client.py` pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from headrace.bus.stores import Done, JournalFull, Stored, Stores, failure
from headrace.errors import HeadraceError, NotFound, TooLarge, Unavailable

__all__ = ["Bus", "Done", "Entry", "JournalFull", "RawHandler", "Stored", "milliseconds", "stamp"]

RawHandler = Callable[[bytes, bytes, bytes, bytes | None], None]
"""``(subject, reply, data, headers)``, called from the read loop: must be quick; what it raises is logged."""

KEPT = 10_000
"""Plain messages that wait for a broker that is away; beyond that the oldest are let go."""
HEADERS = 4_096
"""Bytes of a message's headers, at most, which count towards the broker's largest payload."""

_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """A message read back from a stream. ``at`` is in milliseconds since the epoch."""

    subject: str
    seq: int
    at: int
    headers: dict[str, str]
    data: bytes


class _Client(Client):
    """nats-py, with messages of chosen subscriptions handed over raw, and flushes that may be cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: dict[int, RawHandler] = {}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        handler = self.raw.get(sid)
        if handler is not None:
            try:
                handler(subject, reply, data, headers)
            except Exception:  # a mistake of ours; the read loop, and with it the connection, would die of it
                _log.exception("a message of %s was not handled", subject.decode(errors="replace"))
        else:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]

    async def _process_pong(self) -> None:
        # Whoever asked may have given up. nats-py would set the result all the same, and its read loop end of that.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


def _heed_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11, which nats-py uses, swallows a cancellation that comes with the result: the
    task would go on as if nobody had cancelled it. Our own code uses `asyncio.timeout`."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


_HEADER_LINE = b"NATS/1.0\r\n"


def _header_block(headers: dict[str, str]) -> bytes:
    lines = [_HEADER_LINE]
    for name, value in headers.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"header {name} has a line break")
        lines.append(f"{name}: {value}\r\n".encode())
    lines.append(b"\r\n")
    return b"".join(lines)


class Bus:
    """A connection. Made by `connect`; `close` it, or use it as an async context manager."""

    def __init__(self) -> None:
        self._client = _Client()
        self._loop = asyncio.get_running_loop()
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        self._inbox_bytes = self._inbox.encode() + b"."
        self._stores = Stores(self._send, self._inbox_bytes)
        self._flushing = False
        self._away = False
        self.session = 0
        """Grows whenever the connection is lost: what was on its way to us then is lost with it."""
        self._later: deque[bytes] = deque(maxlen=KEPT)
        """Plain messages for when the broker is back."""
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
        """Connection errors are met by reconnecting; what is left was raised by a subscriber."""
        if not isinstance(error, (nats.errors.Error, OSError, TimeoutError)):
            _log.error("a message was not handled", exc_info=error)

    async def _on_disconnect(self) -> None:
        """Nothing goes out until everything older has: what is unsent is set aside, stores are all sent again."""
        self._away = True
        self.session += 1
        self._stores.away()
        for answer in [*self._client._resp_map.values(), *self._client._pongs]:
            if not answer.done():  # it is lost, or was never asked for
                answer.set_exception(nats.errors.StaleConnectionError())
                answer.exception()  # seen, for nobody waits for the answers to nats-py's own pings
        unsent, self._client._pending = self._client._pending, []
        self._client._pending_data_size = 0
        self._later += [command for command in unsent if command.startswith(b"PUB ")]

    async def _on_reconnect(self) -> None:
        self._away = False
        while self._later:
            self._send(self._later.popleft())
        self._stores.back()
        for callback in list(self._reconnected):
            try:
                callback()
            except Exception:  # a mistake of ours; the others have to be told all the same
                _log.exception("a reconnection was not handled")

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every reconnection, when subscriptions are in place again. Returns its undo."""
        self._reconnected.append(callback)
        return lambda: self._reconnected.remove(callback)

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
        self._stores.close()
        if not self._client.is_connected:
            # nats-py would write it to the lost connection, and fail with its subscriptions left behind.
            self._client._pending, self._client._pending_data_size = [], 0
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

    def publish(self, subject: str, data: bytes, *, reply: str = "", keep: bool = True) -> None:
        """Send a message that nobody stores; `TooLarge` for more than the broker takes.

        While the broker is away it waits in memory, as one of the newest `KEPT`; not to be ``keep``-t, it is let go.
        """
        if self._away and not keep:
            return
        if len(data) > self._client.max_payload:
            raise self._too_large(data)
        self._send(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data))

    def _too_large(self, data: bytes) -> TooLarge:
        # Sent all the same, it would end the connection; and, sent again, the next one.
        limit = self._client.max_payload
        return TooLarge("over-broker-limit", f"{len(data)} bytes are more than the broker takes (max_payload: {limit})")

    async def flush(self) -> None:
        """Return when the broker has seen everything sent so far; `Unavailable` (``no-answer``) after 10 s."""
        self._flush()
        if not self.connected:
            raise Unavailable("no-answer", "the broker is away")
        try:
            await self._client.flush(timeout=10)
            _heed_cancellation()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Unavailable("no-answer", f"the broker does not answer: {error}") from error

    async def request(self, subject: str, data: bytes = b"", timeout: float = 5.0) -> bytes:
        """Ask and return the answer; `Unavailable` (``no-answer``) when nobody listens or the time is over."""
        return (await self._ask(subject, data, timeout)).data

    async def _ask(self, subject: str, data: bytes, timeout: float) -> Msg:
        try:
            answer = await self._client.request(subject, data, timeout=timeout)
            _heed_cancellation()
            return answer
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Unavailable("no-answer", f"nobody answered on {subject}: {error or 'timeout'}") from error

    async def subscribe(
        self, subject: str, callback: Callable[[str, bytes, str], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Call ``await callback(subject, data, reply)`` for each message, one after another. Returns its undo.

        `Unavailable` (``no-answer``) when the broker does not confirm it; nothing is subscribed then.
        """

        async def handle(message: Msg) -> None:
            await callback(message.subject, message.data, message.reply)

        return await self._subscribed(subject, handle, None)

    async def on_message(self, subject: str, handler: RawHandler) -> Callable[[], Awaitable[None]]:
        """Hand each raw message of ``subject`` to ``handler`` from the read loop; else like `subscribe`."""

        async def never(message: Msg) -> None:
            raise AssertionError(f"{message.subject} was not handed over raw")

        return await self._subscribed(subject, never, handler)

    async def _subscribed(
        self, subject: str, callback: Callable[[Msg], Awaitable[None]], raw: RawHandler | None
    ) -> Callable[[], Awaitable[None]]:
        client = self._client
        sid = client._sid + 1  # known before the broker is told: its first message may be faster than we are
        if raw is not None:
            client.raw[sid] = raw
        subscription = None

        async def undo() -> None:
            client.raw.pop(sid, None)
            if subscription is not None and not client.is_closed:
                with contextlib.suppress(nats.errors.Error, OSError):  # it is forgotten here in any case
                    await subscription.unsubscribe()

        try:
            subscription = await client.subscribe(subject, cb=callback, pending_msgs_limit=-1, pending_bytes_limit=-1)
            _heed_cancellation()
            await self.flush()
        except BaseException as error:
            await undo()
            if isinstance(error, (nats.errors.Error, OSError)):
                raise Unavailable("no-answer", f"cannot listen on {subject}: {error}") from error
            raise
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
        wait: bool = False,
    ) -> None:
        """Store a message; ``done`` is called once, with `Stored` or with the error, from the event loop.

        With ``msg_id`` the message is sent again until it is acknowledged, through any number of reconnects, and the
        broker drops repeats of the id; without, a lost connection ends in `Unavailable` after a while. A subject that
        no stream takes is tried for ten seconds, as the broker may just be starting; not ``patient``, it fails at once.
        With ``wait`` a full stream, or a broker that cannot now, is waited for as long as it takes, else `JournalFull`
        and the like say so. Patient messages of one subject are stored in the order of these calls.
        """
        if len(data) > self._client.max_payload - HEADERS:
            self._loop.call_soon(done, self._too_large(data))
            return
        if msg_id is not None and headers is None:
            block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n" % msg_id.encode()
        else:
            fields = dict(headers or {})
            if msg_id is not None:
                fields["Nats-Msg-Id"] = msg_id
            block = _header_block(fields)
        self._stores.put(subject, block, data, done, safe=msg_id is not None, patient=patient, wait=wait)

    async def store(
        self,
        subject: str,
        data: bytes,
        msg_id: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        patient: bool = True,
        wait: bool = False,
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

        self.store_nowait(subject, data, done, msg_id=msg_id, headers=headers, patient=patient, wait=wait)
        return await future

    def _on_ack(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self._stores.answer(subject[len(self._inbox_bytes) :], data)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self.connected and not self._away:
                self._stores.sweep()

    # -- the JetStream API ----------------------------------------------------------------------------------

    async def api(self, verb: str, payload: dict[str, Any] | None = None, *, timeout: float = 5.0) -> dict[str, Any]:
        """Call ``$JS.API.<verb>``; the answer, or the error as one of our own (`NotFound` for 404)."""
        body = json.dumps(payload).encode() if payload is not None else b""
        answer: dict[str, Any] = json.loads(await self.request(f"$JS.API.{verb}", body, timeout))
        error = answer.get("error")
        if error:
            raise failure(error)
        return answer

    async def get(self, stream: str, seq: int) -> Entry | None:
        """The message with that sequence number, or `None` when it is gone."""
        return await self._get(stream, {"seq": seq})

    async def last(self, stream: str, subject: str) -> Entry | None:
        """The newest message of a subject, or `None`."""
        return await self._get(stream, {"last_by_subj": subject})

    async def first_since(self, stream: str, subject: str, at: int) -> Entry | None:
        """The oldest message of ``subject`` stored at or after ``at`` (milliseconds since the epoch)."""
        return await self._get(stream, {"start_time": stamp(at), "next_by_subj": subject})

    async def _get(self, stream: str, query: dict[str, Any]) -> Entry | None:
        try:
            message = await self._ask(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), 5.0)
        except Unavailable as error:
            if isinstance(error.__cause__, nats.errors.NoRespondersError):
                raise NotFound("not-in-broker", f"there is no stream {stream}") from error
            raise
        headers = dict(message.headers or {})
        if headers.get("Status"):
            return None
        return Entry(
            headers.pop("Nats-Subject", ""),
            int(headers.pop("Nats-Sequence", 0)),
            milliseconds(headers.pop("Nats-Time-Stamp", "")),
            headers,
            message.data,
        )

    def read(
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

        Goes on through gaps and reconnects without leaving out or repeating anything. `Unavailable` when the broker
        does not answer; with ``follow`` that is waited out. Close the iterator (`contextlib.aclosing`) to end early.
        """
        from headrace.bus import reading

        filters = [subjects] if isinstance(subjects, str) else subjects
        return reading.read(self, stream, filters, start_seq, tail, follow=follow, headers_only=headers_only)


def milliseconds(written: str) -> int:
    """Since the epoch, of a moment as the broker writes it; 0 for nothing."""
    from datetime import datetime

    return int(datetime.fromisoformat(written[:26].rstrip("Z") + "+00:00").timestamp() * 1000) if written else 0


def stamp(at: int) -> str:
    """A moment, in milliseconds since the epoch, as the broker reads it."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")
