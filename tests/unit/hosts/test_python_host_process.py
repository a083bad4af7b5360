"""What only the whole process shows, and no frame tells."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOSTS = Path(__file__).resolve().parents[3] / "hosts/python"
LOAD = {"type": "load", "main": "main", "function": "f", "kind": "action", "flow": "f", "flow_id": "1", "step": "s"}


@contextmanager
def host(folder: Path, code: str, kind: socket.SocketKind = socket.SOCK_SEQPACKET) -> Iterator[socket.socket]:
    """The worker's end of a host's socket. With SEQPACKET every `recv` is one write of the host's."""
    (folder / "main.py").write_text(code)
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    ours.settimeout(20)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", str(HOSTS / "headrace_host/__main__.py")],
            cwd=folder,
            pass_fds=(3,),
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3),  # noqa: PLW1509
        )
    try:
        ours.send(frames({**LOAD, "concurrency": 1, "log_level": "info", "cfg": {}}))
        assert b'"ready"' in ours.recv(65536)
        yield ours
    finally:
        ours.close()
        process.kill()
        process.wait()


def frames(*each: dict[str, object]) -> bytes:
    return b"".join(json.dumps(frame).encode() + b"\n" for frame in each)


def call(number: int) -> dict[str, object]:
    return {"type": "call", "call": number, "shape": "process", "msg": {"body": number}}


def test_a_result_and_its_end_leave_in_one_write(tmp_path: Path) -> None:
    with host(tmp_path, "async def process(msg): return msg.body") as wire:
        wire.send(frames(call(1)))
        assert [json.loads(line)["type"] for line in wire.recv(65536).splitlines()] == ["emit", "end"]


def test_what_a_call_says_does_not_wait_for_the_next_one(tmp_path: Path) -> None:
    with host(tmp_path, "async def process(msg): return msg.body") as wire:
        wire.send(frames(*(call(n) for n in range(1, 33))))
        for n in range(1, 33):
            answers = [json.loads(line) for line in wire.recv(65536).splitlines()]
            assert [(answer["call"], answer["type"]) for answer in answers] == [(n, "emit"), (n, "end")]


def test_blocking_calls_have_ended_before_the_next_begin(tmp_path: Path) -> None:
    with host(tmp_path, "def process(ctx, msg): ctx.emit(msg.body)", socket.SOCK_STREAM) as wire:
        wire.send(frames(*(call(n) for n in range(1, 65))))
        lines = wire.makefile("rb")
        answers = [json.loads(lines.readline()) for _ in range(128)]
        assert [(answer["call"], answer["type"]) for answer in answers] == [
            (n, kind) for n in range(1, 65) for kind in ("emit", "end")
        ]
        lines.close()


def test_it_is_light_tls_and_other_big_modules_are_loaded_when_used(tmp_path: Path) -> None:
    code = """
import sys
async def process(msg):
    return [name for name in ("ssl", "asyncio.sslproto", "pathlib", "email", "urllib") if name in sys.modules]
"""
    with host(tmp_path, code) as wire:
        wire.send(frames(call(1)))
        assert b'"body":[]' in wire.recv(65536)


def test_tls_works_when_it_is_used(tmp_path: Path) -> None:
    code = """
import asyncio, ssl
async def process(msg):
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
    except (ssl.SSLError, ConnectionError) as refused:
        return [isinstance(refused, OSError), asyncio.sslproto.ssl is ssl]
"""
    with host(tmp_path, code) as wire:
        wire.send(frames(call(1)))
        assert b'"body":[true,true]' in wire.recv(65536)


def test_child_processes_do_not_inherit_the_workers_socket(tmp_path: Path) -> None:
    code = """
import subprocess
def process(msg):
    return subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, close_fds=False).stdout.decode()
"""
    with host(tmp_path, code) as wire:
        wire.send(frames(call(1)))
        answer = json.loads(wire.recv(65536).splitlines()[0])
        assert "0 -> " in answer["body"]
        assert "socket:" not in answer["body"]


def test_component_modules_may_have_the_names_of_the_hosts_own(tmp_path: Path) -> None:
    for name in ("log", "call", "frames", "host", "context"):
        (tmp_path / f"{name}.py").write_text("MINE = True")
    code = (
        "import log, call, frames, host, context\ndef process(msg): return [m.MINE for m in (log, call, frames, host)]"
    )
    with host(tmp_path, code) as wire:
        wire.send(frames(call(1)))
        assert b'"body":[true,true,true,true]' in wire.recv(65536)


def test_large_frames_pass_both_ways(tmp_path: Path) -> None:
    with host(tmp_path, "async def process(msg): return msg.body", socket.SOCK_STREAM) as wire:
        body = "ü" * 2_000_000
        wire.sendall(frames({**call(1), "msg": {"body": body}}))
        lines = wire.makefile("rb")
        assert json.loads(lines.readline())["body"] == body
        assert json.loads(lines.readline())["type"] == "end"
        lines.close()


def test_it_ends_when_the_worker_is_gone_with_everything_it_read(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def process(ctx): ...")
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-I", str(HOSTS / "headrace_host")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(3,),
        preexec_fn=lambda: os.dup2(theirs.fileno(), 3),  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for end in (theirs, process.stdout, process.stderr, ours):
        end.close()
    try:
        assert process.wait(20) == 1
    finally:
        process.kill()


def test_started_by_hand_it_says_who_should_start_it(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(HOSTS / "headrace_host")]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, check=False, close_fds=True)
    assert done.returncode == 1
    assert b"a Headrace worker starts this program" in done.stderr


def test_it_ends_when_worker_and_pipes_are_gone_at_once(tmp_path: Path) -> None:
    """As after the kill of a worker whose sandbox had not bound itself to it yet."""
    (tmp_path / "main.py").write_text("async def process(msg): return msg.body")
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", str(HOSTS / "headrace_host/__main__.py")],
            cwd=tmp_path,
            stdout=writer,
            stderr=writer,
            pass_fds=(3,),
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3),  # noqa: PLW1509
        )
        os.close(writer)
        ours.send(frames({**LOAD, "concurrency": 1, "log_level": "info", "cfg": {}}))
        assert b'"ready"' in ours.recv(65536)
        os.close(reader)
    try:
        assert process.wait(timeout=10) == 1
    finally:
        process.kill()
        process.wait()
