"""Pushes with real git to a bare repository on disk; only the API is a double."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.double import Refusal, Server, page

from headrace.cli import client, push
from headrace.errors import Invalid, Refused

pytestmark = pytest.mark.needs("git")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Platform:
    """A remote for the component ``erp``; whatever is pushed counts as built with ``state``."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.bare = folder / "git" / "erp.git"
        self.bare.mkdir(parents=True)
        git(self.bare, "init", "--quiet", "--bare", "--initial-branch=main")
        self.state = "ready"
        self.server = server
        self.client = client.Client(f"file://{folder}", "hr_secret")
        server.answers |= {
            "GET /components/erp": {"name": "erp"},
            "GET /components/erp/versions": lambda _request: page(*self.versions()),
        }

    def commits(self) -> list[str]:
        done = subprocess.run(
            ["git", "log", "--reverse", "--format=%H", "main"],
            cwd=self.bare,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    def versions(self) -> list[dict[str, Any]]:
        return [
            {"revision": number, "commit": commit, "state": self.state, "reason": ""}
            for number, commit in enumerate(self.commits(), 1)
        ]

    def files(self) -> set[str]:
        return set(git(self.bare, "ls-tree", "-r", "--name-only", "main").splitlines())

    def push(self, folder: Path) -> tuple[dict[str, Any], list[str]]:
        told: list[str] = []
        return push.push(self.client, folder, "erp", message=None, tell=told.append), told


@pytest.fixture
def platform(tmp_path: Path, server: Server) -> Platform:
    return Platform(tmp_path / "server", server)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my_erp"
    made.mkdir()
    (made / "component.json").write_text('{"title": "ERP"}')
    (made / "send.py").write_text("def process(msg):\n    return 1\n")
    return made


def test_a_plain_folder_is_pushed_as_a_snapshot(platform: Platform, folder: Path) -> None:
    (folder / ".gitignore").write_text("secret.txt\n")
    (folder / "secret.txt").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "send.pyc").touch()
    version, told = platform.push(folder)
    assert version["revision"] == 1
    assert platform.files() == {".gitignore", "component.json", "send.py"}
    assert any("a snapshot of" in line for line in told)
    assert not (folder / ".git").exists()


def test_snapshots_make_one_history(platform: Platform, folder: Path) -> None:
    first, _ = platform.push(folder)
    (folder / "send.py").write_text("def process(msg):\n    return 2\n")
    second, _ = platform.push(folder)
    assert (first["revision"], second["revision"]) == (1, 2)
    assert platform.commits() == [first["commit"], second["commit"]]


def test_a_push_that_another_one_overtakes_is_made_again_on_top_of_it(
    platform: Platform, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.push(folder)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "send.py").write_text("def process(msg):\n    return 3\n")
    (folder / "send.py").write_text("def process(msg):\n    return 2\n")
    send = push._send

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(push, "_send", send)
        platform.push(other)
        raise push._push_failed(["remote: error: cannot lock ref 'refs/heads/main': is at 1 but expected 2"])

    monkeypatch.setattr(push, "_send", overtaken)
    version, told = platform.push(folder)
    assert version["revision"] == 3
    assert platform.commits()[-1] == version["commit"]
    assert any("Somebody else pushed" in line for line in told)


def test_somebody_else_may_make_the_component_first(platform: Platform, folder: Path, server: Server) -> None:
    platform.push(folder)
    found = server.answers["GET /components/erp"]
    answers = iter([Refusal(404, "component-not-found")])
    server.answers["GET /components/erp"] = lambda _request: next(answers, found)
    server.answers["POST /components"] = Refusal(409, "component-exists")
    assert platform.push(folder)[0]["revision"] == 1


def test_the_same_content_is_not_pushed_again(platform: Platform, folder: Path) -> None:
    first, _ = platform.push(folder)
    second, told = platform.push(folder)
    assert second == first
    assert told == [f"Nothing changed in {folder} since the last push."]


def test_the_same_content_is_pushed_again_when_its_build_failed(platform: Platform, folder: Path) -> None:
    platform.state = "failed"
    first, _ = platform.push(folder)
    second, _ = platform.push(folder)
    assert second["commit"] != first["commit"]


