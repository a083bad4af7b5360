"""The server as a process: it comes up, outlives nothing it should not, and leaves what should go on."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from headrace import app
from headrace.errors import Unavailable

WITHIN = 30.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {WITHIN:g} s: {what}")


class Folder:
    """A data folder and the servers started in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        self.data.parent.joinpath("log").touch()
        with self.data.parent.joinpath("log").open("ab") as log:
            command = [sys.executable, "-m", "headrace.app", "--data", str(self.data), "--port", "0", *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.started.append(process)
        return process

    def up(self) -> subprocess.Popen[bytes]:
        """Start a server and return when it is ready."""
        process = self.start()
        until(lambda: self._ready() or process.poll() is not None, "ready")
        assert process.poll() is None, self.log()
        return process

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.said()['url']}/readyz").is_success
        except (OSError, ValueError, httpx.TransportError):
            return False

    def said(self, who: str = "server") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / f"{who}.json").read_text())
        return found

    def client(self) -> httpx.Client:
        token = (self.data / "keys" / "cli-token").read_text().strip()
        return httpx.Client(base_url=f"{self.said()['url']}/api/v1", headers={"Authorization": f"Bearer {token}"})

    def log(self) -> str:
        return self.data.parent.joinpath("log").read_text()

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        try:
            broker = psutil.Process(int(self.said("broker")["pid"]))
        except (OSError, ValueError, psutil.Error):
            return
        broker.terminate()
        psutil.wait_procs([broker], timeout=10)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "data")
    yield made
    made.close()


def test_a_server_comes_up_and_says_where_it_is(folder: Folder) -> None:
    process = folder.up()
    said = folder.said()
    assert said["pid"] == process.pid
    assert abs(said["created"] - psutil.Process(process.pid).create_time()) < 1
    assert (folder.data / "run" / "server.json").stat().st_mode & 0o777 == 0o600
    assert (folder.data / "keys" / "cli-token").stat().st_mode & 0o777 == 0o600
    with folder.client() as client:
        status = client.get("/status").json()
        assert (status["pid"], status["url"], status["troubles"]) == (process.pid, said["url"], [])
        assert client.get("/doctor").json()["ok"]
    for line in folder.log().splitlines():
        assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_leaves_the_broker(folder: Folder, number: signal.Signals) -> None:
    process = folder.up()
    broker = folder.said("broker")
    process.send_signal(number)
    assert process.wait(WITHIN) == 0
    assert not (folder.data / "run" / "server.json").exists()
    assert psutil.pid_exists(broker["pid"])
    folder.up()
    assert folder.said("broker") == broker


def test_a_killed_server_is_followed_by_one_that_adopts_its_broker_and_token(folder: Folder) -> None:
    process = folder.up()
    broker = folder.said("broker")
    token = (folder.data / "keys" / "cli-token").read_text()
    process.kill()
    process.wait()
    folder.up()
    assert folder.said("broker") == broker
    assert (folder.data / "keys" / "cli-token").read_text() == token


def test_shutdown_of_everything_leaves_nothing(folder: Folder) -> None:
    process = folder.up()
    broker = folder.said("broker")["pid"]
    with folder.client() as client:
        assert client.post("/shutdown", json={"everything": True}).status_code == 202
    assert process.wait(WITHIN) == 0
    assert not psutil.pid_exists(broker)
    assert not list((folder.data / "run").glob("*.json"))
    assert '"level": "error"' not in folder.log()


def test_open_streams_do_not_hold_a_server_back(folder: Folder) -> None:
    process = folder.up()
    with folder.client() as client, client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines)
        begun = time.monotonic()
        process.terminate()
        list(lines)
    assert process.wait(WITHIN) == 0
    assert time.monotonic() - begun < 4


def test_a_second_server_is_turned_away(folder: Folder) -> None:
    first = folder.up()
    second = folder.start()
    assert second.wait(WITHIN) == 1
    assert "already-up" in folder.log()
    assert first.poll() is None
    assert folder.said()["pid"] == first.pid


def test_a_taken_port_is_said_before_anything_is_started(folder: Folder) -> None:
    first = folder.up()
    port = folder.said()["url"].rpartition(":")[2]
    other = Folder(folder.data.with_name("other"))
    process = other.start("--port", port)
    assert process.wait(WITHIN) == 1
    assert "port-taken" in other.log()
    assert not (other.data / "run" / "broker.json").exists()
    assert first.poll() is None


def test_of_servers_that_want_one_port_at_the_same_moment_one_gets_it(folder: Folder) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    folders = [folder, *(Folder(folder.data.with_name(f"other-{number}")) for number in range(2))]
    try:
        processes = [each.start("--port", port) for each in folders]
        until(lambda: sum(each.poll() == 1 for each in processes) == 2, "two have given up")
        until(lambda: any(each._ready() for each in folders), "one is ready")
        assert folder.log().count('"reason": "port-taken"') == 2
    finally:
        for each in folders:
            each.close()


def test_a_port_is_taken_from_the_moment_it_is_asked_for() -> None:
    with app._listen("127.0.0.1", 0) as first, pytest.raises(Unavailable) as caught:
        app._listen("127.0.0.1", first.getsockname()[1])
    assert caught.value.reason == "port-taken"


def test_wrong_settings_are_said_at_once(folder: Folder) -> None:
    folder.data.mkdir()
    (folder.data / "headrace.toml").write_text("quue_limit = 5\n")
    assert folder.start().wait(WITHIN) == 1
    assert "queue_limit" in folder.log()


def test_a_revoked_command_line_token_is_made_anew(folder: Folder) -> None:
    process = folder.up()
    with folder.client() as client:
        [token] = client.get("/tokens").json()["items"]
        assert client.delete(f"/tokens/{token['id']}").status_code == 204
        assert client.get("/tokens").status_code == 401
    process.terminate()
    assert process.wait(WITHIN) == 0
    folder.up()
    with folder.client() as client:
        assert client.get("/tokens").status_code == 200
