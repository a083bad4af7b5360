"""The objects of a flow: files and large bodies, in the broker, so that workers reach them with the server down.

One JetStream object bucket per flow, in the layout of NATS' ADR-20 (``nats object`` reads it), made when the flow's
first object is stored:

    $O.<flow id>.C.<nuid>          the content, in chunks
    $O.<flow id>.M.<base64 name>   what it is: size, digest, nuid, and our `ObjectInfo.metadata`; stored last

An id (``obj~`` and 22 hex digits) is never used twice and is recognisable wherever it stands: whatever holds one refers
to the object. `references` finds them in an envelope; they are stored beside it as a header, so that the sweep
(`headrace.control.sweep`) need not read bodies.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import cast

import msgspec

from headrace.bus import subjects
from headrace.bus.client import Bus, Entry, JournalFull, Stored
from headrace.errors import NotFound, Refused, TooLarge, Unavailable
from headrace.ids import new_id

__all__ = [
    "CHUNK",
    "MARK",
    "REFERENCES",
    "ObjectInfo",
    "Objects",
    "new_object_id",
    "pieces",
    "reference_headers",
    "references",
    "referred",
]

CHUNK = 256 * 1024
"""Bytes of content in one message: small enough that nobody's event loop is held up by one."""
SETTLE_WITHIN = 1.0
"""Seconds that chunks on their way have to arrive before those of a broken-off object are removed."""
UNDER_WAY = 8
"""Chunks without confirmation while an object is stored."""
REFERENCES = "Headrace-Objects"
"""Header of a stored message: ids of the objects it refers to, between commas; `MANY` for more than fit."""
MANY = "*"
MOST_LISTED = 100

MARK = ord("~")
"""A byte of every id, rare in JSON: looking for a single one, as a number, costs next to nothing."""
_ID = re.compile(rb"obj~[0-9a-f]{22}")
_encode = msgspec.json.Encoder().encode


def new_object_id() -> str:
    """An id that no object has had."""
    return f"obj~{new_id()}"


def references(data: bytes) -> list[str]:
    """Ids of objects that ``data`` refers to, in no order. Costs next to nothing where there are none."""
    return [each.decode() for each in set(_ID.findall(data))] if MARK in data else []


def reference_headers(data: bytes) -> dict[str, str] | None:
    """The headers with which an envelope is stored; `None` for one that refers to no object."""
    found = references(data)
    if not found:
        return None
    return {REFERENCES: ",".join(sorted(found)) if len(found) <= MOST_LISTED else MANY}


def referred(headers: Mapping[str, str]) -> frozenset[str] | None:
    """The ids that `reference_headers` wrote; `None`: they have to be read from the message itself."""
    listed = headers.get(REFERENCES, "")
    return None if listed == MANY else frozenset(filter(None, listed.split(",")))


def pieces(data: bytes | memoryview) -> Iterator[bytes]:
    """``data`` in chunks."""
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        yield bytes(view[start : start + CHUNK])


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object. ``metadata`` holds texts under names of the writer's choice."""

    name: str
    nuid: str
    bucket: str
    size: int
    chunks: int
    digest: str
    """``SHA-256=`` and the digest of the content, base64url."""
    mtime: str
    metadata: dict[str, str] = {}

    @property
    def expires(self) -> int:
        """When it may be deleted if nothing refers to it, milliseconds since the epoch."""
        return int(self.metadata.get("expires", 0))

    @property
    def created(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.metadata.get("created", 0))


_decode_info = msgspec.json.Decoder(ObjectInfo).decode


