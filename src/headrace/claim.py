"""One server per data folder: a lock the kernel drops with the process, and ``run/server.json`` for everybody else."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headrace import __version__, identity
from headrace.errors import Refused, Unavailable

__all__ = ["claimed", "write_down", "write_private"]

WITHIN = 20.0
"""Seconds for which a new server waits for one that is just ending."""
SURE_AFTER = 1.0
"""Seconds after which a server that holds the lock and has written itself down is not one that was just killed."""
PAUSE = 0.05


@asynccontextmanager
async def claimed(server_file: Path) -> AsyncIterator[None]:
    """Hold the data folder. `Refused` (``already-up``) when another server runs in it and is not about to end."""
    lock = os.open(server_file.with_name("server.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(lock, server_file)
        yield
    finally:
        os.close(lock)


async def _lock(lock: int, server_file: Path) -> None:
    now = asyncio.get_running_loop().time
    began = now()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = now() - began
            if waited > WITHIN or (waited > SURE_AFTER and os.access(server_file, os.F_OK)):
                raise Refused(
                    "already-up",
                    f"another server uses the data folder {server_file.parents[1]}",
                    next_step="headrace down, or use another --data",
                ) from None
        await asyncio.sleep(PAUSE)


@asynccontextmanager
async def write_down(server_file: Path, url: str) -> AsyncIterator[None]:
    """Say in ``server_file`` who serves at ``url``, for as long as the block lasts."""
    me = identity.identify(os.getpid())
    assert me is not None, "this process lives"
    write_private(server_file, {"pid": me.pid, "created": me.created, "url": url, "version": __version__})
    try:
        yield
    finally:
        _forget(server_file)


def _forget(server_file: Path) -> None:
    server_file.unlink(missing_ok=True)


def write_private(path: Path, content: dict[str, Any] | str) -> None:
    """Replace a file in one step; only its owner may read it. `Unavailable` (``data-folder``) when that fails."""
    text = content if isinstance(content, str) else json.dumps(content) + "\n"
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        scratch.replace(path)
    except OSError as error:
        raise Unavailable("data-folder", f"cannot write {path}: {error.strerror}") from error
