"""The git repositories of components: bare, one folder each, guarded by hooks.

The tip of ``main`` (or ``master``) is the component; other refs are only kept. A commit that became a component
version has a ref of its own, ``refs/headrace/<commit>``, which pushes neither see nor change, so that a force push
cannot take the code of a revision away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from headrace.components import tree
from headrace.components.descriptor import FILE
from headrace.components.lint import lint
from headrace.errors import Invalid, NotFound, Problem, Unavailable

__all__ = ["BRANCHES", "NAME", "Commit", "Repositories", "check_name", "git_environment"]

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
BRANCHES = ("main", "master")
"""Branches whose tip becomes a component version; the first goes before the second."""
PUSH_LIMIT = 256 * 1024 * 1024
TREE_LIMIT = 1024 * 1024 * 1024
LONGEST_MESSAGE = 10_000

_KEPT = "refs/headrace/"
_FORMAT = "%H%x00%an <%ae>%x00%ct%x00%B%x00"

_HOOK = """\
#!/bin/sh
# Written by Headrace. The server that answers a push says which Python runs its hooks.
if [ -z "$HEADRACE_PYTHON" ]; then
    echo "push to the server's URL, /git/NAME.git, not into this folder" >&2
    exit 1
fi
exec "$HEADRACE_PYTHON" -S -P -m headrace.components.hook {name}
"""

# Old but harmless mistakes of other git programs, found in long-lived public repositories.
_FORGIVEN = ("missingSpaceBeforeDate", "zeroPaddedFilemode", "badTimezone", "missingEmail", "zeroPaddedDate")

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[http]
\treceivepack = true
\tuploadpack = true
\tgetanyfile = false
[receive]
\tfsckObjects = true
\tmaxInputSize = {push_limit}
\tadvertisePushOptions = false
\tdenyDeletes = false
\tdenyDeleteCurrent = ignore
\tautogc = false
[transfer]
\thideRefs = refs/headrace
[gc]
\tauto = 0
[receive "fsck"]
{forgiven}
"""


def git_environment() -> dict[str, str]:
    """The environment for every git of ours: nobody's own settings, no questions, our folders trusted."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def check_name(name: str) -> str:
    """``name``, if a component can be called that; else `Invalid` (``bad-name``)."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "bad-name",
            f"{name[:80]!r} cannot be a component's name: lower-case letters, digits and -, beginning with a letter, "
            "63 at most",
            next_step="choose another name",
        )
    return name


@dataclass(frozen=True, slots=True)
class Commit:
    """``author`` is ``Name <address>``; ``committed_at`` is milliseconds since the epoch."""

    id: str
    author: str
    message: str
    committed_at: int


