"""The server process of a data folder: started beside the command line, found again, stopped.

absent ──start──▶ starting ──/readyz──▶ ready ──stop──▶ stopping ──▶ absent
                     └──exits or never answers──▶ `Unavailable` with the last lines of its log
"""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headrace.cli.client import Client
from headrace.cli.place import Place, Running
from headrace.errors import HeadraceError, Invalid, Refused, Unavailable
from headrace.identity import Identity, alive, send

__all__ = ["DEFAULT_PORT", "Started", "choose_port", "locked", "log_tail", "spawn", "stop", "wait_ready"]

DEFAULT_PORT = 7475
HOST = "127.0.0.1"
MOST_PORT = 65535
MODULE = "headrace.app"
PORTS_TO_TRY = 50
READY_WITHIN = 60.0
STOP_WITHIN = 45.0
END_WITHIN = (10.0, 5.0)
"""Seconds after SIGTERM, and after SIGKILL."""
PAUSE = 0.05
LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Started:
    """A server just started, and where in the log its own words begin."""

    process: subprocess.Popen[bytes]
    log_from: int


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """One ``up`` or ``down`` at a time per data folder; a second one waits for the first."""
    try:
        lock = (place.run / "up.lock").open("w")
    except PermissionError:
        raise place.closed() from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def choose_port(place: Place, wanted: int | None) -> int:
    """The port to listen on: the wanted one, else the last one used here, else the next free one from 7475.

    `Refused` when the wanted one is taken: an address that was asked for by name, here or in the settings file, is
    never silently changed.
    """
    wanted = _configured_port(place) if wanted is None else wanted
    if wanted is not None:
        obstacle = _obstacle(wanted)
        if isinstance(obstacle, PermissionError):
            raise Refused("port-taken", f"port {wanted} is reserved for root", next_step="choose a --port from 1024 on")
        if obstacle is not None:
            raise Refused(
                "port-taken",
                f"port {wanted} is taken by another program",
                next_step="choose another --port, or leave it out to take the next free one",
            )
        return wanted
    ports: list[int] = [*_last_port(place), *range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY)]
    for port in ports:
        if _free(port):
            return port
    raise Refused(
        "port-taken",
        f"ports {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TO_TRY - 1} are all taken",
        next_step="choose one with --port",
    )


def spawn(place: Place, port: int, *, foreground: bool = False) -> Started:
    """Start ``headrace.app``; detached with its output in ``logs/server.log``, or attached to this terminal."""
    command = [sys.executable, "-m", MODULE, "--data", str(place.data), "--port", str(port)]
    if foreground:
        return Started(subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL), 0)
    with place.server_log.open("ab") as log:
        process = subprocess.Popen(
            command,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.data,
        )
        return Started(process, log.tell())


def wait_ready(place: Place, started: Started | None, tell: Callable[[str], None]) -> Client:
    """Wait until the server answers and return its client. ``started`` is the one just started, if it was."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        server = place.server()
        if server is not None:
            client = Client(server.url, place.token(), not_up="headrace up")
            if client.ready():
                place.port_file.write_text(f"{urlsplit(server.url).port}\n")
                return client
            tell("Waiting for its parts")
        if started is not None and started.process.poll() is not None:
            raise _failed(place, started, f"the server ended at once with exit code {started.process.returncode}")
        time.sleep(PAUSE)
    raise _failed(place, started, f"the server was not ready within {READY_WITHIN:.0f} seconds")


def stop(place: Place, tell: Callable[[str], None]) -> bool:
    """Stop everything that runs in the data folder; False when nothing did.

    The server is asked to stop workers and broker; what does not obey in time is ended by its pid. A server that
    crashed is started once more for it, because only the server knows the workers.
    """
    server, broker = place.server(), place.broker()
    if server is None and broker is None:
        return False
    if server is None:
        tell("The server had ended by itself; starting it to stop what it left running")
        server = _revived(place, tell)
    if server is not None:
        tell("Stopping flows, then the broker")
        _ask_to_stop(place, server)
        _wait_gone(server.identity, STOP_WITHIN)
        _end(server.identity)
    if (left := place.broker()) is not None:
        _end(left.identity)
    return True


def log_tail(path: Path, since: int = 0, lines: int = LOG_LINES) -> list[str]:
    """The last lines of a log file, none of them before byte ``since``; empty when there is no file."""
    try:
        with path.open("rb") as log:
            log.seek(max(since, path.stat().st_size - 65_536, 0))
            return log.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _revived(place: Place, tell: Callable[[str], None]) -> Running | None:
    started = spawn(place, choose_port(place, None))
    try:
        wait_ready(place, started, tell)
    except HeadraceError:
        started.process.terminate()
        return None
    return place.server()


def _ask_to_stop(place: Place, server: Running) -> None:
    """A server that does not answer is ended by pid afterwards, so its silence is no error here."""
    with suppress(HeadraceError), Client(server.url, place.token()) as client:
        client.post("/shutdown", {"everything": True})


def _end(process: Identity) -> None:
    """Terminate, then kill, each with a deadline. A process that is gone already is left alone."""
    for number, patience in zip((signal.SIGTERM, signal.SIGKILL), END_WITHIN, strict=True):
        if send(process, number):
            _wait_gone(process, patience)


def _wait_gone(process: Identity, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(process) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _failed(place: Place, started: Started | None, message: str) -> Unavailable:
    own = log_tail(place.server_log, started.log_from if started else 0)
    if (told := _why(own)) is not None:
        return told
    tail = "\n".join(f"    {_readable(line)}" for line in own)
    said = f"; its log ends with\n{tail}" if tail else ""
    return Unavailable("start-failed", message + said, next_step=f"read {place.server_log}")


def _why(lines: Sequence[str]) -> Unavailable | None:
    """What the server itself said why it cannot run, when that was its last word."""
    try:
        said = json.loads(lines[-1])
        if said["event"] != "cannot run":
            return None
        return Unavailable(str(said["reason"]), str(said["detail"]), next_step=str(said.get("next_step") or ""))
    except (IndexError, ValueError, TypeError, KeyError):
        return None


def _readable(line: str) -> str:
    """A line of the server's log, which is JSON where the server says it, as a person would write it."""
    try:
        said = json.loads(line)
        words = (said.pop(key, "") for key in ("event", "detail", "exception"))
        return f"{said.pop('level')}: " + " ".join(str(word) for word in words if word)
    except (ValueError, TypeError, AttributeError, KeyError):
        return line


def _free(port: int) -> bool:
    """Whether a server could listen there now; connections that linger from an earlier one do not count."""
    return _obstacle(port) is None


def _obstacle(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error
    return None


def _configured_port(place: Place) -> int | None:
    """The port in the settings file; a file that cannot be read is for the server to complain about.

    Raises `Invalid` (``settings-invalid``) for one that is no port: the server, told its port, would not see it.
    """
    import tomllib

    try:
        port = tomllib.loads(place.settings_file.read_text()).get("port")
    except (OSError, ValueError):
        return None
    if port is None or (isinstance(port, int) and 0 <= port <= MOST_PORT):
        return port
    raise Invalid(
        "settings-invalid",
        f"{place.settings_file}: `port` is {port!r}, not a number up to {MOST_PORT}",
        next_step="correct it: docs/reference/settings.md",
    )


def _last_port(place: Place) -> list[int]:
    try:
        return [int(place.port_file.read_text())]
    except (OSError, ValueError):
        return []
