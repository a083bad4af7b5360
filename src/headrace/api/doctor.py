"""``/doctor``: what this machine has of what Headrace needs. Each check is a function that returns one `Check`."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import text

from headrace import sandbox
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer
from headrace.bus.program import MINIMUM, require_version
from headrace.components import node
from headrace.errors import HeadraceError, Unavailable
from headrace.settings import ignored_variables

__all__ = ["Check", "Diagnosis", "examine", "router"]

State = Literal["ok", "warn", "fail"]
VERSION_WITHIN = 10.0
GIT_MINIMUM = (2, 28)
"""The first git that can name the branch of a new repository."""
DISK_WARN = 1024**3
LOG_END = 1024**2
"""So much of the broker's log is looked at."""
DISK_FAIL = 200 * 1024**2

router = APIRouter(tags=["operations"])


class Check(Answer):
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    next_step: str = Field(default="", description="What to do about it.")


class Diagnosis(Answer):
    """All checks; ``ok`` unless one failed."""

    ok: bool
    checks: list[Check]


@router.get("/doctor", operation_id="getDiagnosis")
async def get_diagnosis(parts: PartsOf) -> Diagnosis:
    """Look at everything Headrace needs of this machine."""
    return await examine(parts)


async def examine(parts: Parts) -> Diagnosis:
    """Run all checks; one that cannot be run counts as failed."""
    checks = list(await asyncio.gather(*(_run(name, check, parts) for name, check in CHECKS)))
    return Diagnosis(ok=all(check.state != "fail" for check in checks), checks=checks)


Finding = tuple[State, str, str]
"""State, detail, next step."""
Look = Callable[[Parts], Awaitable[Finding]]


async def _run(name: str, look: Look, parts: Parts) -> Check:
    try:
        state, detail, next_step = await look(parts)
    except HeadraceError as error:
        state, detail, next_step = "fail", error.message, error.next_step
    except OSError as error:
        state, detail, next_step = "fail", str(error), ""
    return Check(name=name, state=state, detail=detail, next_step=next_step)


async def _python(parts: Parts) -> Finding:
    return "ok", f"{platform.python_version()} at {sys.executable}", ""


async def _git(parts: Parts) -> Finding:
    install = "Install git 2.28 or later; components are pushed with it."
    found = await _program_version("git")
    if found is None:
        return "fail", "git is not on PATH", install
    version, where = found
    parsed = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return (
        ("ok" if parsed >= GIT_MINIMUM else "fail"),
        f"{version} at {where}",
        "" if parsed >= GIT_MINIMUM else install,
    )


async def _uv(parts: Parts) -> Finding:
    found = await _program_version("uv")
    if found is None:
        return "fail", "uv was not found; Python components are built with it", "pip install uv"
    return "ok", f"{found[0]} at {found[1]}", ""


async def _node(parts: Parts) -> Finding:
    try:
        found = await asyncio.to_thread(node.find)
    except Unavailable as error:  # Python components need none
        return "warn", error.message, error.next_step
    return "ok", str(found), ""


async def _broker(parts: Parts) -> Finding:
    where = parts.settings.broker_url or "the embedded broker"
    if not parts.bus.connected:
        return "fail", f"{where} does not answer", f"Look at {parts.settings.broker_log}."
    require_version(parts.bus.server_version, where)
    need = ".".join(map(str, MINIMUM))
    return "ok", f"nats-server {parts.bus.server_version} ({need} or later is needed), {where}", ""


async def _sandbox(parts: Parts) -> Finding:
    mode = parts.settings.sandbox
    if mode == "off":
        return "warn", "switched off: components run as plain processes", "Set `sandbox` to `auto`."
    found = await asyncio.to_thread(sandbox.probe)
    if found.available:
        return "ok", f"bubblewrap {'.'.join(map(str, found.version))}", ""
    state: State = "fail" if mode == "require" else "warn"
    told = f"bubblewrap does not work here, so components run as plain processes: {found.reason}"
    return state, told, "Install bubblewrap and allow user namespaces (docs/how-to/sandbox.md)."


async def _user(parts: Parts) -> Finding:
    if os.geteuid() != 0:
        return "ok", f"running as user {os.geteuid()}", ""
    base = parts.settings.host_uid_base
    told = f"running as root; components run as users {base} and up"
    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    closed = None if sandbox.used(parts.settings.sandbox) else sandbox.barrier(python, base)
    if closed is not None:
        return (
            "fail",
            f"{told}, and cannot get to {python}: {closed} is closed to them",
            "Install bubblewrap, use a Python outside of that folder, or run Headrace as a user of its own.",
        )
    return "warn", told, "Better run Headrace as a user of its own."


