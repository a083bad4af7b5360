"""The server's log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from headrace import server_log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_each_line_is_an_object() -> None:
    stream = io.StringIO()
    server_log.configure(stream=stream)
    structlog.get_logger("server").info("serving", url="http://x")
    structlog.get_logger("server").debug("too small")
    logging.getLogger("some.library").warning("strange %s", "thing")
    try:
        raise ValueError("no good")
    except ValueError:
        structlog.get_logger("server").exception("failed")
    serving, strange, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (serving["event"], serving["url"], serving["level"]) == ("serving", "http://x", "info")
    assert (strange["event"], strange["logger"]) == ("strange thing", "some.library")
    assert "ValueError: no good" in failed["exception"]


def test_on_a_terminal_it_is_for_people_and_shows_no_variables() -> None:
    stream = Terminal()
    server_log.configure(stream=stream)
    secret = "hidden" + "-value"
    try:
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger("server").exception("failed")
    assert "failed" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert "hidden-value" not in stream.getvalue()


def test_a_log_that_grew_too_long_makes_room_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    server_log.trim(path)
    with path.open("a") as writer:
        writer.write("x" * 100)
        writer.flush()
        server_log.trim(path, longest=100)
        assert path.stat().st_size == 100
        server_log.trim(path, longest=99)
        writer.write("after")
    assert path.read_text() == "after"
    assert (tmp_path / "server.log.1").read_text() == "x" * 100


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_nobodys_error(capsys: pytest.CaptureFixture[str]) -> None:
    server_log.configure(stream=Full())
    structlog.get_logger("server").warning("nobody reads this")
    logging.getLogger("some.library").error("nor this")
    assert capsys.readouterr() == ("", "")


def test_text_that_no_file_takes_is_nobodys_error() -> None:
    with io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as stream:
        server_log.configure(stream=stream)
        structlog.get_logger("server").warning("half a pair: \ud800")


def test_a_log_that_cannot_be_moved_stays(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("x" * 100)
    (tmp_path / "server.log.1").mkdir()
    server_log.trim(log, longest=10)
    assert log.read_text() == "x" * 100