class Objects:
    """The objects of one flow, at most ``budget`` bytes of them."""

    def __init__(self, bus: Bus, flow_id: str, budget: int) -> None:
        self._bus = bus
        self._flow_id = flow_id
        self._budget = budget
        self._stream = subjects.objects(flow_id)
        self._made = False

    # -- writing --------------------------------------------------------------------------------------------

    async def put(
        self,
        chunks: AsyncIterator[bytes] | Iterator[bytes],
        *,
        name: str = "",
        keep: float = 0.0,
        metadata: Mapping[str, str] | None = None,
        most: int | None = None,
    ) -> ObjectInfo:
        """Store an object, or new content for the object ``name``; readers see all of it or nothing.

        ``keep``: seconds for which it stays although nothing refers to it. Cancelled, or after an error, nothing is
        kept of it. Raises `TooLarge` (``object-too-large``) beyond ``most`` bytes and `Unavailable`, with reason
        ``objects-full`` when the budget is used up.
        """
        name = name or new_object_id()
        nuid = secrets.token_hex(11)
        try:
            await self._setup()
            size, number, digest = await self._store(nuid, chunks, most)
            now = time.time_ns() // 1_000_000
            info = ObjectInfo(
                name=name,
                nuid=nuid,
                bucket=self._flow_id,
                size=size,
                chunks=number,
                digest=f"SHA-256={digest}",
                mtime=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                metadata={"created": str(now), "expires": str(now + int(keep * 1000)), **(metadata or {})},
            )
            await self._bus.store(
                self._meta(name), _encode(info), msg_id=f"{nuid}.meta", headers={"Nats-Rollup": "sub"}
            )
        except JournalFull as error:
            self._purge(self._chunks(nuid))
            told = f"the objects of this flow have used up their {self._budget} bytes (object_bytes)"
            raise Unavailable("objects-full", told, next_step="Delete objects, or raise the setting.") from error
        except BaseException:
            self._made = False  # perhaps the stream is gone
            self._purge(self._chunks(nuid))
            raise
        return info

    async def put_bodies(self, bodies: Iterable[tuple[str, bytes | memoryview]], keep: float) -> None:
        """Store large bodies under their names, which are new, for messages that will refer to them."""
        metadata = {"kind": "body", "content-type": "application/json"}
        for name, data in bodies:
            await self.put(pieces(data), name=name, keep=keep, metadata=metadata)

    async def _store(
        self, nuid: str, chunks: AsyncIterator[bytes] | Iterator[bytes], most: int | None
    ) -> tuple[int, int, str]:
        """Store the content; its size, the number of chunks and the digest."""
        digest, size, number = hashlib.sha256(), 0, 0
        subject = self._chunks(nuid)
        under_way: set[asyncio.Future[Stored]] = set()
        try:
            async for chunk in _even(chunks):
                size, number = size + len(chunk), number + 1
                if most is not None and size > most:
                    raise TooLarge(
                        "object-too-large",
                        f"the object is larger than {most} bytes (object_limit)",
                        next_step="Store less, or raise the setting.",
                    )
                digest.update(chunk)
                under_way.add(asyncio.ensure_future(self._bus.store(subject, chunk, msg_id=f"{nuid}.{number}")))
                if len(under_way) >= UNDER_WAY:
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for each in done:
                        each.result()
            for each in under_way:
                await each
        finally:
            if under_way:  # what is stored after a purge would stay
                await asyncio.wait(under_way, timeout=SETTLE_WITHIN)
            for each in under_way:
                each.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return size, number, base64.urlsafe_b64encode(digest.digest()).decode()

    async def _setup(self) -> None:
        """Make the stream, or give it its size."""
        if self._made:
            return
        config = {
            "name": self._stream,
            "subjects": [f"$O.{self._flow_id}.C.>", f"$O.{self._flow_id}.M.>"],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_bytes": self._budget,
            "allow_rollup_hdrs": True,
            "allow_direct": True,
            "num_replicas": 1,
        }
        try:
            await self._bus.api(f"STREAM.CREATE.{self._stream}", config)
        except Refused:  # it is there, with another size
            await self._bus.api(f"STREAM.UPDATE.{self._stream}", config)
        self._made = True

    async def change(self, info: ObjectInfo, metadata: Mapping[str, str]) -> None:
        """Replace the metadata of the object."""
        changed = msgspec.structs.replace(info, metadata=dict(metadata))
        await self._bus.store(self._meta(info.name), _encode(changed), headers={"Nats-Rollup": "sub"})

    async def delete(self, name: str) -> bool:
        """Delete the object; whether there was one."""
        info = await self.info(name)
        if info is None:
            return False
        await self._purged(self._meta(name))
        await self._purged(self._chunks(info.nuid))
        return True

    async def forget(self, nuid: str) -> None:
        """Delete content that no object has, or has any more."""
        await self._purged(self._chunks(nuid))

    async def _purged(self, subject: str) -> None:
        await self._bus.api(f"STREAM.PURGE.{self._stream}", {"filter": subject})

    def _purge(self, subject: str) -> None:
        """The same without waiting; a lost request leaves it to the sweep."""
        request = json.dumps({"filter": subject}).encode()
        self._bus.publish(f"$JS.API.STREAM.PURGE.{self._stream}", request)

    # -- reading --------------------------------------------------------------------------------------------

    async def info(self, name: str) -> ObjectInfo | None:
        """What is known of the object, or `None` when there is none."""
        try:
            entry = await self._bus.last(self._stream, self._meta(name))
        except NotFound:
            return None
        return None if entry is None else _decode_info(entry.data)

    async def find(self, name: str) -> ObjectInfo:
        """Like `info`, but `NotFound` (``no-such-object``) when there is none."""
        info = await self.info(name)
        if info is None:
            told = f"there is no object {name[:64]!r} in this flow"
            raise NotFound("no-such-object", told, next_step="It was deleted, has expired, or is another flow's.")
        return info

    async def read(self, info: ObjectInfo, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """The content from byte ``start`` up to ``end``, in chunks.

        Read as a whole its digest is checked before the last chunk is given. `Refused` (``object-damaged``) when that
        fails or something is missing.
        """
        end = info.size if end is None else min(end, info.size)
        digest = hashlib.sha256() if (start, end) == (0, info.size) else None
        at, held = 0, b""
        async with aclosing(self._content(info)) as chunks:
            async for chunk in chunks:
                if digest is not None:
                    digest.update(chunk)
                part = chunk[max(start - at, 0) : max(end - at, 0)]
                at += len(chunk)
                if part:
                    if held:
                        yield held
                    held = part
                if at >= end and digest is None:
                    break
        whole = at >= end if digest is None else f"SHA-256={_text(digest.digest())}" == info.digest
        if not whole:
            raise Refused("object-damaged", f"the content of object {info.name} is not what was stored")
        if held:
            yield held

    async def _content(self, info: ObjectInfo) -> AsyncGenerator[bytes]:
        subject = self._chunks(info.nuid)
        if info.chunks == 1:  # most are small: one request instead of a consumer
            entry = await self._bus.last(self._stream, subject)
            if entry is not None:
                yield entry.data
        elif info.chunks > 1:
            reading = cast("AsyncGenerator[Entry]", self._bus.read(self._stream, subject))
            async with aclosing(reading) as entries:
                async for entry in entries:
                    yield entry.data

    async def get(self, name: str) -> bytes:
        """The whole content. Raises what `find` and `read` do."""
        info = await self.find(name)
        async with aclosing(self.read(info)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def all(self) -> list[ObjectInfo]:
        """Every object of the flow, oldest change first."""
        subject = f"$O.{self._flow_id}.M.>"
        try:
            return [_decode_info(entry.data) async for entry in self._bus.read(self._stream, subject)]
        except NotFound:
            return []

    async def loose(self, infos: list[ObjectInfo], *, older_than: float) -> list[str]:
        """Content (nuids) that belongs to none of ``infos`` and to which nothing was added for that many seconds."""
        known = {each.nuid for each in infos}
        prefix = f"$O.{self._flow_id}.C."
        found: list[str] = []
        try:
            info = await self._bus.api(f"STREAM.INFO.{self._stream}", {"subjects_filter": f"{prefix}>"})
        except NotFound:
            return found
        for subject in info["state"].get("subjects") or {}:
            nuid = subject.removeprefix(prefix)
            if nuid in known:
                continue
            newest = await self._bus.last(self._stream, subject)
            if newest is not None and newest.at < (time.time() - older_than) * 1000:
                found.append(nuid)
        return found

    async def used(self) -> int:
        """Bytes the objects take; 0 when there never was one."""
        with contextlib.suppress(NotFound):
            return int((await self._bus.api(f"STREAM.INFO.{self._stream}"))["state"]["bytes"])
        return 0

    async def remove(self) -> None:
        """Delete all objects of the flow. Nothing happens when there are none."""
        self._made = False
        with contextlib.suppress(NotFound):
            await self._bus.api(f"STREAM.DELETE.{self._stream}")

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._flow_id}.C.{nuid}"

    def _meta(self, name: str) -> str:
        return f"$O.{self._flow_id}.M.{_text(name.encode())}"


async def _even(chunks: AsyncIterator[bytes] | Iterator[bytes]) -> AsyncGenerator[bytes]:
    """``chunks`` in pieces of `CHUNK` bytes, whatever their size was; the loop has its turn after each."""
    parts, size = bytearray(), 0
    if isinstance(chunks, AsyncIterator):
        async for each in chunks:
            parts += each
            for piece in _whole(parts):
                yield piece
    else:
        for each in chunks:
            if not parts and len(each) == CHUNK:
                yield each
                await asyncio.sleep(0)
                continue
            parts += each
            for piece in _whole(parts):
                yield piece
                await asyncio.sleep(0)
    size = len(parts)
    if size:
        yield bytes(parts)


def _whole(parts: bytearray) -> Iterator[bytes]:
    while len(parts) >= CHUNK:
        yield bytes(parts[:CHUNK])
        del parts[:CHUNK]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
