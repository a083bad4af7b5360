"""A Headrace started by its real command, used as a person would: command line, git, curl, files, signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from headrace import sandbox

T = TypeVar("T")

__all__ = ["Headrace", "push", "running", "until"]


def until(condition: Callable[[], T], within: float = 20.0, what: str = "") -> T:
    """The first true result of ``condition``; fails after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what or condition}"
        time.sleep(0.05)
    return result


class Headrace:
    """One data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def try_(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command, whatever it answers."""
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli", *arguments],
            env=os.environ | {"HEADRACE_DATA": str(self.data), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def __call__(self, *arguments: str) -> str:
        """Run a command that has to succeed; what it prints."""
        done = self.try_(*arguments)
        assert done.returncode == 0, f"headrace {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """What a reading command prints with ``--json``."""
        return json.loads(self(*arguments, "--json"))

    # -- addresses ------------------------------------------------------------------------------------------

    @property
    def server(self) -> dict[str, Any]:
        """``run/server.json``."""
        found: dict[str, Any] = json.loads((self.data / "run" / "server.json").read_text())
        return found

    @property
    def token(self) -> str:
        """The local command line's token."""
        return (self.data / "keys" / "cli-token").read_text().strip()

    def hook(self, flow: str, body: Any) -> httpx.Response:
        """Send an event to a webhook."""
        return httpx.post(f"{self.server['url']}/hooks/{flow}", json=body, timeout=30)

    def git_url(self, component: str) -> str:
        """The push address, with the token as a password."""
        return f"{self.server['url']}/git/{component}.git".replace("://", f"://me:{self.token}@")

    # -- flows ----------------------------------------------------------------------------------------------

    def publish(self, document: str, folder: Path) -> None:
        """Apply, publish and start a flow document."""
        file = folder / "flow.yaml"
        file.write_text(document)
        self("flow", "apply", str(file), "--publish", "--start")

    def live(self, flow: str, revision: int | None = None) -> dict[str, Any]:
        """The flow once it is live (with its last step on ``revision``)."""

        def there() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.json("flow", "show", flow)
            if shown["state"] != "live" or not shown["deployment"]["steps"]:
                return None
            revisions = [used["revision"] for used in shown["deployment"]["components"].values()]
            return shown if revision is None or revisions[-1] == revision else None

        found = until(there, 60, f"{flow} live at revision {revision}")
        assert found is not None
        return found

    def worker(self, flow: str) -> psutil.Process:
        """The worker of the live deployment."""
        return psutil.Process(self.live(flow)["deployment"]["worker_pid"])

    def host(self, flow: str, step: str) -> psutil.Process:
        """The process with the component code of a step."""
        steps = self.live(flow)["deployment"]["steps"]
        return sandbox.family(next(each["pid"] for each in steps if each["id"] == step))[0]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Headrace]:
    """A Headrace on a free port, taken down afterwards."""
    folder.chmod(0o755)
    headrace = Headrace(folder / "data")
    try:
        headrace("up", *options)
        yield headrace
    finally:
        headrace.try_("down")


def push(headrace: Headrace, folder: Path, works: bool = True, message: str = "x") -> str:
    """Commit and push with git; what its terminal says."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    if not (folder / ".git").exists():
        git("init", "-b", "main")
    git("add", "-A")
    git("commit", "-m", message)
    said = git("push", headrace.git_url(folder.name), "main")
    assert ("built revision" in said) == works, said
    return "\n".join(line.rstrip() for line in said.splitlines())
