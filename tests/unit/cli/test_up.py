"""Starting and stopping a server process, with a stub in its place."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.cli import main, server
from headrace.cli.place import Place
from headrace.errors import Invalid, Refused

Out = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder for one stub, which is stopped at the end."""
    for name in ("HEADRACE_URL", "HEADRACE_DATA", "HEADRACE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    monkeypatch.setattr(server, "MODULE", "tests.unit.cli.stub_app")
    monkeypatch.setattr("headrace.cli.shipped.install_library", lambda *_: [])
    monkeypatch.setattr("headrace.cli.shipped.install_demo", lambda *_: [])
    spawn, started = server.spawn, []

    def remembered(*arguments: Any, **options: Any) -> server.Started:
        started.append(spawn(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(server, "spawn", remembered)
    yield tmp_path / "data"
    for each in started:
        each.process.kill()
        each.process.wait()


def up(data: Path, *options: str) -> int:
    return main(["up", "--data", str(data), *options])


def test_up_starts_and_says_where_then_says_that_it_is_up(data: Path, capsys: Out) -> None:
    assert up(data) == 0
    first = capsys.readouterr().out
    assert "Headrace is up" in first
    assert "/signin?token=hr_local" in first
    assert "curl -H" in first
    assert str(data / "demo" / "in") in first
    assert up(data) == 0
    second = capsys.readouterr().out
    assert "Headrace is already up" in second
    assert second.splitlines()[1:] == first.splitlines()[1:]


def test_without_the_demo_nothing_is_said_of_it(data: Path, capsys: Out) -> None:
    assert up(data, "--no-demo") == 0
    assert "curl" not in capsys.readouterr().out


def test_a_folder_that_exists_keeps_its_rights(data: Path) -> None:
    data.mkdir(mode=0o750)
    assert up(data) == 0
    assert data.stat().st_mode & 0o777 == 0o750


def test_only_the_owner_can_look_into_the_data_folder(data: Path) -> None:
    assert up(data) == 0
    assert data.stat().st_mode & 0o777 == 0o711
    assert (data / "run").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("options", [(), ("--port", "0")], ids=["by itself", "any"])
def test_down_stops_and_up_takes_the_same_port_again(data: Path, capsys: Out, options: tuple[str, ...]) -> None:
    assert up(data, *options) == 0
    url = json.loads((data / "run" / "server.json").read_text())["url"]
    assert main(["down", "--data", str(data)]) == 0
    assert "Headrace is down." in capsys.readouterr().out
    assert Place(data).server() is None
    assert up(data) == 0
    assert json.loads((data / "run" / "server.json").read_text())["url"] == url


def test_down_when_nothing_is_up(data: Path, capsys: Out) -> None:
    assert main(["down", "--data", str(data)]) == 0
    assert "Headrace was not up" in capsys.readouterr().out


def test_a_server_that_ends_at_once_is_told_with_its_last_words(
    data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "logs").mkdir(parents=True)
    (data / "logs" / "server.log").write_text("words of an earlier life\n")
    monkeypatch.setenv("STUB", "exit")
    assert up(data) == 1
    said = capsys.readouterr().err
    assert "exit code 1" in said
    assert "the database is newer than this program" in said
    assert "earlier life" not in said
    assert f"read {data / 'logs' / 'server.log'}" in said


def test_a_server_that_says_why_it_cannot_run_is_believed(
    data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", "refuse")
    assert up(data) == 1
    assert capsys.readouterr().err.endswith("error: no `prot`\n  reason: settings-invalid\n  next:   x\n")


def test_a_port_that_somebody_was_quicker_to_take_is_given_up(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = iter([1, 1, 0])
    monkeypatch.setenv("STUB", "beaten")
    monkeypatch.setattr(server, "choose_port", lambda *_: next(chosen))
    data.mkdir()
    (data / "beaten").write_text("1")
    assert up(data) == 0
    assert list(chosen) == []


def test_a_port_that_was_asked_for_is_not_given_up(data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
    monkeypatch.setenv("STUB", "beaten")
    data.mkdir()
    (data / "beaten").write_text(port)
    assert up(data, "--port", port) == 1
    assert "reason: port-taken" in capsys.readouterr().err
    assert (data / "logs" / "server.log").read_text().count("cannot run") == 1, "it is tried once"


@pytest.mark.parametrize("command", ["flow list", "status", "down"])
def test_somebody_elses_data_folder_is_told_as_such(
    data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (data / "run").mkdir(parents=True)

    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # root, as whom tests may run, is let in everywhere
    monkeypatch.setattr(Path, "read_text", refuse)
    assert main([*command.split(), "--data", str(data)]) == 1
    assert "belongs to another user" in capsys.readouterr().err


def test_a_server_that_never_gets_ready_is_told(data: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB", "never-ready")
    monkeypatch.setattr(server, "READY_WITHIN", 1.0)
    assert up(data) == 1
    assert "not ready within" in capsys.readouterr().err


def test_a_server_that_does_not_stop_is_killed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB", "deaf")
    monkeypatch.setattr(server, "STOP_WITHIN", 0.1)
    monkeypatch.setattr(server, "END_WITHIN", (0.2, 5.0))
    assert up(data) == 0
    running = Place(data).server()
    assert running is not None
    assert main(["down", "--data", str(data)]) == 0
    assert Place(data).server() is None


def test_what_a_crash_left_behind_is_no_server(data: Path, capsys: Out) -> None:
    (data / "run").mkdir(parents=True)
    stale = {"pid": os.getpid(), "created": 1.0, "url": "http://127.0.0.1:1"}
    (data / "run" / "server.json").write_text(json.dumps(stale))
    assert Place(data).server() is None
    assert up(data) == 0
    assert "Headrace is up" in capsys.readouterr().out


def test_another_port_than_the_running_one_is_refused(data: Path, capsys: Out) -> None:
    assert up(data) == 0
    assert up(data, "--port", "1") == 1
    assert "already-up" in capsys.readouterr().err


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_asked_for_by_name_is_never_changed(tmp_path: Path, taken: int) -> None:
    with pytest.raises(Refused) as caught:
        server.choose_port(Place(tmp_path), taken)
    assert caught.value.reason == "port-taken"


def test_without_one_the_next_free_port_is_taken(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DEFAULT_PORT", taken)
    chosen = server.choose_port(Place(tmp_path), None)
    assert taken < chosen < taken + server.PORTS_TO_TRY


def test_a_port_in_the_settings_file_is_as_good_as_an_option(tmp_path: Path, taken: int) -> None:
    (tmp_path / "headrace.toml").write_text(f"port = {taken}\n")
    with pytest.raises(Refused):
        server.choose_port(Place(tmp_path), None)


@pytest.mark.parametrize("written", ['"8080"', "99999", "-1", "[1]"])
def test_a_port_in_the_settings_file_that_is_none_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "headrace.toml").write_text(f"port = {written}\n")
    with pytest.raises(Invalid) as caught:
        server.choose_port(Place(tmp_path), None)
    assert caught.value.reason == "settings-invalid"


@pytest.mark.parametrize("port", ["99999", "-5", "x"])
def test_an_option_that_is_no_port_is_wrong_usage(tmp_path: Path, port: str, capsys: Out) -> None:
    assert main(["up", "--data", str(tmp_path), "--port", port]) == 2


@pytest.mark.parametrize("where", ["/proc/nothing", "{file}", "{file}/data"])
def test_a_place_where_no_data_folder_can_be_is_refused(tmp_path: Path, where: str, capsys: Out) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main(["up", "--data", where.format(file=file)]) == 1
    assert "reason: data-folder" in capsys.readouterr().err


def test_the_last_port_comes_first(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    place.port_file.write_text(f"{free}\n")
    assert server.choose_port(place, None) == free
