"""The files of one commit: what ``git ls-tree`` lists, and what may not be among them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from headrace.errors import Problem

__all__ = ["LIST_TREE", "MOST_FILES", "Entry", "Tree", "parse"]

LIST_TREE = ("ls-tree", "-r", "-l", "-z", "--full-tree")
"""Arguments of the git command whose output `parse` reads; a commit follows."""
MOST_FILES = 50_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or submodule. ``size`` is in bytes."""

    path: str
    mode: str
    id: str
    size: int

    @property
    def is_link(self) -> bool:
        return self.mode == "120000"

    @property
    def is_submodule(self) -> bool:
        return self.mode == "160000"


@dataclass(frozen=True, slots=True)
class Tree:
    """All entries of a commit."""

    entries: tuple[Entry, ...]

    @property
    def files(self) -> frozenset[str]:
        return frozenset(entry.path for entry in self.entries if not entry.is_submodule)

    @property
    def links(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.is_link)

    def find(self, path: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.path == path), None)

    def problems(self, targets: Mapping[str, str], limit: int) -> tuple[Problem, ...]:
        """What may not be checked out. ``targets`` says where links point, ``limit`` is bytes for all files."""
        return tuple(self._problems(targets, limit))

    def _problems(self, targets: Mapping[str, str], limit: int) -> Iterator[Problem]:
        size = sum(entry.size for entry in self.entries)
        if size > limit:
            yield Problem(
                "", "too-large", f"the files have {size:,} bytes; {limit:,} are allowed", "keep data elsewhere"
            )
        if len(self.entries) > MOST_FILES:
            yield Problem("", "too-large", f"there are {len(self.entries):,} files; {MOST_FILES:,} are allowed")
        for entry in self.entries:
            if entry.is_submodule:
                yield Problem(entry.path, "submodule", "is a submodule, which is not fetched", severity="warning")
            elif entry.is_link and leaves(entry.path, targets.get(entry.path, "")):
                target = targets.get(entry.path, "")
                yield Problem(
                    entry.path, "link-outside", f"is a link to {target!r}, outside the repository", "copy the file"
                )


def leaves(path: str, target: str) -> bool:
    """Whether a link at ``path`` points out of the tree, as far as its text tells."""
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return posixpath.isabs(reached) or reached == ".." or reached.startswith("../")


def parse(listed: bytes) -> Tree:
    """Read the output of `LIST_TREE`. Names that are no UTF-8 keep their bytes as surrogates."""
    return Tree(tuple(_entries(listed.split(b"\0"))))


def _entries(records: Iterable[bytes]) -> Iterator[Entry]:
    for record in records:
        if record:
            about, _, path = record.partition(b"\t")
            mode, _, id_, size = about.decode("ascii").split()
            yield Entry(path.decode("utf-8", "surrogateescape"), mode, id_, 0 if size == "-" else int(size))
