"""Sockets by what they are for: the connections component code has made, its servers, and who came in."""

from __future__ import annotations

import _socket
from collections.abc import Iterable

__all__ = ["connections"]

_End = object
"""An address as far as it tells one end from another; `None`: not connected, or nameless."""


class _Socket:
    def __init__(self, borrowed: _socket.socket) -> None:
        self.listens = bool(borrowed.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
        self.local = _end(borrowed.getsockname())
        try:
            self.peer = _end(borrowed.getpeername())
        except OSError:
            self.peer = None


def connections(descriptors: Iterable[int]) -> dict[str, int]:
    """``sockets`` (connections made; one to each further end does not count: pools and caches keep one), ``servers``,
    and ``clients``: connections made by others, out of this process.

    ``descriptors`` are of sockets.
    """
    found = [one for one in map(_look, descriptors) if one is not None]
    doors = {_door(one.local) for one in found if one.listens}
    ours = {one.local for one in found}
    inbound = [one for one in found if not one.listens and _door(one.local) in doors]
    made = [one for one in found if not one.listens and _door(one.local) not in doors]
    ends = {one.peer for one in made if one.peer is not None}
    return {
        "sockets": len(made) - max(len(ends) - 1, 0),
        "servers": sum(one.listens for one in found),
        "clients": sum(isinstance(one.peer, tuple) and one.peer not in ours for one in inbound),
    }


def _look(descriptor: int) -> _Socket | None:
    try:
        borrowed = _socket.socket(fileno=descriptor)
    except OSError:  # closed meanwhile, by another thread
        return None
    try:
        return _Socket(borrowed)
    except OSError:
        return None
    finally:
        borrowed.detach()


def _end(name: object) -> _End:
    if isinstance(name, tuple) and len(name) > 1:
        return (str(name[0]).removeprefix("::ffff:"), name[1])
    return name or None


def _door(name: _End) -> _End:
    """What a server's socket and those that came in by it have in common: a port or a path."""
    return name[1] if isinstance(name, tuple) else name or ""
