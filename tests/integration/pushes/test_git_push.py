"""A developer pushes: real git, a real server, the real store, real builds. What the terminal says is the interface."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from tests.integration.pushes.parts import HOSTS, WorkTree, descriptor, files, make_wheel, offline, serve, until

from headrace import settings
from headrace.api import components as components_api
from headrace.api import git as git_api
from headrace.api import problems
from headrace.components.build import Builder
from headrace.components.descriptor import Language
from headrace.components.hosts import Hosts
from headrace.components.node_builder import NodeBuilder
from headrace.components.python_builder import PythonBuilder
from headrace.components.repositories import Repositories
from headrace.control.builds import Builds
from headrace.errors import NotFound
from headrace.settings import Settings
from headrace.store import components as store
from headrace.store.components import ComponentVersion
from headrace.store.database import Database

pytestmark = pytest.mark.needs("git")

TOKEN = "hr_secret"
BROKEN = "raise ValueError('no key')\n"


@dataclass
class Platform:
    """The parts that a push meets."""

    settings: Settings
    db: Database
    repositories: Repositories
    builders: dict[Language, Builder]
    work: WorkTree
    told: list[dict[str, Any]] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    builds: Builds | None = None
    running: asyncio.Task[None] | None = None
    url: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def start(self) -> Builds:
        self.builds = self._builds(self.builders)
        self.running = asyncio.create_task(self.builds.run())
        return self.builds

    async def stop(self) -> None:
        if self.builds is not None and self.running is not None:
            self.builds.stop()
            await self.running
            self.builds = self.running = None

    def _builds(self, builders: dict[Language, Builder]) -> Builds:
        return Builds(self.db, self.settings, self.repositories, builders, self._announce, variables=self._variables)

    async def _variables(self, component_id: int) -> dict[str, str]:
        return self.variables

    def _announce(self, subject: str, data: bytes) -> None:
        assert subject == "live.component"
        self.told.append(json.loads(data))

    async def push(self, *arguments: str, name: str = "shop", check: bool = True) -> list[str]:
        """What the terminal shows behind ``remote:``."""
        url = f"{self.url.replace('://', f'://ada:{TOKEN}@')}/git/{name}.git"
        status, said = await self.work.git("push", url, *(arguments or ("main",)), check=False)
        assert (status == 0) == check, said
        return [line.removeprefix("remote: ").rstrip() for line in said.splitlines() if line.startswith("remote: ")]

    async def versions(self, name: str = "shop") -> list[ComponentVersion]:
        async with self.db.read() as conn:
            return await store.list_versions(conn, name)

    async def latest(self, name: str = "shop") -> int | None:
        async with self.db.read() as conn:
            return (await store.get(conn, name)).latest

    async def built(self, revision: int, name: str = "shop") -> ComponentVersion:
        """The version, when its build has ended."""
        async with asyncio.timeout(60):
            while (version := await self.version(revision, name)).state not in ("ready", "failed"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return version

    async def version(self, revision: int, name: str = "shop") -> ComponentVersion:
        async with self.db.read() as conn:
            return await store.get_version(conn, name, revision)

    def app(self) -> FastAPI:
        """Git's routes and those of components."""
        app = FastAPI()

        async def authenticate(token: str) -> str | None:
            return "ada" if token == TOKEN else None

        async def exists(name: str) -> bool:
            async with self.db.read() as conn:
                try:
                    await store.get(conn, name)
                except NotFound:
                    return False
            return True

        app.state.parts = self  # has all that these routes ask for
        app.include_router(components_api.router, prefix="/api/v1")
        problems.install(app)
        app.include_router(git_api.router(self.repositories, authenticate, exists))
        return app


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Platform]:
    """A platform whose builds do not run yet."""
    made = settings.load(data=tmp_path / "data")
    made.prepare()
    (tmp_path / "work").mkdir()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels").chmod(0o755)
    make_wheel(tmp_path / "wheels", "ledger", "1.0", "VALUE = 1\n")
    db = Database(made.store_url)
    await db.migrate()
    builders: dict[Language, Builder] = {
        "python": PythonBuilder(
            envs=made.envs_dir, cache=made.uv_cache_dir, hosts=Hosts(HOSTS), environ=offline(tmp_path / "wheels")
        ),
        "node": NodeBuilder(
            envs=made.envs_dir, cache=made.npm_cache_dir, hosts=Hosts(HOSTS), environ={"npm_config_offline": "true"}
        ),
    }
    platform = Platform(made, db, Repositories(made.repos_dir), builders, WorkTree(tmp_path / "work"))
    try:
        async with serve(platform.app()) as platform.url:
            yield platform
    finally:
        await platform.stop()
        await db.close()


