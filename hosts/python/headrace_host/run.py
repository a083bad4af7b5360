"""Starting the host process."""

from __future__ import annotations

import os
import socket
import sys

from headrace_host.eventloop import asyncio
from headrace_host.host import Host
from headrace_host.loading import make_importable
from headrace_host.process import set_up

__all__ = ["main"]

_FD = 3


def main() -> None:
    """Serve the worker at file descriptor 3 with the component in the current folder. Does not return."""
    try:
        sock = socket.socket(fileno=_FD)
    except OSError:
        sys.exit("a Headrace worker starts this program, with its socket at file descriptor 3")
    set_up()
    folder = os.getcwd()  # noqa: PTH109
    make_importable(folder)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    host = Host(loop, sock, folder)
    while True:
        try:
            loop.run_forever()
        except SystemExit as asked:  # a component's background task: a step always on does not end that way
            host.log.write("error", f"sys.exit({asked.code!r}) in a background task was ignored")
