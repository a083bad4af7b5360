from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli.double import Refusal, Server

from headrace.cli import shipped
from headrace.cli.client import Client, connect
from headrace.cli.place import Place
from headrace.errors import Refused
from headrace.flows import document


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "data")
    made.make()
    return made


@pytest.fixture
def client(server: Server) -> Client:
    return connect(None)


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A library of two components, and the names of those that get pushed."""
    for name in ("log", "timer"):
        folder = tmp_path / "library" / name
        folder.mkdir(parents=True)
        (folder / "component.json").write_text("{}")
    names: list[str] = []

    def push(_client: Client, folder: Path, name: str, **_: Any) -> dict[str, Any]:
        if (folder / "broken").exists():
            raise Refused("push-refused", "no")
        names.append(name)
        return {"state": "ready"}

    monkeypatch.setattr(shipped, "library_folder", lambda: tmp_path / "library")
    monkeypatch.setattr("headrace.cli.push.push", push)
    return names


def install(client: Client, place: Place) -> list[shipped.Result]:
    return shipped.install_library(client, place, lambda _line: None)


def test_components_are_pushed_once(client: Client, place: Place, pushed: list[str]) -> None:
    install(client, place)
    assert sorted(pushed) == ["log", "timer"]
    assert install(client, place) == []
    assert len(pushed) == 2


def test_a_component_is_pushed_again_when_what_is_shipped_changes(
    client: Client, place: Place, pushed: list[str]
) -> None:
    install(client, place)
    (shipped.library_folder() / "log" / "write.py").touch()
    install(client, place)
    assert sorted(pushed) == ["log", "log", "timer"]


def test_a_component_that_fails_is_told_and_tried_again_next_time(
    client: Client, place: Place, pushed: list[str]
) -> None:
    broken = shipped.library_folder() / "log" / "broken"
    broken.touch()
    results = install(client, place)
    assert [(result.name, result.error) for result in results if result.error] == [("log", "no")]
    broken.unlink()
    install(client, place)
    assert sorted(pushed) == ["log", "timer"]


def install_demo(client: Client, place: Place) -> list[shipped.Result]:
    return shipped.install_demo(client, place, lambda _line: None)


def routes(name: str) -> tuple[str, str]:
    return f"PUT /flows/{name}/draft", f"POST /flows/{name}/publish"


def test_demo_flows_are_published_and_started_once(client: Client, place: Place, server: Server) -> None:
    for name in shipped.DEMO_FLOWS:
        server.answers |= {route: {} for route in routes(name)}
    install_demo(client, place)
    assert server.bodies("POST /flows/demo-folder/publish") == [{"note": "The demo", "start": True}]
    asked = len(server.asked)
    assert install_demo(client, place) == []
    assert len(server.asked) == asked


def test_a_persons_flow_of_that_name_is_left_alone(client: Client, place: Place, server: Server) -> None:
    server.answers |= {f"GET /flows/{name}": {} for name in shipped.DEMO_FLOWS}
    install_demo(client, place)
    assert [route for route, _ in server.asked] == [f"GET /flows/{name}" for name in shipped.DEMO_FLOWS]


def test_a_flow_that_fails_is_told_and_tried_again_next_time(client: Client, place: Place, server: Server) -> None:
    for name in shipped.DEMO_FLOWS:
        server.answers |= {route: {} for route in routes(name)}
    server.answers["PUT /flows/demo-folder/draft"] = Refusal(422, "bad", "wrong")
    assert [result.error for result in install_demo(client, place)] == ["", "wrong"]
    assert [result.name for result in install_demo(client, place)] == ["demo-folder"]


@pytest.mark.parametrize("name", shipped.DEMO_FLOWS)
def test_demo_documents_are_flow_documents_with_this_data_folders_paths(place: Place, name: str) -> None:
    text = shipped.demo_document(place, name)
    parsed = document.parse(text)
    assert parsed.flow == name
    paths = [
        value
        for step in yaml.safe_load(text)["steps"]
        for field, value in step.get("fields", {}).items()
        if field in ("folder", "path")
    ]
    assert all(path.startswith(str(place.demo)) for path in paths)