@pytest.fixture
async def platform(quiet: Platform) -> Platform:
    quiet.start()
    return quiet


def says(lines: list[str], pattern: str) -> bool:
    return any(re.search(pattern, line) for line in lines)


async def test_a_good_push_is_built_before_the_terminals_eyes(platform: Platform) -> None:
    commit = await platform.work.commit("First order\n\nwith words", files(requirements_dot_txt="ledger\n"))
    said = await platform.push()
    assert says(said, "created component shop")
    assert says(said, f"{commit[:7]} is revision 1 of component shop; building it")
    assert "==> resolving the dependencies in requirements.txt" in said
    assert "==> loading action create (actions/create.py)" in said
    assert re.fullmatch(r"built revision 1 \(\d+\.\d s\); it is latest now", said[-1])
    version = await platform.version(1)
    assert (version.commit, version.semver, version.author) == (commit, "1.0.0", "Ada NAME <Ada EMAIL>")
    assert (version.message, version.state) == ("First order\n\nwith words", "ready")
    assert version.build is not None
    assert version.build["root"] == str(platform.settings.build("shop", 1) / "code")
    assert platform.settings.build_log("shop", 1).read_text().endswith("\nready\n")
    assert [each["state"] for each in platform.told] == ["pushed", "building", "ready"]


async def test_a_broken_component_is_refused_with_every_mistake(platform: Platform) -> None:
    broken = descriptor(titel="x", triggers={"t": {"main": "t", "type": "poling"}})
    commit = await platform.work.commit("x", {"component.json": broken})
    said = await platform.push(check=False)
    assert said == [
        "warning: component.json: titel: is not known here and is ignored (did you mean title?)",
        f"{commit[:7]} cannot become a version of component shop: 3 mistakes",
        "  component.json: triggers.t.main: there is no file t.py in this commit",
        "  component.json: triggers.t.type: 'poling' is not one of polling, webhook, listener (did you mean polling?)",
        "  component.json: actions.create.main: there is no file actions/create.py in this commit",
        "nothing was stored; correct that, commit, and push again",
    ]
    assert await platform.repositories.tip("shop") is None
    with pytest.raises(NotFound):
        await platform.latest()


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ({"README.md": "x"}, "  there is no component.json at the root of the repository"),
        ({"component.json": '{"title": "x",}'}, "  component.json: line 1, column 15: not JSON"),
    ],
)
async def test_what_is_no_component_is_refused(platform: Platform, contents: dict[str, str], told: str) -> None:
    await platform.work.commit("x", contents)
    assert says(await platform.push(check=False), re.escape(told))


async def test_a_link_out_of_the_repository_is_refused(platform: Platform) -> None:
    (platform.work.folder / "secrets").symlink_to("/etc/shadow")
    await platform.work.commit("x", files())
    assert says(await platform.push(check=False), "secrets: is a link to '/etc/shadow', outside the repository")


async def test_a_failed_build_is_shown_and_latest_stays(platform: Platform) -> None:
    await platform.work.commit("good", files())
    await platform.push()
    await platform.work.commit("bad", files() | {"actions/create.py": BROKEN})
    said = await platform.push()
    assert says(said, 'create.py", line 1, in <module>')
    assert said[-2].startswith(
        "revision 2 failed to build: load-failed: action create (actions/create.py) does not load"
    )
    assert said[-1] == "latest still is revision 1; see `headrace component log shop 2`, correct it and push again"
    assert await platform.latest() == 1
    assert (await platform.version(2)).reason.startswith("load-failed: ")
    assert not platform.settings.build("shop", 2).exists()
    await platform.work.commit("mended", files(more_dot_py=""))
    assert says(await platform.push(), "built revision 3 .* it is latest now")


