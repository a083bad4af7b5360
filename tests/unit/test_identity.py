"""A pid alone never identifies a process; its end is noticed at once, on both event loops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import uvloop

from headrace import identity
from headrace.identity import Identity

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def found(process: subprocess.Popen[bytes]) -> Identity:
    identified = identity.identify(process.pid)
    assert identified is not None
    return identified


def test_this_process_is_alive() -> None:
    assert identity.alive(found_self())


def found_self() -> Identity:
    identified = identity.identify(os.getpid())
    assert identified is not None
    return identified


def test_another_creation_time_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    reused = Identity(sleeper.pid, found(sleeper).created - 60)
    assert not identity.alive(reused)
    assert not identity.send(reused, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    known = found(sleeper)
    assert identity.send(known, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken its status
    assert not identity.alive(known)
    assert identity.identify(sleeper.pid) is None
    assert not identity.send(known, signal.SIGKILL)


def test_a_corrected_clock_changes_nobody(sleeper: subprocess.Popen[bytes]) -> None:
    known = found(sleeper)
    assert identity.alive(Identity(known.pid, known.created + 3600, known.birth))
    assert not identity.alive(Identity(known.pid, known.created, "another boot:17"))


def test_is_written_down_and_read_back() -> None:
    known = found_self()
    assert Identity.from_dict(known.as_dict() | {"other": 1}) == known
    assert identity.alive(Identity.from_dict({"pid": known.pid, "created": known.created}))


@pytest.mark.parametrize("pid", [0, -1, 2**31 - 1, 2**70])
def test_impossible_pids_are_nobody(pid: int) -> None:
    assert not identity.alive(Identity(pid, 1.0))
    assert not identity.send(Identity(pid, 1.0), signal.SIGKILL)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("pidfds", [True, False])
def test_waits_for_the_end(
    loop: str, pidfds: bool, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pidfds:
        monkeypatch.delattr(os, "pidfd_open", raising=False)

    async def wait() -> None:
        known = found(sleeper)
        waiting = asyncio.create_task(identity.gone(known))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.05)
        identity.send(known, signal.SIGKILL)
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(identity.gone(known), 1)
        assert not identity.alive(known)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(wait())


async def test_waiting_can_be_cancelled(sleeper: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(identity.gone(found(sleeper)), 0.05)
    assert identity.alive(found(sleeper))
