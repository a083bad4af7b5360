"""``doctor``: what this machine has and lacks."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import typer

from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    from headrace.cli.place import Place

__all__ = ["Check", "doctor", "machine_checks"]

Verdict = Literal["ok", "warning", "error"]
COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``next_step`` is empty when it is well."""

    name: str
    verdict: Verdict
    found: str
    next_step: str = ""


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Check this machine and, when it is up, the server; exit 1 when something needed is missing."""
    from headrace.cli import place
    from headrace.cli.output import print_json, print_table

    checks = [*machine_checks(place.find(data)), *_server_checks(data)]
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        rows = [
            (f"[{COLOURS[check.verdict]}]{check.verdict}[/]", check.name, check.found, check.next_step)
            for check in checks
        ]
        print_table(("", "WHAT", "FOUND", "NEXT STEP"), rows, empty="")
    if any(check.verdict == "error" for check in checks):
        raise typer.Exit(1)


def machine_checks(here: Place) -> list[Check]:
    """What can be seen without a server."""
    return [_python(), _git(), _bubblewrap(), _node(), _data_folder(here)]


def _python() -> Check:
    return Check("python", "ok", platform.python_version())


def _git() -> Check:
    version = _output("git", "--version")
    if version is None:
        return Check("git", "error", "not installed", "install git: components travel by it")
    return Check("git", "ok", version.removeprefix("git version "))


def _bubblewrap() -> Check:
    cure = "install bubblewrap and allow user namespaces; until then hosts run as plain processes"
    if shutil.which("bwrap") is None:
        return Check("bubblewrap", "warning", "not installed", cure)
    probe = ("bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")
    if _output(*probe) is None:
        return Check("bubblewrap", "warning", "installed, but namespaces are forbidden here", cure)
    return Check("bubblewrap", "ok", (_output("bwrap", "--version") or "").removeprefix("bubblewrap "))


def _node() -> Check:
    version = _output("node", "--version")
    if version is None:
        return Check("node", "ok", "not installed; only Node.js components need it")
    return Check("node", "ok", version)


def _data_folder(here: Place) -> Check:
    folder = here.data
    if not folder.exists():
        return Check("data folder", "ok", f"{folder} (not made yet)")
    if not os.access(folder, os.W_OK):
        return Check("data folder", "error", f"{folder} cannot be written", "choose another with --data")
    free = shutil.disk_usage(folder).free // 1024**2
    if free < 1024:
        return Check("data folder", "warning", f"{folder}, {free} MB free", "make room: a full disk stops flows")
    return Check("data folder", "ok", f"{folder}, {free // 1024} GB free")


def _server_checks(data: Data) -> list[Check]:
    """The server's own checks, or one line that there is none."""
    from headrace.cli.client import connect
    from headrace.errors import HeadraceError

    try:
        with connect(data) as client:
            answer = client.get("/doctor")
    except HeadraceError as error:
        return [Check("server", "warning", error.message, error.next_step)]
    listed = answer if isinstance(answer, list) else answer.get("checks") or answer.get("items") or []
    return [_server_check(each) for each in listed]


def _server_check(written: dict[str, Any]) -> Check:
    state = written.get("verdict") or written.get("state") or written.get("status") or written.get("ok")
    verdict: Verdict = "ok" if state in (True, "ok") else "error" if state in (False, "error", "failed") else "warning"
    found = written.get("found") or written.get("detail") or written.get("message") or ""
    return Check(f"server: {written.get('name', '')}", verdict, str(found), str(written.get("next_step") or ""))


def _output(*command: str) -> str | None:
    """What a program prints; `None` when it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
