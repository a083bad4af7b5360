from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from headrace_host.transport import Transport


class Wire:
    """A transport and the worker's end of its socket, which keeps the borders between writes."""

    def __init__(self, kind: socket.SocketKind) -> None:
        ours, self.worker = socket.socketpair(socket.AF_UNIX, kind)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.worker.setblocking(False)
        self.lines: list[bytes] = []
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ours = ours
        self.transport = Transport(ours, asyncio.get_running_loop(), self.lines.append, self.lost.set_result)

    async def write(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.worker, 1 << 20), 10)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.ours)
        loop.remove_writer(self.ours)
        self.ours.close()
        self.worker.close()


@pytest.fixture
async def packets() -> Iterator[Wire]:  # type: ignore[misc]
    wire = Wire(socket.SOCK_SEQPACKET)
    yield wire
    wire.close()


@pytest.fixture
async def stream() -> Iterator[Wire]:  # type: ignore[misc]
    wire = Wire(socket.SOCK_STREAM)
    yield wire
    wire.close()


async def test_frames_of_one_turn_leave_in_one_write(packets: Wire) -> None:
    packets.transport.send(b"1\n")
    packets.transport.send(b"2\n")
    assert await packets.write() == b"1\n2\n"
    packets.transport.send(b"3\n")
    assert await packets.write() == b"3\n"


async def test_what_a_frame_starts_leaves_in_one_write(packets: Wire) -> None:
    async def answer(line: bytes) -> None:
        packets.transport.send(line + b"\n")

    tasks: list[asyncio.Task[None]] = []
    packets.lines = []
    packets.transport._on_line = lambda line: tasks.append(asyncio.create_task(answer(line)))
    packets.worker.send(b"a\nb\nc\n")
    assert await packets.write() == b"a\nb\nc\n"


async def test_a_flush_does_not_wait_for_the_end_of_the_turn(packets: Wire) -> None:
    packets.transport.send(b"1\n")
    packets.transport.flush()
    packets.transport.send(b"2\n")
    assert await packets.write() == b"1\n"
    assert await packets.write() == b"2\n"


async def test_frames_of_threads_arrive_in_each_threads_order(stream: Wire) -> None:
    def work(name: bytes) -> None:
        for n in range(200):
            stream.transport.send(b"%b%d\n" % (name, n))

    threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b")]
    for thread in threads:
        thread.start()
    received = b""
    while received.count(b"\n") < 400:
        received += await stream.write()
    lines = received.decode().split()
    for name in "ab":
        assert [line for line in lines if line[0] == name] == [f"{name}{n}" for n in range(200)]


async def test_what_the_socket_does_not_take_follows_in_order(stream: Wire) -> None:
    frames = [b"%d%b\n" % (n, b"x" * 50_000) for n in range(5)]
    for frame in frames[:3]:
        stream.transport.send(frame)
    await asyncio.sleep(0)
    for frame in frames[3:]:
        stream.transport.send(frame)
    assert not stream.transport.drained
    expected = b"".join(frames)
    received = b""
    while len(received) < len(expected):
        received += await stream.write()
    assert received == expected
    await until(lambda: stream.transport.drained)


async def test_congestion_ends_when_the_worker_reads(stream: Wire) -> None:
    for _ in range(5):
        stream.transport.send(b"x" * 1_000_000)
    assert stream.transport.congested
    received = 0
    while received < 5_000_000:
        received += len(await stream.write())
    assert not stream.transport.congested


async def test_drain_writes_everything_at_once(stream: Wire) -> None:
    stream.transport.send(b"x" * 100_000)
    reader = threading.Thread(target=_read_all, args=(stream.worker, 100_000))
    stream.worker.setblocking(True)
    reader.start()
    stream.transport.drain()
    reader.join(10)
    assert stream.transport.drained


async def test_drain_gives_up_when_the_worker_is_gone(stream: Wire) -> None:
    stream.transport.send(b"x" * 100_000)
    stream.worker.close()
    stream.transport.drain()


async def test_lines_arrive_whole(stream: Wire) -> None:
    stream.worker.send(b"on")
    await asyncio.sleep(0)
    stream.worker.send(b"e\ntwo\n")
    await until(lambda: len(stream.lines) == 2)
    assert stream.lines == [b"one", b"two"]


async def test_the_end_of_the_worker_is_told_once(stream: Wire) -> None:
    stream.worker.close()
    assert await asyncio.wait_for(stream.lost, 10) == "the worker closed the socket"


async def test_a_write_to_a_worker_that_is_gone_tells_so(stream: Wire) -> None:
    stream.worker.shutdown(socket.SHUT_RD)
    stream.transport.send(b"x\n")
    assert "roken pipe" in await asyncio.wait_for(stream.lost, 10)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the transport tells nobody
            await asyncio.sleep(0)


def _read_all(sock: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(sock.recv(1 << 20))
