"""A process that has imported all a worker needs and forks workers on request.

Run by `headrace.runtime.process` as ``python -m headrace.worker.template --fd N --entry module:function [--cold]``,
with a socket as file descriptor N. Says ``{"ready": true}`` or ``{"error": …}``, then answers each request line
``{"flow_id", "epoch", "bus", "claim", "log"}`` with the worker's identity or ``{"error": …}``, and ends when the socket
is closed. ``--cold``: says no greeting, answers one request and imports in the worker only.

Between requests it has one thread, no event loop and no connection, so a fork copies nothing that could be broken.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from io import BufferedRWPair
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil

from headrace import identity, sandbox
from headrace.identity import Identity

__all__ = ["main"]

CLAIM_WITHIN = 1.0

Entry = Callable[[str, int, dict[str, str]], None]


def main() -> None:
    """Serve until the socket is closed."""
    parser = argparse.ArgumentParser(prog="headrace.worker.template")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--entry", required=True)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    with socket.socket(fileno=options.fd) as connection, connection.makefile("rwb") as lines:
        connection.set_inheritable(False)
        serve = _serve_one if options.cold else _serve
        serve(options.entry, lines, options.fd)


def _serve(entry: str, lines: BufferedRWPair, fd: int) -> None:
    gc.disable()  # a collection between imports and the freeze would only split pages that forks could share
    try:
        run = _load(entry)
        sandbox.probe()  # once for all workers, which inherit the answer
        if (threads := _threads()) != 1:
            raise RuntimeError(f"importing {entry} started {threads - 1} threads; a fork would not have them")
    except Exception as error:
        traceback.print_exc()
        _say(lines, {"error": repr(error)})
        return
    gc.freeze()
    _say(lines, {"ready": True})
    for line in lines:
        _say(lines, _fork(lambda: run, json.loads(line), fd))


def _serve_one(entry: str, lines: BufferedRWPair, fd: int) -> None:
    if line := lines.readline():
        _say(lines, _fork(lambda: _load(entry), json.loads(line), fd))


def _load(entry: str) -> Entry:
    module, _, name = entry.partition(":")
    run: Entry = getattr(importlib.import_module(module), name)
    return run


def _threads() -> int:
    """Threads of this process, those of native libraries too where the system tells."""
    return max(threading.active_count(), psutil.Process().num_threads())


def _say(lines: BufferedRWPair, text: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        lines.write(json.dumps(text).encode() + b"\n")
        lines.flush()


def _fork(load: Callable[[], Entry], request: dict[str, Any], fd: int) -> dict[str, Any]:
    """Fork twice, so the worker is no child of ours, and return what it said of itself."""
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(read)
        if os.fork() == 0:
            os.close(fd)  # by number: nothing in the worker may think it has the template's socket
            _be_worker(load, request, write)
        os._exit(0)
    os.close(write)
    os.waitpid(between, 0)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()  # until the worker closes it, or ends
    answer: dict[str, Any] = json.loads(said) if said else {"error": "the worker ended at once"}
    return answer


def _be_worker(load: Callable[[], Entry], request: dict[str, Any], write: int) -> NoReturn:
    code = 1
    try:
        with os.fdopen(write, "wb") as pipe:
            claimed = _begin(request, pipe)
        if claimed:
            load()(request["flow_id"], request["epoch"], request["bus"])
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _begin(request: dict[str, Any], pipe: IO[bytes]) -> bool:
    """Become a process of its own and say who it is. `False`, having said who has it, when the claim is taken."""
    os.setsid()
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        _redirect(Path(request["log"]))
        said, claimed = _claim(Path(request["claim"]))
    except OSError as error:
        said, claimed = {"error": str(error)}, False
    pipe.write(json.dumps(said).encode())
    gc.enable()
    return claimed


def _redirect(log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)


def _claim(path: Path) -> tuple[dict[str, Any], bool]:
    """Take the claim and keep it, by its lock, until this process ends; else who has it."""
    deadline = time.monotonic() + CLAIM_WITHIN
    while (descriptor := _locked(path)) is None:
        if (holder := _holder(path)) is not None:
            return holder.as_dict(), False
        if time.monotonic() > deadline:
            return {"error": f"another process holds {path}"}, False
        time.sleep(0.01)  # whoever looks whether a claim is held holds it for a moment
    me = identity.identify(os.getpid())
    assert me is not None, "a running process has an identity"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(me.as_dict()).encode(), 0)
    return me.as_dict(), True


def _locked(path: Path) -> int | None:
    """The claim's descriptor with the lock on it; `None` when somebody has it. Closed by the end of the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):  # held; or removed between opening and locking
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> Identity | None:
    try:
        written = Identity.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return written if identity.alive(written) else None


if __name__ == "__main__":
    main()
