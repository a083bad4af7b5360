"""Turns pushed commits into component versions, and builds them one after the other.

    push ──hook──▶ received: pushed ──claim──▶ building ──▶ ready, latest moves
                       ▲                          └───────▶ failed, latest stays

The repositories are looked at once at the start: a commit whose hook never reached the server (it was killed in
between) is received then. Builds cut short by a stop are done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from headrace.bus.subjects import live
from headrace.components.build import Builder, BuildLog, Order, build
from headrace.components.descriptor import Descriptor, Language, read
from headrace.components.repositories import Repositories, check_name
from headrace.control.environment import for_design
from headrace.errors import HeadraceError, Invalid, NotFound, Refused
from headrace.flows.deployment import Code
from headrace.settings import Settings
from headrace.store import components as store
from headrace.store.components import ComponentVersion
from headrace.store.database import Database

__all__ = ["Announce", "Builds"]

Announce = Callable[[str, bytes], None]
"""Publishes a message nobody stores: `headrace.bus.client.Bus.publish`."""
VariablesOf = Callable[[int], Awaitable[Mapping[str, str]]]
"""The environment variables of the component with that id."""
LOOK_EVERY = 30.0
"""Seconds after which pushed versions are looked for without a hint."""
PAUSE = 5.0
"""Seconds to wait when the store does not answer."""


class Builds:
    """The loop. `run` it; `hint` wakes it; `stop` ends it."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        repositories: Repositories,
        builders: Mapping[Language, Builder],
        announce: Announce,
        *,
        variables: VariablesOf,
    ) -> None:
        self._db = db
        self._settings = settings
        self._repositories = repositories
        self._builders = builders
        self._announce = announce
        self._variables = variables
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: set[asyncio.Task[None]] = set()
        self._log: Any = structlog.get_logger("builds")

    def hint(self) -> None:
        """Have a look whether there is something to build, now."""
        self._wake.set()

    def stop(self) -> None:
        """Ask `run` to return; builds in progress are cut short and done again after the next start."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Build what is pushed until `stop`."""
        try:
            while not self._stopping:
                try:
                    await self._recover()
                    break
                except HeadraceError as error:
                    await self._troubled(error)
            while not self._stopping:
                await self._turn()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def received(self, name: str, commit: str, ref: str = "refs/heads/main") -> ComponentVersion:
        """Make the commit a version of the component (which is created when it is new) and have it built.

        A commit that is known keeps its revision and is the newest push again. Raises `Invalid` (``bad-name``,
        ``bad-descriptor``) and `NotFound` (``repository-not-found``, ``commit-not-found``).
        """
        about = await self._repositories.commit(check_name(name), commit)
        problems = await self._repositories.problems(name, commit)
        mistakes = [problem for problem in problems if problem.severity == "error"]
        if mistakes:
            raise Invalid("bad-descriptor", f"{commit[:7]} is no component", problems=mistakes)
        descriptor = read(await self._repositories.descriptor(name, commit) or b"")
        await self._repositories.keep(name, commit)
        async with self._db.begin() as conn:
            with contextlib.suppress(Refused):
                await store.create(conn, name)
            version = await store.add_version(
                conn,
                name,
                commit,
                descriptor=descriptor.document,
                semver=descriptor.version,
                author=about.author,
                message=about.message,
                committed_at=about.committed_at,
                warnings=[str(problem) for problem in problems if problem.severity == "warning"],
            )
            if version.state == "pushed":
                # Before anyone can claim it: whoever follows the log must not see the end of an older one.
                with BuildLog(self._log_file(version)) as log:
                    log.stage("waiting for its turn")
        self._log.info("received", component=name, revision=version.revision, commit=commit, ref=ref)
        self._tell(version)
        self.hint()
        return version

    # The loop.

    async def _turn(self) -> None:
        self._wake.clear()
        try:
            while len(self._running) < self._settings.build_concurrency and not self._stopping:
                async with self._db.begin() as conn:
                    version = await store.next_to_build(conn)
                if version is None:
                    break
                self._start(version)
        except HeadraceError as error:
            await self._troubled(error)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), LOOK_EVERY)

    def _start(self, version: ComponentVersion) -> None:
        task = asyncio.create_task(self._build(version), name=f"build {version.component} {version.revision}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a build could not be noted", task=task.get_name(), exc_info=error)

    async def _troubled(self, error: HeadraceError) -> None:
        self._log.warning("the store does not answer", reason=error.reason, error=error.message)
        self._wake.clear()
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), PAUSE)

    # One build.

    async def _build(self, version: ComponentVersion) -> None:
        began = time.monotonic()
        self._tell(version)
        with BuildLog(self._log_file(version)) as log:
            try:
                code = await self._code(version, log)
                noted = await self._note_built(version, code)
                failure = None
            except HeadraceError as error:
                failure = f"{error.reason}: {error.message}"
                noted = await self._note_failed(version, failure)
            except Exception as error:
                self._log.exception("a build crashed", component=version.component, revision=version.revision)
                failure = f"build-crashed: {type(error).__name__}: {error}"
                noted = await self._note_failed(version, failure)
            log.finish(failure)
        seconds = round(time.monotonic() - began, 2)
        self._log.info(
            "built", component=version.component, revision=version.revision, seconds=seconds, failure=failure
        )
        if noted is not None:
            self._tell(noted)

    async def _code(self, version: ComponentVersion, log: BuildLog) -> Code:
        variables = await self._variables(version.component_id)
        log.redaction.learn(variables)
        order = Order(
            component=version.component,
            component_id=version.component_id,
            revision=version.revision,
            commit=version.commit,
            descriptor=Descriptor(version.descriptor),
            folder=self._settings.build(version.component, version.revision),
            environment=for_design(self._settings, version, variables),
        )
        return await build(
            order,
            log,
            repositories=self._repositories,
            builders=self._builders,
            timeout=self._settings.build_timeout,
        )

    async def _note_built(self, version: ComponentVersion, code: Code) -> ComponentVersion | None:
        async with self._db.begin() as conn:
            return await store.built(conn, version.component, version.revision, msgspec.to_builtins(code))

    async def _note_failed(self, version: ComponentVersion, failure: str) -> ComponentVersion | None:
        try:
            async with self._db.begin() as conn:
                return await store.build_failed(conn, version.component, version.revision, failure)
        except NotFound:  # removed while it was built
            folder = self._settings.build(version.component, version.revision)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            return None

    def _log_file(self, version: ComponentVersion) -> Path:
        return self._settings.build_log(version.component, version.revision)

    def _tell(self, version: ComponentVersion) -> None:
        """A hint for open browsers."""
        what = {"component": version.component, "revision": version.revision, "state": version.state}
        self._announce(live("component"), json.dumps(what).encode())

    # The start.

    async def _recover(self) -> None:
        async with self._db.begin() as conn:
            await store.requeue_building(conn)
        for name in self._repositories.names():
            await self._recover_pushes(name)
        await self._sweep()

    async def _recover_pushes(self, name: str) -> None:
        """Receive a tip that came while nobody listened. One that was received before and removed stays removed."""
        try:
            kept = await self._repositories.kept(name)
            tips = await self._repositories.tips(name)
            for tip in reversed(tips):
                if tip not in kept or (len(tips) == 1 and await self._became_latest_unheard(name, tip)):
                    await self.received(name, tip)
        except (Invalid, NotFound) as error:
            self._log.warning("a repository was left alone", component=name, reason=error.reason, error=error.message)

    async def _became_latest_unheard(self, name: str, tip: str) -> bool:
        """Whether an older, built commit was pushed again and nobody heard of it."""
        async with self._db.read() as conn:
            try:
                component = await store.get(conn, name)
            except NotFound:
                return False
            versions = await store.list_versions(conn, name)
        version = next((each for each in versions if each.commit == tip), None)
        newer = any(each.state in ("pushed", "building") for each in versions)
        return version is not None and version.state == "ready" and component.latest != version.revision and not newer

    async def _sweep(self) -> None:
        """Remove what builds left on disk of versions that are gone."""
        async with self._db.read() as conn:
            versions = [
                version
                for component in await store.list_(conn)
                for version in await store.list_versions(conn, component.name)
            ]
        ready = [version for version in versions if version.state == "ready"]
        folders = {self._settings.build(version.component, version.revision) for version in ready}
        await asyncio.to_thread(_remove_others, self._settings.builds_dir, folders)
        codes = [msgspec.convert(version.build, Code) for version in ready if version.build is not None]
        for builder in self._builders.values():
            await builder.keep_only(codes)


def _remove_others(builds: Path, keep: set[Path]) -> None:
    for folder in builds.glob("*/*"):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in builds.glob("*"):
        with contextlib.suppress(OSError):
            folder.rmdir()  # only when it is empty
