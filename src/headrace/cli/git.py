"""The ``git`` program, run without anything that a calling git left in the environment."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from headrace.cli.client import Client, is_local
from headrace.errors import Refused, Unavailable

__all__ = ["Git", "access", "lines"]

LINE_END = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one folder, with ``extra`` in its environment."""

    folder: Path
    extra: Mapping[str, str]

    def __call__(self, *arguments: str, given: bytes | None = None) -> str:
        """The output; `Refused` with git's own words when it fails."""
        done = self.run(*arguments, given=given)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise Refused("git-failed", f"git {arguments[0]} failed in {self.folder}: {said}")
        return done.stdout.decode(errors="replace").strip()

    def ask(self, *arguments: str) -> str | None:
        """The output, or `None` when git says no."""
        done = self.run(*arguments)
        return None if done.returncode else done.stdout.decode(errors="replace").strip()

    def run(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end; `Unavailable` when there is no git."""
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=self.environment(),
                input=b"" if given is None else given,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise Unavailable(
                "no-git", "git is not installed", next_step="install git: components travel by it"
            ) from None

    def environment(self) -> dict[str, str]:
        """What it runs with: never asks a question, speaks English, reads no variable of a calling git."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return {**clean, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **self.extra}


def access(client: Client) -> dict[str, str]:
    """The token as a git setting in the environment, so that it is in no argument list and in no file."""
    basic = base64.b64encode(f"headrace:{client.token}".encode()).decode()
    settings = {"http.extraHeader": f"Authorization: Basic {basic}", "credential.helper": ""}
    if is_local(client.url):
        settings["http.proxy"] = ""
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines as they come: a remote that draws progress ends them with a carriage return."""
    rest = b""
    while chunk := os.read(stream.fileno(), 65_536):
        *complete, rest = LINE_END.split(rest + chunk)
        yield from (_plain(line) for line in complete if line.strip())
    if rest.strip():
        yield _plain(rest)


def _plain(line: bytes) -> str:
    return line.replace(b"\x1b[K", b"").decode(errors="replace").rstrip()