async def test_code_that_needs_a_variable_to_load_gets_it_and_the_log_does_not(platform: Platform) -> None:
    source = "import os\nprint('the key is', os.environ['SHOP_KEY'])\n"
    source += "print('this is', os.environ['ELASTICIO_FUNCTION'])\ndef process(msg):\n    return {}\n"
    await platform.work.commit("needs it", files() | {"actions/create.py": source})
    assert says(await platform.push(), "KeyError: 'SHOP_KEY'")
    platform.variables = {"SHOP_KEY": "k3y-of-the-shop"}
    await platform.work.commit("again", files() | {"actions/create.py": source, "more.py": ""})
    assert says(await platform.push(), r"the key is \[SHOP_KEY\]")
    assert await platform.latest() == 2
    log = platform.settings.build_log("shop", 2).read_text()
    assert "the key is [SHOP_KEY]" in log
    assert "this is create" in log
    assert "k3y" not in log


async def test_a_known_commit_pushed_again_is_latest_under_its_old_revision(platform: Platform) -> None:
    first = await platform.work.commit("first", files())
    await platform.push()
    await platform.work.commit("second", files(more_dot_py=""))
    await platform.push()
    assert await platform.latest() == 2
    assert says(await platform.push("--force", f"{first}:main"), "revision 1 is latest again")
    assert await platform.latest() == 1
    assert len(await platform.versions()) == 2


async def test_force_pushes_build_and_old_code_stays(platform: Platform) -> None:
    await platform.work.commit("first", files())
    await platform.push()
    await platform.work.git("commit", "--quiet", "--amend", "--message", "rewritten")
    assert says(await platform.push("--force", "main"), "built revision 2")
    old = await platform.version(1)
    assert (await platform.repositories.commit("shop", old.commit)).message == "first"


async def test_other_branches_and_tags_are_stored_only(platform: Platform) -> None:
    await platform.work.commit("x", {"README": "no component"})
    await platform.work.git("tag", "v1")
    assert await platform.push("main:refs/heads/side", "v1") == [
        "stored refs/heads/side, refs/tags/v1; only main or master becomes a component version"
    ]
    with pytest.raises(NotFound):
        await platform.latest()


async def test_master_is_as_good_as_main(platform: Platform) -> None:
    commit = await platform.work.commit("x", files())
    assert says(await platform.push("main:master"), "built revision 1")
    target = platform.work.folder.parent / "clone"
    await platform.work.git("clone", "--quiet", str(platform.repositories.path("shop")), str(target))
    assert (await WorkTree(target).git("rev-parse", "HEAD"))[1].strip() == commit


async def test_main_cannot_be_deleted(platform: Platform) -> None:
    await platform.work.commit("x", files())
    await platform.push()
    assert says(await platform.push("--delete", "main", check=False), "main is the component, so it cannot be deleted")
    assert await platform.repositories.tip("shop") is not None


@pytest.mark.needs("node", "npm")
async def test_a_node_component_is_built_before_the_terminals_eyes(platform: Platform) -> None:
    written = descriptor(actions={"create": {"main": "./lib/create"}})
    package = json.dumps({"name": "shop", "scripts": {"build": "node compile.js"}})
    source = "exports.process = async (msg) => msg.body;\n"
    compiler = "require('fs').mkdirSync('lib'); require('fs').copyFileSync('create.ts', 'lib/create.js');\n"
    contents = {"component.json": written, "package.json": package, "create.ts": source, "compile.js": compiler}
    await platform.work.commit("x", contents)
    said = await platform.push()
    assert says(said, "warning: .*there is no file lib/create in this commit")
    assert says(said, "==> building with Node.js")
    assert says(said, "==> npm run build")
    assert says(said, "==> loading action create")
    assert says(said, "built revision 1")


async def test_a_server_that_stops_while_it_builds_goes_on_after_its_start(quiet: Platform) -> None:
    commit = await quiet.work.commit("x", files())
    quiet.builds = quiet._builds({})  # receives, never builds
    pushing = asyncio.create_task(quiet.push())
    await until(lambda: quiet.settings.build_log("shop", 1).exists())
    quiet.stopping.set()
    said = await pushing
    assert said[-1] == (
        "the connection to the server broke; the build goes on: see `headrace component log shop 1 --follow`"
    )
    quiet.start()
    version = await quiet.built(1)
    assert (version.commit, version.state) == (commit, "ready")


