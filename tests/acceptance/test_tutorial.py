"""The tutorial, word for word: every command of docs/tutorial/first-component.md, as a newcomer types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.headrace import Headrace, running, until

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-component.md"
ALREADY_DONE = ("make up", ". .venv/bin/activate")
SHOWN = {
    "headrace component push greeter": ["greeter revision 1 is ready.", "greeter revision 2 is ready."],
    "headrace component show greeter": ["Greet a person"],
    "headrace flow apply hello.yaml --start": ["hello is live"],
    "headrace logs hello": ["Hello, Ada!"],
    "headrace executions --flow hello": ["done", "done"],
    "headrace flow list": ["runs greeter revision 1, latest is 2", "live"],
    "headrace flow publish hello": ["hello is live"],
    "headrace logs hello log": ["Good day, Ada!", "Good day, Grace!"],
    "headrace errors --flow hello": ["KeyError"],
    "headrace errors ID": ["greet.py"],
}
"""What the page says one sees, command by command, in the order in which a command comes again."""


def commands(page: str) -> Iterator[str]:
    """The commands of all shell blocks; a here-document belongs to its command."""
    lines = iter("\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)).splitlines())
    for line in lines:
        command = re.sub(r"\s+# .*", "", line)
        if "<<'END'" in line:
            command = "\n".join([line, *iter(lambda: next(lines), "END"), "END"])
        if command.strip():
            yield command


class Newcomer:
    """Types commands into a shell in a folder of their own."""

    def __init__(self, headrace: Headrace, folder: Path) -> None:
        self.headrace = headrace
        self.folder = folder
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "HEADRACE_DATA": str(headrace.data)}

    def types(self, command: str) -> str:
        """Run it as it is written, but for the port and the id that a person would put in."""
        written = command
        if "curl" in command:
            written = command.replace("http://127.0.0.1:7475", self.headrace.server["url"])
        if command.startswith("headrace execution show ID"):
            written = written.replace("ID", self.headrace.json("executions", "--flow", "hello")[0]["id"])
        if command.startswith(("headrace retry ID", "headrace errors ID")):
            written = written.replace("ID", self.headrace.json("errors", "--flow", "hello")[0]["id"])
        done = subprocess.run(
            ["bash", "-c", written],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{written}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sees(self, command: str, text: str) -> None:
        """Type it until the text is there: a person is slower than the recorder, a test is not."""
        reading = command.split()[1] in ("logs", "executions", "errors") or command == "headrace flow list"
        if reading:
            until(lambda: text in self.types(command), what=f"{command} shows {text!r}")
        else:
            assert text in self.types(command)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can pass through, unlike pytest's own: started as root, hosts run as such."""
    with tempfile.TemporaryDirectory(prefix="headrace-tutorial-") as made:
        yield Path(made)


def test_every_command_of_the_tutorial_does_what_the_page_says(folder: Path) -> None:
    shown = {command: list(texts) for command, texts in SHOWN.items()}
    with running(folder, "--no-demo") as headrace:
        newcomer = Newcomer(headrace, folder)
        for command in commands(PAGE.read_text()):
            if command in ALREADY_DONE:
                continue
            if texts := shown.get(command):
                newcomer.sees(command, texts.pop(0))
            else:
                newcomer.types(command)
    assert not any(shown.values()), f"the page no longer has: {shown}"
    assert not (folder / "greeter").exists()