async def _data_folder(parts: Parts) -> Finding:
    data = parts.settings.data
    return await asyncio.to_thread(_modes, data, parts.settings.keys_dir, parts.settings.db_dir)


def _modes(data: Path, *private: Path) -> Finding:
    owner = data.stat().st_uid
    if owner != os.geteuid():
        return "fail", f"{data} belongs to user {owner}", "Run Headrace as that user, or use another --data."
    if data.stat().st_mode & stat.S_IWOTH:
        return "fail", f"{data} can be changed by every user", f"chmod o-w {data}"
    for folder in private:
        mode = folder.stat().st_mode & 0o777
        if mode & 0o077:
            return "fail", f"{folder} can be read by other users (mode {mode:03o})", f"chmod 700 {folder}"
    return "ok", f"{data} (mode {data.stat().st_mode & 0o777:03o})", ""


async def _disk(parts: Parts) -> Finding:
    free = (await asyncio.to_thread(shutil.disk_usage, parts.settings.data)).free
    told = f"{free / 1024**3:.1f} GiB free"
    if free < DISK_FAIL:
        return "fail", told, "Free disk space: the journal stops accepting events when the disk is full."
    return ("warn" if free < DISK_WARN else "ok"), told, "Free disk space soon." if free < DISK_WARN else ""


async def _journal(parts: Parts) -> Finding:
    stuck = parts.settings.broker_url is None and await asyncio.to_thread(_ran_full, parts.settings.broker_log)
    if not stuck:
        return "ok", "journals take what comes", ""
    told = "the disk was full, and the broker stores nothing more in some journals even when there is room again"
    return "fail", told, "Make room, then headrace down, headrace up: what was accepted is kept."


def _ran_full(broker_log: Path) -> bool:
    """Whether the broker that runs now has met a full disk."""
    try:
        with broker_log.open("rb") as log:
            log.seek(max(0, broker_log.stat().st_size - LOG_END))
            said = log.read()
    except FileNotFoundError:
        return False
    return b"no space left on device" in said.rpartition(b"Starting nats-server")[2]


async def _database(parts: Parts) -> Finding:
    kind = "SQLite" if parts.db.sqlite else "PostgreSQL"
    query = "SELECT sqlite_version()" if parts.db.sqlite else "SHOW server_version"
    async with parts.db.read() as conn:
        version = (await conn.execute(text(query))).scalar_one()
    return "ok", f"{kind} {version}", ""


async def _environment(parts: Parts) -> Finding:
    ignored = ignored_variables(os.environ)
    if ignored:
        return "warn", "; ".join(map(str, ignored)), "Correct or unset it, and start again: docs/reference/settings.md"
    return "ok", "no mistake in them", ""


async def _listening(parts: Parts) -> Finding:
    host = parts.settings.host
    if host in ("127.0.0.1", "localhost", "::1"):
        return "ok", f"{parts.url}, reachable from this machine only", ""
    told = f"{parts.url} is open to the network, without TLS of its own"
    return "warn", told, "Put a reverse proxy with TLS in front, or listen on 127.0.0.1."


async def _at_work(parts: Parts) -> Finding:
    troubles = parts.troubles()
    return ("warn" if troubles else "ok"), "; ".join(troubles) or "all parts of the server are at work", ""


async def _program_version(name: str) -> tuple[str, str] | None:
    """Version and place of a program on PATH or beside the interpreter; `None` when there is none that runs."""
    beside = Path(sys.executable).parent / name
    where = str(beside) if beside.exists() else shutil.which(name)
    if where is None:
        return None
    process = await asyncio.create_subprocess_exec(
        where, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), VERSION_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    match = re.search(r"\d+(\.\d+)+", said.decode(errors="replace"))
    return (match[0], where) if match else None


CHECKS: tuple[tuple[str, Look], ...] = (
    ("python", _python),
    ("git", _git),
    ("uv", _uv),
    ("node", _node),
    ("nats-server", _broker),
    ("sandbox", _sandbox),
    ("user", _user),
    ("data folder", _data_folder),
    ("disk", _disk),
    ("journal", _journal),
    ("database", _database),
    ("address", _listening),
    ("settings", _environment),
    ("server", _at_work),
)