class Repositories:
    """All repositories, in one folder. ``push_limit`` and ``tree_limit`` are bytes, of a push and of all files."""

    def __init__(self, root: Path, *, push_limit: int = PUSH_LIMIT, tree_limit: int = TREE_LIMIT) -> None:
        self.root = root
        self.push_limit = push_limit
        self.tree_limit = tree_limit

    def path(self, name: str) -> Path:
        """Where the repository is, or would be. `Invalid` for a name no component can have."""
        return self.root / f"{check_name(name)}.git"

    def exists(self, name: str) -> bool:
        return (self.path(name) / "HEAD").is_file()

    def names(self) -> tuple[str, ...]:
        """Components that have a repository."""
        found = (path.name.removesuffix(".git") for path in self.root.glob("*.git") if (path / "HEAD").is_file())
        return tuple(sorted(name for name in found if NAME.fullmatch(name)))

    async def create(self, name: str) -> None:
        """Make the repository, or bring the settings and hooks of an old one up to date."""
        path = self.path(name)
        if not self.exists(name):
            await self._init(path)
        await asyncio.to_thread(self._settle, path)

    async def _init(self, path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self.root, prefix=".new-") as folder:
            new = Path(folder) / "repository"
            await _git(None, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(new))
            try:
                new.rename(path)
            except OSError:
                if not (path / "HEAD").is_file():  # else someone was faster
                    raise

    def _settle(self, path: Path) -> None:
        forgiven = "\n".join(f"\t{mistake} = ignore" for mistake in _FORGIVEN)
        _write(path / "config", _CONFIG.format(push_limit=self.push_limit, forgiven=forgiven), 0o600)
        (path / "hooks").mkdir(exist_ok=True)
        for hook in ("pre-receive", "post-receive"):
            _write(path / "hooks" / hook, _HOOK.format(name=hook), 0o700)

    async def remove(self, name: str) -> None:
        """Remove the repository; nothing happens when there is none."""
        path = self.path(name)
        if path.is_dir():
            away = path.with_name(f".removed-{name}-{os.urandom(4).hex()}")
            path.rename(away)
            await asyncio.to_thread(shutil.rmtree, away, ignore_errors=True)

    async def tips(self, name: str) -> tuple[str, ...]:
        """Commits at the tips of ``main`` and ``master``, as far as they exist, ``main`` first."""
        refs = [f"refs/heads/{branch}" for branch in BRANCHES]
        listed = await _git(self._existing(name), "for-each-ref", "--format=%(refname) %(objectname)", *refs)
        found = dict(line.split() for line in listed.decode().splitlines())
        return tuple(found[ref] for ref in refs if ref in found)

    async def tip(self, name: str) -> str | None:
        """The commit that is the component now, or `None` when nothing was pushed."""
        return next(iter(await self.tips(name)), None)

    async def commit(self, name: str, commit: str) -> Commit:
        """About one commit; `NotFound` (``commit-not-found``)."""
        found = await self._log(name, "-1", _checked(commit))
        return found[0]

    async def log(self, name: str, old: str | None, new: str, *, limit: int = 100) -> tuple[Commit, ...]:
        """Commits of ``new`` that ``old`` does not have, newest first; `NotFound` (``commit-not-found``)."""
        left_out = [f"^{_checked(old)}"] if old else []
        return await self._log(name, f"--max-count={limit}", _checked(new), *left_out)

    async def _log(self, name: str, *arguments: str) -> tuple[Commit, ...]:
        said = await _git(self._existing(name), "log", "--encoding=UTF-8", f"--format={_FORMAT}", *arguments, "--")
        parts = said.decode(errors="replace").split("\0")
        return tuple(
            Commit(id_.strip(), author, message.strip()[:LONGEST_MESSAGE], int(seconds) * 1000)
            for id_, author, seconds, message in zip(*[iter(parts[: len(parts) // 4 * 4])] * 4, strict=True)
        )

    async def tree(self, name: str, commit: str) -> tree.Tree:
        """The files of a commit; `NotFound` (``commit-not-found``)."""
        return tree.parse(await _git(self._existing(name), *tree.LIST_TREE, _checked(commit)))

    async def descriptor(self, name: str, commit: str) -> bytes | None:
        """The ``component.json`` of a commit; `None` when it has none."""
        found = (await self.tree(name, commit)).find(FILE)
        return await self._blob(name, found.id) if found is not None and not found.is_submodule else None

    async def file(self, name: str, commit: str, path: str, *, limit: int) -> bytes | None:
        """A file of a commit; `None` when there is none, it is a link, or has more than ``limit`` bytes."""
        found = (await self.tree(name, commit)).find(path)
        if found is None or found.is_link or found.is_submodule or found.size > limit:
            return None
        return await self._blob(name, found.id)

    async def problems(self, name: str, commit: str) -> tuple[Problem, ...]:
        """All that is wrong with the component in a commit, as a push of it would be told."""
        repository = self._existing(name)
        files = await self.tree(name, commit)
        targets = {link.path: os.fsdecode(await self._blob(name, link.id)) for link in files.links}
        found = files.find(FILE)
        document = await _git(repository, "cat-file", "blob", found.id) if found else None
        return (*files.problems(targets, self.tree_limit), *lint(document, files.files))

    async def _blob(self, name: str, id_: str) -> bytes:
        return await _git(self._existing(name), "cat-file", "blob", id_)

    async def keep(self, name: str, commit: str) -> None:
        """Never lose this commit again, whatever is pushed; a second call changes nothing."""
        await _git(self._existing(name), "update-ref", f"{_KEPT}{_checked(commit)}", commit)

    async def kept(self, name: str) -> frozenset[str]:
        """Commits that were given to `keep`."""
        listed = await _git(self._existing(name), "for-each-ref", "--format=%(objectname)", _KEPT)
        return frozenset(listed.decode().split())

    async def checkout(self, name: str, commit: str, folder: Path) -> None:
        """Write the files of a commit into ``folder``, which must not exist.

        Raises `NotFound` (``commit-not-found``), and `Invalid` (``link-outside``) for links that leave the folder:
        then, as on any failure or when cancelled, the folder is gone again.
        """
        repository = self._existing(name)
        await asyncio.to_thread(folder.mkdir, parents=True)
        try:
            with tempfile.TemporaryDirectory(prefix="headrace-index-") as place:
                index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
                await _git(repository, "read-tree", _checked(commit), env=index)
                await _git(repository, f"--work-tree={folder}", "checkout-index", "--all", env=index)
            await asyncio.to_thread(_settle_files, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _existing(self, name: str) -> Path:
        if not self.exists(name):
            raise NotFound(
                "repository-not-found",
                f"component `{name}` has no repository",
                next_step=f"push to it: headrace component push DIR --name {name}",
            )
        return self.path(name)


def _checked(commit: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise NotFound("commit-not-found", f"{commit[:80]!r} is not the full id of a commit")
    return commit


def _write(path: Path, text: str, mode: int) -> None:
    """Write the whole file at once, if it is not so already: a push may be reading it."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return
    new = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)


def _settle_files(folder: Path) -> None:
    """Refuse links that leave the folder, and let everyone read, whatever umask git was run with."""
    root = os.path.realpath(folder)
    os.chmod(root, 0o755)  # noqa: PTH101
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of them
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, 0o755 if mode & 0o100 else 0o644)  # noqa: PTH101
            elif not f"{os.path.realpath(path)}/".startswith(f"{root}/"):
                shown = os.path.relpath(path, root)
                raise Invalid(
                    "link-outside", f"{shown} is a link that leaves the repository", next_step="copy the file"
                )


async def _git(repository: Path | None, *arguments: str, env: Mapping[str, str] | None = None) -> bytes:
    """Run git and return what it printed. `NotFound` for an unknown commit, else `Unavailable`."""
    where = (f"--git-dir={repository}",) if repository is not None else ()
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *where, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**git_environment(), **(env or {})},
        )  # fmt: skip
    except FileNotFoundError:
        raise Unavailable("no-git", "git is not installed", next_step="install git") from None
    try:
        out, err = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        _refuse(arguments, err.decode(errors="replace").strip())
    return out


def _refuse(arguments: tuple[str, ...], said: str) -> NoReturn:
    if re.search(r"bad object|not a (valid|tree) object|unknown revision|Not a valid object|bad revision", said):
        raise NotFound("commit-not-found", f"the repository has no such commit ({said.splitlines()[0]})")
    verb = next((each for each in arguments if not each.startswith("-")), "")
    raise Unavailable("git-failed", f"git {verb} failed: {said}", next_step="headrace doctor")
