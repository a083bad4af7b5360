"""The data folder as the command line sees it: who runs there, on which address, with which token."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import Refused, Unavailable

if TYPE_CHECKING:
    from headrace.identity import Identity

__all__ = ["Place", "Running", "find"]


@dataclass(frozen=True, slots=True)
class Running:
    """A process that wrote itself down in ``run/``."""

    identity: Identity
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
    def settings_file(self) -> Path:
        return self.data / "headrace.toml"

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
        """Create the folders that must exist before the server does; it makes the others itself.

        Raises `Refused` (``data-folder``) where that cannot be.
        """
        try:
            if not self.data.is_dir():
                self.data.mkdir(parents=True)
                self.data.chmod(0o711)
            for folder in (self.run, self.server_log.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Refused(
                "data-folder",
                f"{self.data} cannot be the data folder: {error.strerror}: {error.filename}",
                next_step="choose another with --data, or give the user that runs Headrace the right to write there",
            ) from None
        if not all(os.access(folder, os.W_OK) for folder in (self.data, self.run)):
            raise Refused(
                "data-folder",
                f"the data folder {self.data} belongs to somebody else, or cannot be written",
                next_step="run the command as its owner, or choose another with --data",
            )

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
            raise self.closed() from None

    def _running(self, name: str) -> Running | None:
        from headrace.identity import Identity, alive

        try:
            written = json.loads((self.run / name).read_text())
            process = Identity(int(written["pid"]), float(written["created"]))
            url = str(written["url"])
        except PermissionError:
            raise self.closed() from None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Running(process, url) if alive(process) else None

    def closed(self) -> Unavailable:
        """What to say when the system does not let us in."""
        return Unavailable(
            "no-token",
            f"the data folder {self.data} belongs to another user",
            next_step="run the command as that user, or set HEADRACE_URL and HEADRACE_TOKEN",
        )


def find(data: Path | None) -> Place:
    """The data folder ``data``, or ``./data``; need not exist."""
    return Place((data or Path("data")).expanduser().absolute())
