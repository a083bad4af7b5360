"""Builds Node.js components with npm: what they need to run, by their lock file, and what their build script makes.

*Shared*: a component that only has dependencies gets those of its lock, installed once in an environment named by the
lock's hash; its ``node_modules`` is that environment's, file by file by hard link. So it lies where Node.js and many
packages look for it, beside the component's code, and takes no room again.

*Own*: a component whose ``package.json`` has a build or install script, or which brings packages in folders of its own,
is installed in its own folder, with development dependencies, and prepared as npm does it. Development dependencies
are then removed; when its scripts left ``node_modules`` alone, the shared one takes its place.

Installing and building run other people's code, so they run in the sandbox, as one user of their own when the platform
is root's.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headrace import sandbox
from headrace.components import node
from headrace.components.build import Order
from headrace.components.build_log import BuildLog
from headrace.components.environment import Environments, give
from headrace.components.hosts import Hosts
from headrace.components.node import Node
from headrace.components.node_package import Lock, Package, find_lock, read_package
from headrace.components.npm import Npm
from headrace.components.program import run
from headrace.errors import Invalid
from headrace.flows.deployment import Code

__all__ = ["NodeBuilder"]

LAYOUT = "1"
"""Raise it when environments are made in another way, so that none of the old are used."""
UNFIT = {"EUSAGE", "ERESOLVE"}
"""npm's codes for a lock file that does not belong to its ``package.json``, or not by the rules of npm 7 and newer."""
_SATISFIES = """
const [folder, ...asked] = process.argv.slice(1);
const { satisfies } = require(require.resolve('semver', { paths: [folder] }));
for (let i = 0; i < asked.length; i += 2) console.log(satisfies(asked[i], asked[i + 1]));
"""


class _Unfit(Invalid):
    """npm will not install by this lock."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One build: a component's files, and what they are built with."""

    code: Path
    package: Package
    npm: Npm
    log: BuildLog

    @property
    def node(self) -> Node:
        return self.npm.node


