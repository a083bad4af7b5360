"""Builds Python components: a virtualenv made by uv, shared by all versions whose dependencies are the same.

What an environment holds is decided first, as a text (the *lock*); its hash names the environment, so the same lock is
installed once, whichever component or version asks. Dependencies come from, in this order, ``uv.lock`` (as it is),
``requirements.txt``, ``pyproject.toml``; with none of them the environment is empty. The component itself is not
installed: it is imported from its folder.

Resolving and installing run other people's code (``setup.py``), so they run in the sandbox, as one user of their own
when the platform is root's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uv
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from headrace import sandbox
from headrace.components.build import Order
from headrace.components.build_log import BuildLog
from headrace.components.environment import Environments, give, give_top, local_paths
from headrace.components.hosts import Hosts
from headrace.components.program import run
from headrace.errors import Invalid, Unavailable
from headrace.flows.deployment import Code

__all__ = ["PythonBuilder", "passed_on"]

LAYOUT = "1"
"""Raise it when environments are made in another way, so that none of the old are used."""
_PASSED_ON = re.compile(
    # Not what says where to install, nor what only publishing needs.
    r"UV_(?!PUBLISH|SYSTEM_PYTHON|PYTHON|PROJECT|TARGET|PREFIX|TOOL|ENV_FILE|WORKING|CACHE_DIR|LINK_MODE)\w+"
    r"|PIP_\w+|SSL_CERT_(FILE|DIR)|(HTTP|HTTPS|ALL|NO)_PROXY",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"^\s*(-e\b|--editable\b|\.|/)|\bfile:", re.MULTILINE)


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What builds may see of the platform's environment: where packages come from, and how to get there.

    pip's index settings are taken for uv's where uv has none.
    """
    found = {name: value for name, value in environ.items() if value and _PASSED_ON.fullmatch(name)}
    pip = {"PIP_INDEX_URL": "UV_INDEX_URL", "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL"}
    for theirs, ours in pip.items():
        if theirs in found and not {ours, "UV_DEFAULT_INDEX", "UV_INDEX"} & found.keys():
            found[ours] = found[theirs]
    return found


