"""Which process is meant: a pid with its birth, so that a pid used again is never taken for the old one.

Creation times alone would not do for long: systems tell them by the wall clock, which is set right now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

__all__ = ["Identity", "alive", "gone", "identify", "send"]

CLOCK_SLACK = 2.0
"""Seconds by which creation times may move when the clock is adjusted; asked only where there are no births."""
POLL = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """A process on this machine.

    ``created`` is seconds since the epoch, as psutil tells it. ``birth`` is the boot's id and the tick of its start, as
    Linux tells them: exact, the same for ever. Empty elsewhere, or for an identity written down without it.
    """

    pid: int
    created: float
    birth: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` reads it."""
        return {"pid": self.pid, "created": self.created, "birth": self.birth}

    @classmethod
    def from_dict(cls, text: Mapping[str, Any]) -> Identity:
        """The identity in ``text``, other keys aside; `KeyError`, `TypeError` or `ValueError` for other things."""
        return cls(int(text["pid"]), float(text["created"]), str(text.get("birth", "")))


def identify(pid: int) -> Identity | None:
    """The process that has ``pid`` now; `None` when there is none or it is a zombie."""
    found = _entry(pid)
    try:
        return None if found is None or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else found
    except psutil.Error:
        return None


def alive(identity: Identity) -> bool:
    """Whether exactly this process still runs. A zombie (nobody reaps it) counts as dead."""
    return _same(identity, identify(identity.pid))


def send(identity: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; `False`, and nothing sent, when it is gone."""
    try:
        pidfd = _pidfd(identity.pid)
        try:
            # Checked while the pidfd is held: it goes on meaning the process that was checked.
            if not alive(identity):
                return False
            if pidfd is None:
                os.kill(identity.pid, number)
            else:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            if pidfd is not None:
                os.close(pidfd)
    except ProcessLookupError:
        return False
    return True


async def gone(identity: Identity) -> None:
    """Return when the process has ended; at once when it already has. Cancelling leaves it alone."""
    try:
        pidfd = _pidfd(identity.pid)
    except ProcessLookupError:
        return
    if pidfd is None:
        while alive(identity):  # noqa: ASYNC110 - nothing signals the end of another's child here
            await asyncio.sleep(POLL)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        if _same(identity, _entry(identity.pid)):  # a zombie's pidfd is readable, one with dying threads soon is
            loop.add_reader(pidfd, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(pidfd)
    finally:
        os.close(pidfd)
    # When it was our own child, take its exit status so no zombie stays.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(identity.pid, os.WNOHANG)  # noqa: ASYNC222 - does not wait


def _entry(pid: int) -> Identity | None:
    """What the process table has under ``pid``, zombies too."""
    try:
        return Identity(pid, psutil.Process(pid).create_time(), _birth(pid))
    except (psutil.Error, ValueError, OverflowError):
        return None


def _same(identity: Identity, now: Identity | None) -> bool:
    if now is None:
        return False
    if identity.birth and now.birth:
        return identity.birth == now.birth
    return abs(now.created - identity.created) <= CLOCK_SLACK


def _birth(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{_boot()}:{fields[19]}"  # the 22nd field in proc(5), after the name in parentheses
    except (OSError, IndexError):
        return ""


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pidfd(pid: int) -> int | None:
    """A file descriptor for the process, or `None` where the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError, OverflowError):
        return None