class NodeBuilder:
    """A `Builder`. ``find`` tells which Node.js there is, and is asked at each build."""

    def __init__(
        self,
        *,
        envs: Path,
        cache: Path,
        hosts: Hosts,
        environ: Mapping[str, str] | None = None,
        find: Callable[[], Node] = node.find,
    ) -> None:
        self._cache = cache
        self._hosts = hosts
        self._environ = dict(os.environ if environ is None else environ)
        self._find = find
        self._mode, self._user = hosts.mode, hosts.builder
        self._envs = envs
        self._environments = Environments(envs, self._user)

    async def build(self, order: Order, log: BuildLog) -> Code:
        """See `Builder.build`."""
        package = read_package(order.code)
        found = await asyncio.to_thread(self._find)
        self._hosts.check_way(found.program, found.npm, self._hosts.folder / "node" / "host.js", self._envs / "x")
        log.stage(f"building with Node.js {found.version} and npm {found.npm_version}")
        tools = await self._tools(found)
        npm = Npm(found, tools, self._cache, self._user, self._mode, self._environ)
        work = _Work(order.code, package, npm, log)
        await self._tell_engines(work)
        await asyncio.to_thread(give, order.code, self._user)
        try:
            env = await self._dependencies(work)
        finally:
            await asyncio.shield(asyncio.to_thread(give, order.code, os.geteuid()))
        code = Code(
            component=order.component,
            revision=order.revision,
            commit=order.commit,
            language="node",
            root=str(order.code),
            interpreter=found.program,
            visible=(str(tools), *([str(env)] if env else []), *found.installation),
            uid=self._hosts.user_of(order.component_id),
        )
        await self._hosts.load(order.descriptor.offers("node").values(), order, code, log)
        return code

    async def keep_only(self, codes: Iterable[Code]) -> None:
        """See `Builder.keep_only`."""
        await self._environments.keep_only(codes)

    async def _tools(self, found: Node) -> Path:
        """A folder with ``node``, ``npm`` and ``npx`` for scripts, which are those that build, whatever PATH has."""
        program, cli = found.program, Path(found.npm)

        async def make(folder: Path) -> None:
            (folder / "node").symlink_to(program)
            for name, script in (("npm", cli), ("npx", cli.with_name("npx-cli.js"))):
                (folder / name).write_text(f'#!/bin/sh\nexec "{program}" "{script}" "$@"\n')
                (folder / name).chmod(0o755)

        name = _digest("tools", LAYOUT, found.version, program, found.npm)
        made, _ = await self._environments.made(name, make, {"node": found.version, "npm": found.npm_version})
        return made

    async def _tell_engines(self, work: _Work) -> None:
        """A warning where ``engines`` asks for others than there are. npm itself has the rules."""
        ours = {"node": work.node.version, "npm": work.node.npm_version}
        asked = work.package.engines
        if not asked:
            return
        pairs = [word for name, wanted in asked.items() for word in (ours[name], wanted)]
        made = sandbox.command(
            (work.node.program, "-e", _SATISFIES, str(work.node.npm_folder), *pairs),
            read=work.node.installation,
            network=False,
            uid=self._user,
            mode=self._mode,
        )
        status, said = await run(made, work.log, keep_stdout=True)
        fits = said.decode().split() if status == 0 else []
        for name, answer in zip(asked, fits, strict=False):
            if answer != "true":
                title = {"node": "Node.js", "npm": "npm"}[name]
                work.log.output(f"warning: package.json asks for {title} {asked[name]}, and this is {ours[name]}")

    # Dependencies.

    async def _dependencies(self, work: _Work) -> Path | None:
        """Put ``node_modules`` in place, and run what has to be run; the environment it shares, if any."""
        if work.package.bare and not work.package.prepares and not work.package.builds:
            work.log.stage("no dependencies (package.json names none that are needed to run)")
            await asyncio.to_thread(shutil.rmtree, work.code / "node_modules", ignore_errors=True)
            return None
        lock = await self._lock(work)
        try:
            return await self._installed(work, lock)
        except _Unfit:
            if not lock.legacy_peers:
                work.log.output("warning: npm does not take the lock file; once more by the rules of npm 6")
                try:
                    return await self._installed(work, replace(lock, legacy_peers=True))
                except _Unfit:
                    pass
        why = f"warning: {lock.name} does not belong to package.json; what it lacks is resolved now"
        work.log.output(why)
        return await self._installed(work, await self._resolve(work, lock.name, legacy=lock.legacy_peers))

    async def _lock(self, work: _Work) -> Lock:
        lock = find_lock(work.code)
        if lock is None:
            return await self._resolve(work, "package.json", legacy=False)
        if lock.version < 2:
            return await self._resolve(work, f"{lock.name} (which npm 6 or older wrote)", legacy=True)
        return lock

    async def _resolve(self, work: _Work, name: str, *, legacy: bool) -> Lock:
        """Have npm write the lock, keeping what a lock says that is there already."""
        work.log.stage(f"resolving the dependencies in {name}")
        command = ("install", "--package-lock-only", "--ignore-scripts", "--lockfile-version=3", "--loglevel=http")
        for peers in (True,) if legacy else (False, True):
            status, codes = await work.npm(work.code, (*command, *_peers(peers)), work.log)
            made = find_lock(work.code) if status == 0 else None
            if made is not None:
                return replace(made, legacy_peers=peers)
            if "ERESOLVE" not in codes:
                break
            if not peers:
                work.log.output("warning: peer dependencies contradict each other; once more by the rules of npm 6")
        raise Invalid(
            "dependencies-not-resolved",
            f"the dependencies in {name} cannot be resolved",
            next_step="what npm says is in the build log",
        )

    async def _installed(self, work: _Work, lock: Lock) -> Path | None:
        package = work.package
        if package.builds or package.prepares or lock.local or package.document.get("workspaces"):
            return await self._own(work, lock)
        return await self._shared(work, lock)

    async def _shared(self, work: _Work, lock: Lock) -> Path:
        """Link the environment of the lock."""
        package, count = work.package, f"{lock.count} package{'' if lock.count == 1 else 's'}"
        manifest, text = json.dumps(package.manifest), lock.shared(package)
        config = _text(work.code / ".npmrc")
        node = work.node

        async def make(env: Path) -> None:
            work.log.stage(f"making the environment ({count})")
            for name, contents in (("package.json", manifest), (lock.name, text), (".npmrc", config)):
                (env / name).write_text(contents)
                (env / name).chmod(0o644)
            await self._ci(work, env, lock, "--omit=dev")

        name = _digest(LAYOUT, node.program, node.version, node.npm_version, str(lock.legacy_peers), config, lock.name,
                       manifest, text)  # fmt: skip
        env, made = await self._environments.made(name, make, {"node": node.version, "packages": count})
        if not made:
            work.log.stage(f"the environment is there already ({count})")
        await asyncio.to_thread(_link, env / "node_modules", work.code / "node_modules")
        return env

    async def _own(self, work: _Work, lock: Lock) -> Path | None:
        """Install in the component's folder, run its scripts, and leave what is needed to run."""
        package, modules = work.package, work.code / "node_modules"
        scripts = package.builds or package.prepares
        work.log.stage("installing the dependencies" + (", those for development too" if scripts else ""))
        await self._ci(work, work.code, lock, "--include=dev" if scripts else "--omit=dev")
        before = await asyncio.to_thread(_census, modules)
        if package.builds:
            await self._run_build(work)
        if not scripts:
            return None
        alone = not (package.prepares or lock.local or package.document.get("workspaces"))
        if alone and not package.bare and before == await asyncio.to_thread(_census, modules):
            return await self._shared(work, lock)
        if package.develops:
            work.log.stage("removing the development dependencies")
            command = ("prune", "--omit=dev", "--ignore-scripts", *_peers(lock.legacy_peers))
            status, _ = await work.npm(work.code, command, work.log)
            if status:
                raise _not_installed("the development dependencies cannot be removed")
        return None

    async def _ci(self, work: _Work, folder: Path, lock: Lock, dev: str) -> None:
        command = ("ci", dev, "--loglevel=http", *_peers(lock.legacy_peers))
        status, codes = await work.npm(folder, command, work.log)
        if status:
            kind = _Unfit if codes & UNFIT else Invalid
            raise _not_installed("the dependencies cannot be installed", kind)

    async def _run_build(self, work: _Work) -> None:
        work.log.stage("npm run build")
        status, _ = await work.npm(work.code, ("run", "build"), work.log)
        if status:
            raise Invalid(
                "build-script-failed",
                f"`npm run build` ended with status {status}",
                next_step="what it printed is in the build log",
            )


def _not_installed(message: str, kind: type[Invalid] = Invalid) -> Invalid:
    return kind("dependencies-not-installed", message, next_step="what npm says is in the build log")


def _peers(legacy: bool) -> Sequence[str]:
    return ("--legacy-peer-deps",) if legacy else ()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() and not path.is_symlink() else ""


def _link(source: Path, target: Path) -> None:
    """Make ``target`` the same tree, without copying files where the file system can share them."""
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_share)


def _share(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copy2(source, target)


def _census(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file in a tree, with what changes when it does. Caches of tools do not count."""
    found: dict[str, tuple[int, int, int]] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".cache"]
        for name in files:
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of them
            seen = os.lstat(path)
            found[path] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found
