"""The data folder as the command line sees it: who runs there, on which address, with which token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Unavailable

__all__ = ["Place", "Running", "alive", "find"]

CREATED_SLACK = 0.05
"""Process creation times are floats that went through JSON; two processes never differ by less."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that wrote itself down in ``run/``: its identity is pid and creation time together."""

    pid: int
    created: float
    url: str


@dataclass(frozen=True, slots=True)
class Place:
    """One data folder."""

    data: Path

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def server_log(self) -> Path:
        return self.data / "logs" / "server.log"

    @property
    def port_file(self) -> Path:
        """The port of the last ``up``, so that a webhook keeps its address."""
        return self.run / "port"

    @property
    def shipped_file(self) -> Path:
        """Which library components and demo flows were installed, so that what a person changed or removed stays so."""
        return self.data / "shipped.json"

    @property
    def demo(self) -> Path:
        return self.data / "demo"

    def make(self) -> None:
        """Create the folders that must exist before the server does."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o711)
        for folder in (self.run, self.server_log.parent):
            folder.mkdir(mode=0o700, exist_ok=True)

    def server(self) -> Running | None:
        """The server that runs here; `None` when none does, whatever a crash left behind."""
        return self._running("server.json")

    def broker(self) -> Running | None:
        """The embedded broker that runs here, or `None`."""
        return self._running("broker.json")

    def token(self) -> str:
        """The local administrator's token, written by the server at its first start."""
        try:
            return (self.data / "keys" / "cli-token").read_text().strip()
        except FileNotFoundError:
            raise Unavailable(
                "no-token",
                f"there is no key for the command line in {self.data}",
                next_step=f"headrace up --data {self.data}",
            ) from None
        except PermissionError:
            raise Unavailable(
                "no-token",
                f"the data folder {self.data} belongs to another user",
                next_step="run the command as that user, or set HEADRACE_URL and HEADRACE_TOKEN",
            ) from None

    def _running(self, name: str) -> Running | None:
        try:
            written = json.loads((self.run / name).read_text())
            process = Running(int(written["pid"]), float(written["created"]), str(written["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return process if alive(process) else None


def alive(process: Running) -> bool:
    """Whether exactly this process still runs: a reused pid has another creation time."""
    import psutil

    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.created) < CREATED_SLACK
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def find(data: Path | None) -> Place:
    """The data folder ``data``, or ``./data``; need not exist."""
    return Place((data or Path("data")).expanduser().absolute())
