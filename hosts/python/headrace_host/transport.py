"""The socket to the worker. What is sent within one turn of the event loop leaves in one write, or at a `flush`."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable

from headrace_host.frames import FrameError, Splitter

__all__ = ["Transport"]

_CHUNK = 65_536
_CONGESTED = 4 * 1024 * 1024


class Transport:
    """Reads frames on the loop; takes frames to send from any thread.

    ``on_line`` gets every line that arrives, ``on_lost`` the reason when the worker is gone (called once).
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        on_line: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
        self.lock = threading.RLock()
        """Held to number and queue an emission in one piece. Re-entrant: a finaliser may log at any moment."""
        self._sock, self._loop = sock, loop
        self._on_line, self._on_lost = on_line, on_lost
        self._splitter = Splitter()
        self._thread = threading.get_ident()
        self._waiting: list[bytes] = []
        self._unsent = memoryview(b"")
        self._size = 0
        self._flush_due = False
        loop.add_reader(sock, self._readable)

    @property
    def congested(self) -> bool:
        """The worker reads more slowly than frames are made; what can be dropped should be."""
        return self._size > _CONGESTED

    def send(self, frame: bytes) -> None:
        """Queue a frame. Frames leave in the order they were queued."""
        with self.lock:
            self._waiting.append(frame)
            self._size += len(frame)
            if self._flush_due:
                return
            self._flush_due = True
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self.flush)
        else:
            self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """Write what is queued, as far as the socket takes it; the rest follows by itself."""
        with self.lock:
            self._flush_due = False
            if self._unsent or not self._waiting:
                return
            frames, self._waiting = self._waiting, []
        self._write(memoryview(frames[0] if len(frames) == 1 else b"".join(frames)))

    @property
    def drained(self) -> bool:
        """Everything sent has left."""
        return not self._unsent and not self._waiting

    def drain(self) -> None:
        """Write everything, blocking; for the last words before an exit. Gives up when the worker is gone."""
        self._sock.setblocking(True)
        try:
            while not self.drained:
                with self.lock:
                    data, self._waiting = b"".join((self._unsent, *self._waiting)), []
                    self._unsent = memoryview(b"")
                self._sock.sendall(data)
        except OSError:
            pass

    def _write(self, data: memoryview) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            self._lost(str(problem))
            return
        self._size -= sent
        if sent == len(data):
            if self._unsent:
                self._loop.remove_writer(self._sock)
                self._unsent = memoryview(b"")
                self.flush()
            return
        if not self._unsent:
            self._loop.add_writer(self._sock, self._writable)
        self._unsent = data[sent:]

    def _writable(self) -> None:
        self._write(self._unsent)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as problem:
            self._lost(str(problem))
            return
        if not data:
            self._lost("the worker closed the socket")
            return
        try:
            for line in self._splitter.feed(data):
                self._on_line(line)
        except FrameError as problem:
            self._lost(str(problem))
        # Calls just started run in the coming turn of the loop; a flush queued behind them sends all they have to say.
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def _lost(self, why: str) -> None:
        self._loop.remove_reader(self._sock)
        self._on_lost(why)
