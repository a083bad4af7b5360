"""A PostgreSQL server of the tests' own: a temporary folder, a socket in it, no network, no durability."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from tests.needs import postgres_bin

__all__ = ["postgres_server"]

INITDB = ("-D", "data", "-U", "headrace", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=40")


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server for the block; yields the URL of its empty database."""
    programs = postgres_bin()
    assert programs is not None, "needs postgres"
    folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))  # short: a socket's path has at most 107 bytes
    user = _owner(folder)
    try:
        made = subprocess.run(
            [programs / "initdb", *INITDB], cwd=folder, user=user, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        url = f"postgresql://headrace@/postgres?host={folder}"
        with _running(programs, folder, user, url):
            yield url
    finally:
        shutil.rmtree(folder)


def _owner(folder: Path) -> int | None:
    """PostgreSQL refuses to run as root: the number of a user who gets the folder instead."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    chosen = users.get("postgres") or users["nobody"]
    os.chown(folder, chosen.pw_uid, chosen.pw_gid)
    return chosen.pw_uid


@contextmanager
def _running(programs: Path, folder: Path, user: int | None, url: str) -> Iterator[None]:
    options = [word for option in FAST for word in ("-c", option)]
    command = [str(programs / "postgres"), "-D", "data", "-k", str(folder), "-c", "listen_addresses=", *options]
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, user=user, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while not _answers(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        server.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