class PythonBuilder:
    """A `Builder`."""

    def __init__(
        self,
        *,
        envs: Path,
        cache: Path,
        hosts: Hosts,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._envs = envs
        self._cache = cache
        self._hosts = hosts
        self._mode, self._user = hosts.mode, hosts.builder
        self._environ = passed_on(os.environ if environ is None else environ)
        self._environments = Environments(envs, self._user)
        self._python = str(getattr(sys, "_base_executable", None) or sys.executable)
        prefixes = {sys.base_prefix, os.path.realpath(sys.base_prefix)}
        self._installation = tuple(sorted(prefix for prefix in prefixes if prefix != "/usr"))

    async def build(self, order: Order, log: BuildLog) -> Code:
        """See `Builder.build`."""
        self._hosts.check_way(self._python, self._hosts.folder / "python" / "headrace_host", self._envs / "x")
        lock = await self._lock(order, log)
        env = await self._environment(order, lock, log)
        code = Code(
            component=order.component,
            revision=order.revision,
            commit=order.commit,
            language="python",
            root=str(order.code),
            interpreter=str(env / "bin" / "python"),
            visible=(str(env), *self._installation),
            uid=self._hosts.user_of(order.component_id),
        )
        await self._compile(order, code, log)
        await self._hosts.load(order.descriptor.offers("python").values(), order, code, log)
        return code

    async def keep_only(self, codes: Iterable[Code]) -> None:
        """See `Builder.keep_only`."""
        await self._environments.keep_only(codes)

    # What the environment holds.

    async def _lock(self, order: Order, log: BuildLog) -> str:
        """The requirements, exact, one a line; empty when the component names none."""
        name, arguments, scratch = _source(order.code)
        if not name:
            log.stage("no dependencies (no uv.lock, requirements.txt or pyproject.toml names any)")
            return ""
        log.stage(f"resolving the dependencies in {name}")
        async with self._work_folder(order, scratch) as (folder, write):
            status, said = await self._uv(log, arguments, folder=folder, write=write, keep=True)
        if status:
            raise Invalid(
                "dependencies-not-resolved",
                f"the dependencies in {name} cannot be resolved",
                next_step="what uv says is in the build log",
            )
        return said.decode()

    @asynccontextmanager
    async def _work_folder(self, order: Order, scratch: bool) -> AsyncIterator[tuple[Path, tuple[Path, ...]]]:
        """The component's files, and what of them may be written: with ``scratch``, a copy, for a build backend."""
        if not scratch:
            yield order.code, ()
            return
        folder = order.folder / "scratch"
        await asyncio.to_thread(shutil.copytree, order.code, folder, symlinks=True)
        await asyncio.to_thread(give, folder, self._user)
        try:
            yield folder, (folder,)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # The environment itself.

    async def _environment(self, order: Order, lock: str, log: BuildLog) -> Path:
        local = order.commit if _LOCAL.search(lock) else ""  # the lock does not tell what is in a folder
        digest = hashlib.sha256("\0".join((LAYOUT, sys.version, self._python, local, lock)).encode())

        async def make(env: Path) -> None:
            log.stage(f"making the environment ({_count(lock)})")
            await self._install(order, env, lock, log)

        facts = {"python": sys.version, "packages": _count(lock)}
        env, made = await self._environments.made(digest.hexdigest()[:32], make, facts)
        if not made:
            log.stage(f"the environment is there already ({_count(lock)})")
        return env

    async def _install(self, order: Order, env: Path, lock: str, log: BuildLog) -> None:
        made = ("venv", "--quiet", "--no-project", "--no-config", "--allow-existing", str(env))
        status, _ = await self._uv(log, made, write=(env,))
        if status:
            raise Unavailable("environment-not-made", "uv could not make a virtualenv", next_step="see the build log")
        if lock.strip():
            await self._sync(order, env, lock, log)

    async def _sync(self, order: Order, env: Path, lock: str, log: BuildLog) -> None:
        (env / "requirements.lock").write_text(lock)
        (env / "requirements.lock").chmod(0o644)
        async with self._work_folder(order, bool(_LOCAL.search(lock))) as (folder, write):
            arguments = ("pip", "sync", "--python", str(env / "bin/python"), str(env / "requirements.lock"))
            status, _ = await self._uv(log, arguments, folder=folder, write=(env, *write))
        if status:
            raise Invalid(
                "dependencies-not-installed",
                "the dependencies cannot be installed",
                next_step="what uv says is in the build log",
            )

    async def _compile(self, order: Order, code: Code, log: BuildLog) -> None:
        """Compile the component's own modules ahead, since hosts cannot write there; what fails is told by loading."""
        log.stage("compiling")
        await asyncio.to_thread(give, order.code, self._user)
        arguments = (code.interpreter, "-I", "-m", "compileall", "-q", "-j", "1", code.root)
        made = sandbox.command(
            arguments, read=code.visible, write=[code.root], network=False, uid=self._user, mode=self._mode
        )
        await run(made, log, keep_stdout=True)
        await asyncio.to_thread(give, order.code, os.geteuid())

    # Programs.

    async def _uv(
        self,
        log: BuildLog,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        write: Sequence[Path] = (),
        keep: bool = False,
    ) -> tuple[int, bytes]:
        await asyncio.to_thread(give_top, self._cache, self._user)
        program = uv.find_uv_bin()
        made = sandbox.command(
            (program, *arguments),
            cwd=str(folder or "/"),
            read=[
                program,
                *self._installation,
                *local_paths(self._environ.values()),
                *map(str, filter(None, [folder])),
            ],
            write=[str(self._cache), *map(str, write)],
            uid=self._user,
            env={**self._environ, **self._uv_settings()},
            mode=self._mode,
        )
        return await run(made, log, keep_stdout=keep)

    def _uv_settings(self) -> dict[str, str]:
        return {
            "UV_CACHE_DIR": str(self._cache),
            "UV_PYTHON": self._python,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_COMPILE_BYTECODE": "1",
            # Links into the cache would let one component's build change files of another's environment.
            "UV_LINK_MODE": "copy",
            "NO_COLOR": "1",
        }


def _source(code: Path) -> tuple[str, tuple[str, ...], bool]:
    """The file that names the dependencies, uv's arguments to print the lock, and whether code runs meanwhile."""
    project = _project(code / "pyproject.toml")
    _check_python(project or {})
    if project is not None and (code / "uv.lock").is_file():
        export = ("export", "--quiet", "--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "--no-annotate")
        return "uv.lock", export, False
    compile_ = ("pip", "compile", "--quiet", "--no-header", "--no-annotate")
    if (requirements := code / "requirements.txt").is_file():
        return "requirements.txt", (*compile_, "requirements.txt"), bool(_LOCAL.search(_read(requirements)))
    if project is None:
        return "", (), False
    table = project.get("project")
    if not isinstance(table, dict):
        return ("pyproject.toml", (*compile_, "pyproject.toml"), True) if "build-system" in project else ("", (), False)
    return "pyproject.toml", (*compile_, "pyproject.toml"), "dependencies" in table.get("dynamic", ())


def _project(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("dependencies-not-resolved", f"pyproject.toml is not TOML: {error}") from error


def _check_python(project: Mapping[str, Any]) -> None:
    """uv resolves for the Python it is given, whatever the project says it needs."""
    table = project.get("project")
    wanted = table.get("requires-python") if isinstance(table, dict) else None
    if not isinstance(wanted, str):
        return
    ours = platform.python_version()
    try:
        fits = SpecifierSet(wanted).contains(ours, prereleases=True)
    except InvalidSpecifier:
        raise Invalid("python-not-supported", f"pyproject.toml: requires-python {wanted!r} is no version") from None
    if not fits:
        raise Invalid(
            "python-not-supported",
            f"pyproject.toml needs Python {wanted}, and this platform runs Python {ours}",
            next_step="relax requires-python, or run Headrace with that Python",
        )


def _read(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def _count(lock: str) -> str:
    packages = sum(1 for line in lock.splitlines() if line and not line.startswith((" ", "#", "-")))
    return f"{packages} package{'' if packages == 1 else 's'}"
