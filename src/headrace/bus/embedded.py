"""The embedded broker: a ``nats-server`` that belongs to one data folder and outlives the server.

    start() ─▶ written down in run/broker.json and answering? ─▶ adopt it
                 └─ no: choose a program (2.14+), take the store's lock, start it, write it down

The lock on ``broker/lock`` is handed to the nats-server itself, so the kernel keeps it for as long as that process
lives: nats-server alone would let two servers share, and ruin, one store. Address and credentials are kept in
``broker/access.json``, so workers find a restarted broker where the old one was.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import secrets
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil
import structlog

from headrace import identity
from headrace.bus.greeting import Access, greet
from headrace.bus.program import find_program
from headrace.errors import Unavailable
from headrace.identity import Identity

__all__ = ["Access", "EmbeddedBroker"]

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below the range that systems use for outgoing connections, so a port is still free after a restart."""
START_WITHIN = 120.0
"""A large store takes a while to open; a broker that cannot start ends by itself long before."""
STOP_WITHIN = 20.0
PORT_TRIES = 3
FIRST_AGAIN, LONGEST_AGAIN = 0.2, 30.0
LOCK_WITHIN, LOCK_PAUSE = 5.0, 0.05

FAILURES = (
    ("no space left", "disk-full", "there is no space left on the disk", "free some space"),
    ("permission denied", "broker-store", "its store is not writable", "make the data folder writable"),
    ("read-only file system", "broker-store", "its store is not writable", "make the data folder writable"),
)
"""What the last lines of the broker's log tell: phrase, reason, message, next step."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A broker as ``run/broker.json`` tells it."""

    process: Identity
    access: Access
    version: str