# Restarts.


async def test_a_commit_the_server_never_heard_of_is_received_at_the_start(quiet: Platform) -> None:
    commit = await quiet.work.commit("x", files())
    await quiet.repositories.create("shop")
    await push_unheard(quiet)
    quiet.start()
    await until(lambda: quiet.settings.build_log("shop", 1).exists())
    version = await quiet.built(1)
    assert (version.commit, version.state, await quiet.latest()) == (commit, "ready", 1)


async def test_an_old_commit_pushed_again_unheard_is_latest_after_the_start(platform: Platform) -> None:
    first = await platform.work.commit("first", files())
    await platform.push()
    await platform.work.commit("second", files(more_dot_py=""))
    await platform.push()
    await platform.stop()
    await push_unheard(platform, f"{first}:main")
    platform.start()
    await latest_is(platform, 1)
    assert len(await platform.versions()) == 2


async def test_a_removed_version_stays_removed(platform: Platform) -> None:
    await platform.work.commit("first", files())
    await platform.push()
    await platform.work.commit("second", files(more_dot_py=""))
    await platform.push()
    async with platform.db.begin() as conn:
        await store.remove_version(conn, "shop", 2)
    await platform.stop()
    platform.start()
    await until(lambda: not platform.settings.build("shop", 2).exists())
    assert [version.revision for version in await platform.versions()] == [1]
    assert platform.settings.build("shop", 1).exists()


async def test_a_build_cut_short_is_done_again(platform: Platform) -> None:
    slow = "import time\nprint('sleeping', flush=True)\ntime.sleep(1000)\n"
    await platform.work.commit("x", files() | {"actions/create.py": slow})
    await platform.repositories.create("shop")
    await push_unheard(platform)
    await platform.stop()
    platform.start()
    log = platform.settings.build_log("shop", 1)
    await until(lambda: log.exists() and "sleeping" in log.read_text())
    await platform.stop()
    assert (await platform.version(1)).state == "building"
    assert not platform.settings.build("shop", 1).exists()
    log.unlink()
    platform.start()
    await until(lambda: log.exists() and "sleeping" in log.read_text())


async def test_builds_run_side_by_side_up_to_the_limit(platform: Platform) -> None:
    waiting = "import time, os\nprint('sleeping', flush=True)\ntime.sleep(1000)\n"
    await platform.work.commit("x", files() | {"actions/create.py": waiting})
    for name in ("one", "two", "three"):
        await platform.repositories.create(name)
        await push_unheard(platform, name=name)
    await platform.stop()
    platform.start()
    logs = [platform.settings.build_log(name, 1) for name in ("one", "two", "three")]
    await until(lambda: sum(log.exists() and "sleeping" in log.read_text() for log in logs) == 2)
    states = [(await platform.version(1, name)).state for name in ("one", "two", "three")]
    assert sorted(states) == ["building", "building", "pushed"]


async def test_a_version_removed_while_it_is_built_leaves_nothing(platform: Platform) -> None:
    slow = "import time\nprint('sleeping', flush=True)\ntime.sleep(2)\n"
    await platform.work.commit("x", files() | {"actions/create.py": slow + "\ndef process(msg): ...\n"})
    pushing = asyncio.create_task(platform.push())
    log = platform.settings.build_log("shop", 1)
    await until(lambda: log.exists() and "sleeping" in log.read_text())
    async with platform.db.begin() as conn:
        await store.remove_version(conn, "shop", 1)
    await pushing
    assert await platform.versions() == []
    await until(lambda: log.read_text().endswith("failed: version-not-found: component `shop` has no version 1\n"))
    assert not platform.settings.build("shop", 1).exists()


async def push_unheard(platform: Platform, refspec: str = "main", name: str = "shop") -> None:
    """A push whose hooks never ran."""
    path = platform.repositories.path(name)
    for hook in (path / "hooks").iterdir():
        hook.chmod(0o600)
    await platform.work.git("push", "--quiet", "--force", str(path), refspec)


async def latest_is(platform: Platform, revision: int) -> None:
    async with asyncio.timeout(30):
        while await platform.latest() != revision:  # noqa: ASYNC110 - a build does it
            await asyncio.sleep(0.05)
