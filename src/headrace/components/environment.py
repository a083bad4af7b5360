"""Folders that hold what was installed for a lock: named by its hash, made once, used by all that have the same lock.

They are made by one user that is no component's, when the platform is root's, and taken away from it when they are
whole. Both builders keep theirs in one folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from weakref import WeakValueDictionary

from headrace.flows.deployment import Code

__all__ = ["Environments", "give", "give_top", "is_root", "local_paths"]

COMPLETE = ".complete"
"""Ending of the file beside an environment that is written last: without it the environment is half-made. Beside, not
inside, because code that ran while installing could write inside."""


class Environments:
    """All environments in ``folder``; ``user`` makes them."""

    def __init__(self, folder: Path, user: int) -> None:
        self._folder = folder
        self._user = user
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def made(
        self, name: str, make: Callable[[Path], Coroutine[None, None, None]], facts: Mapping[str, str]
    ) -> tuple[Path, bool]:
        """The environment of that name, and whether ``make`` was called for it; who asks meanwhile waits.

        Nothing is left of one that is cancelled or fails. ``facts`` are noted beside it, for people.
        """
        env = self._folder / name
        making = self._making.setdefault(name, asyncio.Lock())
        async with making:
            if _marker(env).is_file():
                return env, False
            await asyncio.to_thread(_fresh, env, self._user)
            try:
                await make(env)
                await asyncio.to_thread(_seal, env, facts)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, env, ignore_errors=True))
                raise
        return env, True

    async def keep_only(self, codes: Iterable[Code]) -> None:
        """Remove those that none of ``codes`` sees."""
        used = {path for code in codes for path in code.visible}
        await asyncio.to_thread(self._sweep, used)

    def _sweep(self, used: set[str]) -> None:
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if str(path).removesuffix(COMPLETE) not in used:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def is_root() -> bool:
    return os.geteuid() == 0


def local_paths(values: Iterable[str]) -> list[str]:
    """Folders and files on this machine that settings name: local indexes, certificates."""
    words = (word.removeprefix("file://").strip("\"'") for value in values for word in re.split(r"[\s,=]", value))
    return sorted({word for word in words if word.startswith("/") and len(word) > 1 and Path(word).exists()})


def _fresh(env: Path, user: int) -> None:
    _marker(env).unlink(missing_ok=True)
    shutil.rmtree(env, ignore_errors=True)
    env.mkdir()
    env.chmod(0o755)
    give_top(env, user)


def _marker(env: Path) -> Path:
    return env.with_name(env.name + COMPLETE)


def _seal(env: Path, facts: Mapping[str, str]) -> None:
    """Take the environment away from the user that made it, and say that it is whole."""
    give(env, os.geteuid())
    env.chmod(0o755)
    _marker(env).write_text(json.dumps(facts) + "\n")


def give_top(folder: Path, user: int) -> None:
    """Make a folder, which may be missing, the user's, but not what is in it."""
    folder.mkdir(exist_ok=True)
    if folder.stat().st_uid != user:
        os.chown(folder, user, user)


def give(folder: Path, user: int) -> None:
    """Make everything in a folder the user's, and let everyone read it, whatever umask it was made with.

    Only root can, and has to: for anyone else builds and hosts run as the same user.
    """
    if not is_root():
        return
    _give_one(str(folder), user)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):  # links to folders are among the folders, and not walked into
            _give_one(os.path.join(place, name), user)  # noqa: PTH118 - thousands of them


def _give_one(path: str, user: int) -> None:
    found = os.lstat(path)
    if found.st_uid != user or found.st_gid != user:
        os.lchown(path, user, user)
    kind, mode = stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode)
    readable = mode | (0o555 if kind == stat.S_IFDIR or mode & 0o100 else 0o444)
    if kind in (stat.S_IFDIR, stat.S_IFREG) and readable != mode:
        os.chmod(path, readable & 0o777)  # noqa: PTH101