def test_a_clean_head_whose_build_failed_is_tried_again_and_left_alone(platform: Platform, folder: Path) -> None:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "First")
    platform.state = "failed"
    first, _ = platform.push(folder)
    assert first["commit"] == git(folder, "rev-parse", "HEAD")
    second, _ = platform.push(folder)
    assert platform.commits() == [first["commit"], second["commit"]]
    assert git(folder, "rev-parse", "HEAD") == first["commit"]
    assert git(folder, "status", "--porcelain") == ""


def test_a_clean_repository_pushes_its_head(platform: Platform, folder: Path) -> None:
    committed(folder)
    version, told = platform.push(folder)
    assert version["commit"] == git(folder, "rev-parse", "HEAD")
    assert any("Pushing HEAD of" in line for line in told)
    _, told = platform.push(folder)
    assert told == [f"Nothing changed in {folder} since the last push."]


def test_uncommitted_changes_are_pushed_without_touching_the_repository(platform: Platform, folder: Path) -> None:
    committed(folder)
    head = git(folder, "rev-parse", "HEAD")
    (folder / "new.py").touch()
    (folder / "send.py").unlink()
    version, _ = platform.push(folder)
    assert version["commit"] != head
    assert platform.files() == {"component.json", "new.py"}
    assert git(folder, "rev-parse", "HEAD") == head
    assert git(folder, "status", "--porcelain").split() == ["D", "send.py", "??", "new.py"]
    assert git(platform.bare, "log", "-1", "--format=%an <%ae>", "main") == "Ada <ada@example.com>"


def test_a_folder_inside_a_repository_honours_its_ignore_file(platform: Platform, folder: Path) -> None:
    (folder.parent / ".gitignore").write_text("*.log\n")
    git(folder.parent, "init", "--quiet")
    (folder / "debug.log").touch()
    platform.push(folder)
    assert platform.files() == {"component.json", "send.py"}


def test_a_head_that_does_not_follow_the_remote_replaces_it(platform: Platform, folder: Path) -> None:
    platform.push(folder)
    committed(folder)
    version, _ = platform.push(folder)
    assert version["commit"] == git(folder, "rev-parse", "HEAD")


def test_a_refused_push_shows_what_the_remote_said(platform: Platform, folder: Path) -> None:
    hook = platform.bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'component.json: no actions' >&2\nexit 1\n")
    hook.chmod(0o755)
    told: list[str] = []
    with pytest.raises(Refused) as caught:
        push.push(platform.client, folder, "erp", message=None, tell=told.append)
    assert caught.value.reason == "push-refused"
    assert "remote: component.json: no actions" in told


def test_a_push_that_breaks_off_is_not_called_refused() -> None:
    said = ["remote: 36c8e4c is revision 1 of component erp; building it", "fatal: the remote end hung up unexpectedly"]
    error = push._push_failed(said)
    assert (error.reason, error.message) == ("push-failed", f"the push broke off: {said[1]}")
    assert "headrace status" in error.next_step


def test_a_new_component_is_created(platform: Platform, folder: Path) -> None:
    del platform.server.answers["GET /components/erp"]
    platform.server.answers["POST /components"] = {"name": "erp"}
    platform.push(folder)
    assert platform.server.bodies("POST /components") == [{"name": "erp"}]


def test_the_token_is_in_no_argument_and_no_file(
    platform: Platform, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    run, popen = subprocess.run, subprocess.Popen

    def watched_run(command: list[str], **options: Any) -> Any:
        seen.append(command)
        return run(command, **options)

    def watched_popen(command: list[str], **options: Any) -> Any:
        seen.append(command)
        return popen(command, **options)

    monkeypatch.setattr("headrace.cli.git.subprocess.run", watched_run)
    monkeypatch.setattr("headrace.cli.push.subprocess.Popen", watched_popen)
    platform.push(folder)
    assert seen
    assert "hr_secret" not in json.dumps(seen)


def test_the_name_is_given_or_written_or_the_folders(folder: Path) -> None:
    assert push.component_name(folder, None) == "my-erp"
    assert push.component_name(folder, "other") == "other"
    (folder / "component.json").write_text('{"name": "erp"}')
    assert push.component_name(folder, None) == "erp"
    with pytest.raises(Invalid, match="cannot be a component's name"):
        push.component_name(folder, "Not This")


def test_a_folder_without_a_descriptor_is_not_pushed(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"there is no component\.json"):
        push.component_name(tmp_path, "erp")


def committed(folder: Path) -> None:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.com")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First")
