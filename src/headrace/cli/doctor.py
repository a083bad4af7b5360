"""``doctor``: what this machine has of what Headrace needs.

A server that is up examines itself, in its own environment; without one a few checks are made from here.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    from headrace.cli.place import Place

__all__ = ["doctor", "examine"]

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
Check = dict[str, str]
"""``name``, ``state`` (ok, warn, fail), ``detail`` and ``next_step``: as the API has it."""


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Check this machine and the server; exit 1 when something needed is missing."""
    from headrace.cli.output import coloured, print_json, print_table

    checks = _asked(data)
    ok = all(check["state"] != "fail" for check in checks)
    if as_json:
        print_json({"ok": ok, "checks": checks})
    else:
        rows = [
            (coloured(check["state"], COLOURS[check["state"]]), *(check[key] for key in COLUMNS)) for check in checks
        ]
        print_table(("", "WHAT", "FOUND", "NEXT STEP"), rows, empty="")
    if not ok:
        raise typer.Exit(1)


COLUMNS = ("name", "detail", "next_step")


def examine(here: Place) -> list[Check]:
    """What can be seen without a server."""
    found = [(name, look(here)) for name, look in LOOKS]
    return [
        {"name": name, "state": state, "detail": detail, "next_step": next_step}
        for name, (state, detail, next_step) in found
    ]


def _asked(data: Data) -> list[Check]:
    """The server's answer, or our own checks when there is none to ask."""
    from headrace.cli import place
    from headrace.cli.client import connect
    from headrace.errors import Unavailable

    try:
        with connect(data) as client:
            answer: Any = client.get("/doctor")
    except Unavailable as error:
        missing = {"name": "server", "state": "warn", "detail": error.message, "next_step": error.next_step}
        return [*examine(place.find(data)), missing]
    return list(answer["checks"])


Finding = tuple[str, str, str]
"""State, detail, next step."""


def _python(_here: Place) -> Finding:
    return "ok", f"{platform.python_version()} at {sys.executable}", ""


def _git(_here: Place) -> Finding:
    version = _output("git", "--version")
    if version is None:
        return "fail", "not installed", "Install git: components are pushed with it."
    return "ok", version.removeprefix("git version "), ""


def _node(_here: Place) -> Finding:
    from headrace.components import node
    from headrace.errors import Unavailable

    try:
        return "ok", str(node.find()), ""
    except Unavailable as error:  # Python components need none
        return "warn", error.message, error.next_step


def _broker(_here: Place) -> Finding:
    import asyncio

    from headrace.bus.program import find_program
    from headrace.errors import HeadraceError

    try:
        return "ok", str(asyncio.run(find_program())), ""
    except HeadraceError as error:
        return "fail", error.message, error.next_step


def _sandbox(_here: Place) -> Finding:
    from headrace import sandbox

    found = sandbox.probe()
    if found.available:
        return "ok", f"bubblewrap {'.'.join(map(str, found.version))}", ""
    told = f"components run as plain processes: {found.reason}"
    return "warn", told, "Install bubblewrap and allow user namespaces."


def _data_folder(here: Place) -> Finding:
    folder = here.data
    if not folder.exists():
        return "ok", f"{folder} (not made yet)", ""
    if not os.access(folder, os.W_OK):
        return "fail", f"{folder} cannot be written", "Choose another with --data."
    free = shutil.disk_usage(folder).free / 1024**3
    if free < 1:
        return "warn", f"{folder}, {free:.1f} GiB free", "Make room: a full disk stops flows."
    return "ok", f"{folder}, {free:.0f} GiB free", ""


def _settings(here: Place) -> Finding:
    from headrace.errors import Invalid
    from headrace.settings import ignored_variables, load

    try:
        load(data=here.data)
    except Invalid as error:
        return "fail", error.message, error.next_step or "Correct them: docs/reference/settings.md"
    ignored = ignored_variables(os.environ)
    if ignored:
        return "warn", "; ".join(map(str, ignored)), "Correct or unset it: docs/reference/settings.md"
    return "ok", "no mistake in them", ""


LOOKS: tuple[tuple[str, Callable[[Place], Finding]], ...] = (
    ("python", _python),
    ("git", _git),
    ("node", _node),
    ("nats-server", _broker),
    ("sandbox", _sandbox),
    ("data folder", _data_folder),
    ("settings", _settings),
)


def _output(*command: str) -> str | None:
    """What a program prints; `None` when it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