class EmbeddedBroker:
    """The nats-server of one data folder.

    ``sync_interval`` is ``always`` or a Go duration such as ``1s``; sizes are bytes. ``program`` is used instead of the
    search in `headrace.bus.program`.
    """

    def __init__(
        self,
        data: Path,
        *,
        program: Path | None = None,
        sync_interval: str = "1s",
        max_file_store: int = 8 * 1024**3,
        max_payload: int = 8 * 1024**2,
        server_name: str = "headrace",
    ) -> None:
        self._program = program
        self._sync_interval = sync_interval
        self._max_file_store = max_file_store
        self._max_payload = max_payload
        self._server_name = server_name
        self._folder = data / "broker"
        self._run = data / "run"
        self._log = data / "logs" / "broker.log"
        self._running: _Running | None = None

    @property
    def process(self) -> Identity | None:
        """The process started or adopted; it may have ended since."""
        return self._running.process if self._running else None

    async def start(self) -> Access:
        """Return the address of a broker that answers: the one that runs already, else a new one.

        A second call finds the first one's broker. A broker that runs with other options is restarted at the same
        address. Cancelled, it may leave a broker running, which the next call adopts.
        Raises `Unavailable`: ``broker-missing``, ``broker-too-old``, ``store-locked``, ``disk-full``, ``broker-store``,
        ``broker-failed``.
        """
        try:
            return await self._start()
        except OSError as error:
            raise _from_os(error, self._folder) from error

    async def stop(self) -> None:
        """Ask the broker to end, wait, and kill it at a deadline. Nothing happens when none runs; safe twice."""
        running = self._running or self._written_down()
        if running is not None:
            await _end(running.process)
        self._state_file.unlink(missing_ok=True)
        self._running = None

    async def died(self) -> None:
        """Return when the broker has ended, by itself or by `stop`. Returns at once when none was started."""
        if self._running is not None:
            await identity.gone(self._running.process)

    async def keep(self) -> None:
        """Start the broker again whenever it has ended. Runs after `start`, until it is cancelled (before `stop`)."""
        pause = FIRST_AGAIN
        while True:
            await self.died()
            log.warning("broker.ended")
            try:
                await self.start()
                pause = FIRST_AGAIN
            except Unavailable as error:
                log.error("broker.cannot_start", reason=error.reason, message=error.message)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_AGAIN)

    @property
    def _state_file(self) -> Path:
        return self._run / "broker.json"

    @property
    def _config_file(self) -> Path:
        return self._folder / "nats.conf"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "nats.pid"

    async def _start(self) -> Access:
        for folder in (self._folder, self._run, self._log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LOCK_WITHIN
        while True:
            try:
                running = await self._adopt() or await self._start_new()
                break
            except _Locked:  # perhaps by another server that is just starting it: adopt it in a moment
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(LOCK_PAUSE)
        self._running = running
        self._write_down(running)
        return running.access

    # -- the one that runs already --------------------------------------------------------------------------

    async def _adopt(self) -> _Running | None:
        running = self._written_down() or self._orphan()
        if running is None:
            return None
        try:
            version = await greet(running.access, running.process, START_WITHIN)
        except Unavailable:
            if identity.alive(running.process):
                raise
            return None
        if self._configured() != self._config(running.access):
            await _end(running.process)
            return None
        return _Running(running.process, running.access, version)

    def _written_down(self) -> _Running | None:
        """The broker of ``run/broker.json`` when exactly that process lives, else `None`."""
        try:
            text = json.loads(self._state_file.read_text())
            process = Identity.from_dict(text)
            running = _Running(process, Access(text["url"], text["user"], text["password"]), str(text["version"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return running if identity.alive(process) else None

    def _orphan(self) -> _Running | None:
        """A broker of this folder that nobody wrote down: the server died between starting it and doing so."""
        access = self._known_access()
        try:
            pid = int(self._pid_file.read_text())
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        process = identity.identify(pid)
        if access is None or process is None or str(self._config_file) not in command:
            return None
        return _Running(process, access, "")

    def _write_down(self, running: _Running) -> None:
        known = running.process.as_dict() | asdict(running.access)
        text = json.dumps({**known, "version": running.version, "store": str(self._folder)})
        _write_private(self._state_file, text)

    # -- a new one ------------------------------------------------------------------------------------------

    async def _start_new(self) -> _Running:
        program = await find_program(self._program)
        with self._locked_store() as lock:
            access = self._known_access() or self._kept(_new_access())
            for _ in range(PORT_TRIES):
                if not _free(access.port):
                    access = self._kept(Access(_free_url(), access.user, access.password))
                with contextlib.suppress(_PortTaken):
                    return await self._spawn(program, access, lock)
        raise Unavailable("port-taken", f"other programs keep taking the broker's port, {access.port} at last")

    async def _spawn(self, program: Path, access: Access, lock: int) -> _Running:
        _write_private(self._config_file, self._config(access))
        self._pid_file.unlink(missing_ok=True)
        log_start = self._log.stat().st_size if self._log.exists() else 0
        process = _spawn_detached([str(program), "-c", str(self._config_file)], self._log, lock)
        try:
            return _Running(process, access, await greet(access, process, START_WITHIN))
        except Unavailable:
            await _end(process)
            raise self._why_failed(log_start) from None

    @contextlib.contextmanager
    def _locked_store(self) -> Iterator[int]:
        """Hold the store's lock; yields its descriptor for the broker to go on holding it."""
        opened = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        lock = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 10)  # clear of those the broker is started with
        os.close(opened)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _Locked(
                    "store-locked",
                    f"another process uses the broker's store in {self._folder}",
                    next_step=f"`fuser {self._folder}/lock` names it; end it, then start again",
                ) from None
            yield lock
        finally:
            os.close(lock)

    def _why_failed(self, log_start: int) -> Unavailable:
        with self._log.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()
        said = [line for line in lines if "[FTL]" in line or "[ERR]" in line or not line.startswith("[")]
        last = said[-1] if said else "it said nothing"
        if any("address already in use" in line for line in said):
            return _PortTaken("port-taken", last)
        for phrase, reason, message, next_step in FAILURES:
            if any(phrase in line.lower() for line in said):
                return Unavailable(reason, f"the broker cannot start: {message} ({last})", next_step=next_step)
        return Unavailable("broker-failed", f"the broker cannot start: {last}", next_step=f"read {self._log}")

    # -- address and configuration --------------------------------------------------------------------------

    @property
    def _access_file(self) -> Path:
        return self._folder / "access.json"

    def _known_access(self) -> Access | None:
        try:
            return Access(**json.loads(self._access_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _kept(self, access: Access) -> Access:
        _write_private(self._access_file, json.dumps(asdict(access)))
        return access

    def _configured(self) -> str:
        """The configuration the broker was last started with."""
        try:
            return self._config_file.read_text()
        except OSError:
            return ""

    def _config(self, access: Access) -> str:
        """The configuration file that the present options make."""
        return CONFIG.format(
            listen=_quoted(f"{access.host}:{access.port}"),
            server_name=_quoted(self._server_name),
            user=_quoted(access.user),
            password=_quoted(access.password),
            store=_quoted(self._folder),
            sync_interval=_quoted(self._sync_interval),
            max_file_store=self._max_file_store,
            max_payload=self._max_payload,
            log=_quoted(self._log),
            pid=_quoted(self._pid_file),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


CONFIG = """\
# Made by Headrace at every start of the broker; changes are overwritten.
listen: {listen}
server_name: {server_name}
authorization {{ user: {user}, password: {password} }}
jetstream {{
  store_dir: {store}
  sync_interval: {sync_interval}
  max_file_store: {max_file_store}
  max_memory_store: 0
}}
max_payload: {max_payload}
max_pending: 67108864
write_deadline: "10s"
ping_interval: "20s"
log_file: {log}
logfile_size_limit: 16777216
logfile_max_num: 3
pid_file: {pid}
"""


class _PortTaken(Unavailable):
    """Another program took the port between choosing and listening."""


class _Locked(Unavailable):
    """Another process holds the store's lock."""


def _spawn_detached(command: list[str], log: Path, lock: int) -> Identity:
    """Start a process of its own session that keeps ``lock`` open. No `Popen`: it must not end with its object."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, lock, 3),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
        )
    finally:
        os.close(output)
    return identity.identify(pid) or Identity(pid, 0.0)


async def _end(process: Identity) -> None:
    """Ask, wait, kill at the deadline; also collects what is left of a process that has ended already."""
    identity.send(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await identity.gone(process)
    except TimeoutError:
        identity.send(process, signal.SIGKILL)
        await identity.gone(process)


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _new_access() -> Access:
    return Access(_free_url(), f"headrace-{secrets.token_hex(4)}", secrets.token_urlsafe(24))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_url() -> str:
    for port in random.sample(PORTS, 100):
        if _free(port):
            return f"nats://{HOST}:{port}"
    raise Unavailable("port-taken", f"no free port between {PORTS.start} and {PORTS.stop}")


def _write_private(path: Path, text: str) -> None:
    """Replace the file in one step; nobody else may read it."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)


def _from_os(error: OSError, folder: Path) -> Unavailable:
    text = f"the broker cannot start: {error}"
    for phrase, reason, _, next_step in FAILURES:
        if phrase in str(error).lower():
            return Unavailable(reason, text, next_step=next_step)
    return Unavailable("broker-failed", text, next_step=f"check the folder {folder}")
