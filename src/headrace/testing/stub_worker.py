"""A stand-in for the worker that behaves as its flow id says: what runtimes and their callers are tested with."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

__all__ = ["run"]


def run(flow_id: str, epoch: int, bus: dict[str, str]) -> None:
    """Say who it is, then do as the first word of ``flow_id`` says; any other waits for ever.

    ``stubborn`` ignores SIGTERM, ``exits`` ends with code 3, ``raises`` fails, ``returns`` ends well.
    """
    print(f"{flow_id} {epoch} {bus.get('url')} pid {os.getpid()} session {os.getsid(0)}")  # noqa: T201 - its log
    print(f"threads {threading.active_count()} stdin {Path('/dev/fd/0').readlink()}", file=sys.stderr)  # noqa: T201
    if flow_id.startswith("exits"):
        sys.exit(3)
    if flow_id.startswith("raises"):
        raise RuntimeError("the stub was told to raise")
    if flow_id.startswith("returns"):
        return
    if flow_id.startswith("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
