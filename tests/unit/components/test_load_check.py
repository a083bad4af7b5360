"""Loading with hosts that misbehave."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from headrace import sandbox
from headrace.components import load_check, program
from headrace.components.build_log import BuildLog
from headrace.errors import Invalid
from headrace.flows.catalog import Offer

OFFER = Offer("action", "create", "create.py")
READY = """sock.sendall(b'{"type":"ready","shape":"process"}\\n')"""


async def load(
    tmp_path: Path,
    answer: str,
    *,
    offers: Sequence[Offer] = (OFFER,),
    memory: int = load_check.MEMORY,
    mode: sandbox.Mode = "auto",
) -> str:
    """Run the check with a host made of this code; returns what it logged."""
    code = f"import os, socket, sys, time; sock = socket.socket(fileno=3); frame = sock.recv(65536)\n{answer}\n"
    if os.geteuid() == 0 and not (sandbox.probe().available and mode == "auto"):
        pytest.skip("as root, without bubblewrap, this Python may be closed to other users")

    def command(offer: Offer) -> sandbox.Command:
        python = getattr(sys, "_base_executable", sys.executable)
        return sandbox.command((python, "-I", "-c", code), read=[sys.base_prefix], uid=210_998, socket=True, mode=mode)

    with BuildLog(tmp_path / "log") as log:
        await load_check.check(offers, command, log, memory=memory)
    return (tmp_path / "log").read_text()


async def test_a_host_that_is_ready(tmp_path: Path) -> None:
    assert await load(tmp_path, READY) == "==> loading action create (create.py)\n"


async def test_the_frame_asks_for_a_check_only(tmp_path: Path) -> None:
    assert '"check": true' in await load(tmp_path, f"print(frame.decode(), flush=True)\n{READY}\ntime.sleep(100)")


async def test_other_frames_are_passed_over_and_logs_are_kept(tmp_path: Path) -> None:
    noise = """sock.sendall(b'{"type":"census"}\\nnot json\\n[]\\n{"type":"log","text":"hello"}\\n')"""
    assert "    hello\n" in await load(tmp_path, f"{noise}\n{READY}")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("sys.exit('no such module')", "exit status 1"),
        ("os.kill(os.getpid(), 9)", "exit status"),
        ("""sock.sendall(b'{"type":"fatal","error":{"name":"KeyError","message":"x"}}\\n')""", "KeyError: x"),
        ("""sock.sendall(b'{"type":"fatal"}\\n')""", "does not load: Error"),
        ("sock.sendall(b'half a li'); sock.close()", "exit status 0"),
    ],
)
async def test_a_host_that_fails(tmp_path: Path, answer: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as caught:
        await load(tmp_path, answer)
    assert caught.value.reason == "load-failed"


def fatal(keys: str) -> str:
    return f"""sock.sendall(b'{{"type":"fatal",{keys}}}\\n')"""


async def test_all_are_tried_and_the_log_has_each_that_fails(tmp_path: Path) -> None:
    answer = f"if b'good' in frame: {READY}\nelse: " + fatal('"error":{"name":"KeyError"}')
    offers = [Offer("action", "a", "a.py"), Offer("action", "good", "good.py"), Offer("action", "c", "c.py")]
    with pytest.raises(Invalid, match=r"^action a \(a\.py\) does not load: KeyError \(and 1 more\)$"):
        await load(tmp_path, answer, offers=offers)
    assert (tmp_path / "log").read_text().splitlines() == [
        "==> loading action a (a.py)",
        "    KeyError",
        "==> loading action good (good.py)",
        "==> loading action c (c.py)",
        "    KeyError",
    ]


async def test_what_all_offers_share_fails_once_and_by_its_name(tmp_path: Path) -> None:
    answer = fatal('"hook":"verify_credentials","error":{"name":"KeyError","message":"x"}')
    with pytest.raises(Invalid, match="verifyCredentials does not load: KeyError: x"):
        await load(tmp_path, answer, offers=[OFFER, Offer("action", "other", "other.py")])
    assert (tmp_path / "log").read_text().count("KeyError") == 1


async def test_a_host_that_takes_too_much_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="over the limit of 64 MB"):
        await load(tmp_path, "block = b'x' * 100_000_000; time.sleep(1000)", memory=64 << 20)


@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_what_a_host_leaves_running_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: sandbox.Mode
) -> None:
    monkeypatch.setattr(program, "LAST_WORDS", 0.2)
    daemon = "os.fork() or (os.setsid(), time.sleep(5), os._exit(0))"
    async with asyncio.timeout(4):
        assert "ready" not in await load(tmp_path, f"{daemon}\n{READY}\ntime.sleep(1000)", mode=mode)
        with pytest.raises(Invalid, match="exit status 3"):
            await load(tmp_path, f"{daemon}\nos._exit(3)", mode=mode)


async def test_a_host_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_check, "LOAD_WITHIN", 0.3)
    with pytest.raises(Invalid, match="does the module do work when imported"):
        await load(tmp_path, "time.sleep(1000)")
