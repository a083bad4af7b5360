"""A build log is written line by line and followed while it grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headrace.components import build_log
from headrace.components.build_log import BuildLog, follow, is_final


async def collect(path: Path) -> list[str]:
    return [line async for line in follow(path, poll=0.005)]


async def reached(path: Path, seen: list[str], line: str) -> None:
    async with asyncio.timeout(10):
        async for each in follow(path, poll=0.005):
            seen.append(each)
            if each == line:
                return


async def test_a_finished_log_is_read_to_its_end(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log:
        log.stage("checking out")
        log.output("one\n")
        log.finish()
    assert await collect(tmp_path / "log") == ["==> checking out", "    one", "ready"]


async def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    following = asyncio.create_task(collect(tmp_path / "log"))
    await asyncio.sleep(0)
    with BuildLog(tmp_path / "log") as log:
        log.finish("load-failed: it\ndoes not load")
    assert await asyncio.wait_for(following, 10) == ["failed: load-failed: it does not load"]


async def test_no_output_is_taken_for_the_end(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log:
        log.output("ready")
        log.output("failed: not really")
        log.finish()
    lines = await collect(tmp_path / "log")
    assert lines == ["    ready", "    failed: not really", "ready"]
    assert [is_final(line) for line in lines] == [False, False, True]


async def test_a_new_log_in_place_of_the_old_is_followed_from_its_start(tmp_path: Path) -> None:
    path, seen = tmp_path / "log", list[str]()
    with BuildLog(path) as old:
        old.stage("waiting for its turn, with a long line")
    following = asyncio.create_task(collect(path))
    await reached(path, seen, "==> waiting for its turn, with a long line")
    with BuildLog(path) as log:
        log.stage("go")
        log.finish()
    lines = await asyncio.wait_for(following, 10)
    assert lines[-2:] == ["==> go", "ready"]


async def test_a_log_without_end_ends_when_nothing_more_will_come(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    log.stage("cut short")

    async def ended() -> bool:
        return True

    assert [line async for line in follow(tmp_path / "log", ended)] == ["==> cut short"]
    assert [line async for line in follow(tmp_path / "none", ended)] == []
    log.close()


def test_output_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_log, "LIMIT", 100)
    with BuildLog(tmp_path / "log") as log:
        for _ in range(100):
            log.output("x" * 20)
        log.output("y" * 100_000)
        log.finish("build-timeout: too long")
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) < 10
    assert "left out" in lines[-2]
    assert lines[-1] == "failed: build-timeout: too long"


def test_text_that_is_no_utf_8_is_kept_readable(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log:
        log.output("half a pair: \ud800")
    assert (tmp_path / "log").read_text() == "    half a pair: \\ud800\n"
