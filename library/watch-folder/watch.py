"""Which files of a folder are due: decided from looks at the folder, without touching it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["PATTERNS", "File", "Watch", "done_in", "look", "patterns"]

PATTERNS = ("*.json", "*.jsonl", "*.ndjson", "*.csv", "*.tsv")
UNFINISHED = (".*", "*.tmp", "*.part", "*.crdownload", "*~")


@dataclass(frozen=True, slots=True)
class File:
    """A file as one look saw it."""

    name: str
    size: int
    modified_ns: int
    inode: int

    @property
    def identity(self) -> str:
        """The same for the same content in the same place; a file that was written again has another one."""
        told = f"{self.name}\0{self.size}\0{self.modified_ns}\0{self.inode}"
        return hashlib.blake2b(told.encode(errors="surrogateescape"), digest_size=8).hexdigest()


@dataclass(slots=True)
class Watch:
    """Remembers which files are done and since when the others have been quiet."""

    settle: float
    done: dict[str, str] = field(default_factory=dict)
    """Name → identity of what was read: kept in the snapshot."""
    _quiet: dict[str, tuple[str, float]] = field(default_factory=dict)

    def due(self, files: Iterable[File], now: float) -> list[File]:
        """The files to read now, the oldest first. ``now`` is in seconds of any clock that only goes forward."""
        fresh = {file.name: file for file in files if self.done.get(file.name) != file.identity}
        self._quiet = {name: self._since(file, now) for name, file in fresh.items()}
        ripe = [file for name, file in fresh.items() if now - self._quiet[name][1] >= self.settle]
        return sorted(ripe, key=lambda file: (file.modified_ns, file.name))

    def waiting(self) -> bool:
        """Whether a file is being watched until it is quiet."""
        return bool(self._quiet)

    def finish(self, file: File) -> None:
        """Never report ``file`` again as it is now."""
        self.done[file.name] = file.identity
        self._quiet.pop(file.name, None)

    def forget_all_but(self, names: Iterable[str]) -> bool:
        """Forget files that are gone; True when there were any."""
        gone = self.done.keys() - set(names)
        for name in gone:
            del self.done[name]
        return bool(gone)

    def _since(self, file: File, now: float) -> tuple[str, float]:
        seen = self._quiet.get(file.name)
        return seen if seen and seen[0] == file.identity else (file.identity, now)


def look(folder: str, wanted: tuple[str, ...] = PATTERNS) -> list[File]:
    """The files in ``folder`` that match. `OSError` when it cannot be read."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _matches(entry.name, wanted):
                file = _file(entry)
                if file is not None:
                    found.append(file)
    if not found and Path(folder).stat().st_nlink == 0:
        raise FileNotFoundError(f"{folder} was removed while it was being watched")
    return found


def patterns(written: str | None) -> tuple[str, ...]:
    """The patterns in a comma-separated text; the usual ones when there are none."""
    return tuple(part.strip() for part in (written or "").split(",") if part.strip()) or PATTERNS


def done_in(snapshot: Mapping[str, object]) -> dict[str, str]:
    """The files a snapshot remembers."""
    done = snapshot.get("done")
    return {str(name): str(identity) for name, identity in done.items()} if isinstance(done, dict) else {}


def _matches(name: str, wanted: tuple[str, ...]) -> bool:
    if any(fnmatch(name, pattern) for pattern in UNFINISHED) or not _is_text(name):
        return False
    return any(fnmatch(name.lower(), pattern.lower()) for pattern in wanted)


def _is_text(name: str) -> bool:
    """Whether the name can be written down: a file system also takes bytes that are no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file(entry: os.DirEntry[str]) -> File | None:
    """The entry as a file; `None` for anything else and for what vanished meanwhile."""
    try:
        if not entry.is_file():
            return None
        stat = entry.stat()
    except OSError:
        return None
    return File(entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ino)
