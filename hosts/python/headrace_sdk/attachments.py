"""A message's attachments, and the files behind them.

    async with ctx.attachments.open("orders.csv") as file:
        async for chunk in file: …

    stored = await ctx.attachments.put(data, content_type="text/csv")
    yield Message({}, attachments={"out.csv": stored})

Blocking code leaves out ``async`` and ``await``, and writes ``.put(…).result()``. Content passes in chunks.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from headrace_sdk.errors import AttachmentError

__all__ = ["CHUNK", "Attachments", "Files", "Reading", "Source", "Storing", "Upload"]

CHUNK = 256 * 1024
T = TypeVar("T")


class Source(Protocol):
    """A file that is being read. Both methods may block."""

    @abstractmethod
    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...

    @abstractmethod
    def close(self) -> None: ...


class Upload(Protocol):
    """A file that is being stored. All methods may block."""

    @abstractmethod
    def send(self, data: bytes, /) -> None: ...

    @abstractmethod
    def end(self) -> str:
        """Return the file's address when all of it is durable."""
        ...

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. Safe after `end`."""
        ...


class Files(Protocol):
    """Where files are: the flow's object store, or a test's memory."""

    @abstractmethod
    def open(self, url: str, /) -> Source: ...

    @abstractmethod
    def begin(self, content_type: str, keep: float | None, size: int | None, /) -> Upload:
        """``keep``: seconds to stay; `None`: as the platform has it. ``size``: bytes, when that is known."""
        ...


class Attachments(dict[str, Any]):
    """The incoming message's attachments, by name; each has at least a ``url``."""

    def __init__(self, entries: Mapping[str, Any], files: Files) -> None:
        super().__init__(entries)
        self._files = files

    def open(self, which: str | Mapping[str, Any]) -> Reading:
        """Read a file: an attachment of this name, an address, or an entry as `put` returns it.

        An address that is not the platform's is read as it is, without the flow's token. Errors (`AttachmentError`)
        come when the file is entered or first read.
        """
        return Reading(lambda: self._files.open(self._url(which)))

    def put(
        self,
        data: bytes | bytearray | memoryview | Source | Iterable[bytes] | AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        keep: float | None = None,
    ) -> Storing:
        """Store a file: bytes, an open file, or what yields bytes. Nothing happens before it is waited for.

        Returns an entry for a message's attachments: ``{"url", "content-type", "size"}``. ``keep``: seconds it stays
        although nothing refers to it. `AttachmentError` when it was not stored.
        """
        if isinstance(data, str):
            raise TypeError("a file is bytes: encode the text")
        return Storing(self._files, data, content_type, keep)

    def _url(self, which: str | Mapping[str, Any]) -> str:
        if isinstance(which, str) and which not in self:
            if which.startswith(("http://", "https://", "memory:")):
                return which
            known = ", ".join(self) or "none"
            raise AttachmentError("no-such-attachment", f"the message has no attachment {which!r}; it has {known}")
        entry = self[which] if isinstance(which, str) else which
        url = entry.get("url") if isinstance(entry, Mapping) else None
        if not isinstance(url, str):
            raise AttachmentError("no-such-attachment", f"the attachment {which!r} has no `url`")
        return url


def _check_thread(instead: str) -> None:
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(f"write `{instead}` in async code; this would block the event loop")


class Reading:
    """A file being read: in chunks, or as a whole. Use it as a (async) context manager."""

    def __init__(self, opened: Callable[[], Source]) -> None:
        self._opened = opened
        self._source: Source | None = None

    def _open(self) -> Source:
        if self._source is None:
            self._source = self._opened()
        return self._source

    def close(self) -> None:
        """Let go of the connection. Safe twice."""
        if self._source is not None:
            self._source.close()

    # Blocking

    def __enter__(self) -> Readable:
        _check_thread("async with ctx.attachments.open(…)")
        return Readable(self._open())

    def __exit__(self, *_: object) -> None:
        self.close()

    # Async

    async def __aenter__(self) -> AsyncReadable:
        return AsyncReadable(await asyncio.to_thread(self._open))

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Readable:
    """An open file, for blocking code."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, or all that is left."""
        return self._source.read(size) if size >= 0 else b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._source.read(CHUNK):
            yield chunk


class AsyncReadable:
    """An open file, for async code."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, or all that is left."""
        if size >= 0:
            return await asyncio.to_thread(self._source.read, size)
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(self._source.read, CHUNK):
            yield chunk


class Storing:
    """A file to be stored: ``await`` it, or call `result` in blocking code. Once."""

    def __init__(self, files: Files, data: Any, content_type: str, keep: float | None) -> None:
        self._files = files
        self._data = data
        self._type = content_type
        self._keep = keep

    def result(self) -> dict[str, Any]:
        """Store it and return its entry."""
        _check_thread("await ctx.attachments.put(…)")
        if isinstance(self._data, AsyncIterable):
            raise TypeError("an async iterable can only be stored by async code")
        return self._store()

    def __await__(self) -> Generator[Any, Any, dict[str, Any]]:
        return self._stored().__await__()

    async def _stored(self) -> dict[str, Any]:
        if not isinstance(self._data, AsyncIterable):
            return await asyncio.to_thread(self._store)
        upload, size = await asyncio.to_thread(self._begin), 0
        try:
            async for chunk in self._data:
                await asyncio.to_thread(upload.send, chunk)
                size += len(chunk)
            return self._entry(await asyncio.to_thread(upload.end), size)
        finally:
            upload.abort()

    def _begin(self) -> Upload:
        size = len(memoryview(self._data)) if isinstance(self._data, bytes | bytearray | memoryview) else None
        return self._files.begin(self._type, self._keep, size)

    def _store(self) -> dict[str, Any]:
        upload, size = self._begin(), 0
        try:
            for chunk in _chunks(self._data):
                upload.send(chunk)
                size += len(chunk)
            return self._entry(upload.end(), size)
        finally:
            upload.abort()

    def _entry(self, url: str, size: int) -> dict[str, Any]:
        return {"url": url, "content-type": self._type, "size": size}


def _chunks(data: Any) -> Iterator[bytes]:
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK):
            yield bytes(view[start : start + CHUNK])
    elif hasattr(data, "read"):
        while chunk := data.read(CHUNK):
            yield chunk
    else:
        for chunk in data:
            if chunk:
                yield chunk
