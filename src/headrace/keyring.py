"""The keys that secrets at rest are encrypted with: a file with one Fernet key a line, the newest first.

The server, and every worker on its own, reads the file when it needs it, so a new key needs no restart. What is
encrypted says which credential it belongs to, so a value put in another's place is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from headrace.errors import Refused, Unavailable

__all__ = ["Keyring"]


class Keyring:
    """The keys in one file. Any number of processes may use it; only the server changes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: tuple[str, ...] = ()

    def encrypt(self, owner: str, data: bytes) -> bytes:
        """``data`` encrypted with the newest key there is now; the first time a key is made."""
        self._read()
        if not self._keys:
            self._write([_new()])
        return self._cipher().encrypt(owner.encode() + b"\0" + data)

    def decrypt(self, owner: str, token: bytes) -> bytes:
        """What `encrypt` was given for ``owner``. `Refused` (``key-lost``, ``wrong-key``) when that cannot be read."""
        if not self._keys:
            self._read()
        found = self._opened(token)
        if found is None:  # it may have been written with a key that is newer than what was read
            self._read()
            found = self._opened(token)
        whose, _, data = (found or b"").partition(b"\0")
        if found is None or whose != owner.encode():
            raise self._unreadable()
        return data

    def add(self) -> str:
        """Put a new key, which is returned, in front: what is encrypted from now on is encrypted with it."""
        self._read()
        key = _new()
        self._write([key, *self._keys])
        return key

    def forget_before(self, key: str) -> None:
        """Forget the keys older than ``key``; what was encrypted with one of these cannot be read any more."""
        self._read()
        if key in self._keys:
            self._write(self._keys[: self._keys.index(key) + 1])

    def _opened(self, token: bytes) -> bytes | None:
        if not self._keys:
            return None
        try:
            return self._cipher().decrypt(token)
        except InvalidToken:
            return None

    def _cipher(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self._keys])

    def _unreadable(self) -> Refused:
        restore = f"put the key file of that time back, or its keys as further lines of {self._path}"
        if not self._keys:
            return Refused("key-lost", f"there is no key in {self._path}", next_step=restore)
        told = f"no key in {self._path} opens what is stored"
        return Refused("wrong-key", told, next_step=restore)

    def _read(self) -> None:
        try:
            lines = self._path.read_text("ascii").split()
            self._close()
            for line in lines:
                Fernet(line)
        except FileNotFoundError:
            lines = []
        except (OSError, ValueError) as error:
            raise Unavailable("key-file", f"cannot read the keys in {self._path}: {error}") from None
        self._keys = tuple(lines)

    def _close(self) -> None:
        """A copy from a backup may be open to others."""
        with suppress(PermissionError):  # somebody else's file; that it can be read is all that is needed
            if self._path.stat().st_mode & 0o077:
                self._path.chmod(0o600)

    def _write(self, keys: Sequence[str]) -> None:
        """All or nothing, and on the disk before anything is encrypted with it."""
        scratch = self._path.with_name(f".{self._path.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("".join(f"{key}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable("key-file", f"cannot write {self._path}: {error.strerror}") from error
        self._keys = tuple(keys)


def _new() -> str:
    return Fernet.generate_key().decode()
