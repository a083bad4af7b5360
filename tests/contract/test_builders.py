"""What every `Builder` promises, on real git, real uv or npm, and the real host; packages come from this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.integration.pushes.parts import HOSTS, descriptor, make_wheel, offline, until
from tests.integration.pushes.registry import Registry, registry
from tests.integration.pushes.shop import Shop, present

from headrace.components.build import Builder
from headrace.components.descriptor import Language
from headrace.components.hosts import Hosts
from headrace.components.node_builder import NodeBuilder
from headrace.components.python_builder import PythonBuilder

pytestmark = pytest.mark.needs("git")

Files = dict[str, str]


@dataclass(frozen=True)
class Tongue:
    """The same components in one language."""

    language: Language
    main: str
    process: str
    raises: str
    """A module that fails in ``helper``, on its second line."""
    dies: str
    """A module that prints ``bye`` and ends its process with status 3."""
    sleeps: str
    """A module that prints ``sleeping`` and does not end."""
    refuses: str
    """A module whose ``init`` fails."""
    snoops: str
    """A module that says what it sees in ``DATA`` and tries to write there."""
    uses_ledger: str
    depends: Callable[[str], Files]
    """On a range of versions of ``ledger``, of which there are 1.0.0 and 2.0.0."""
    builder: Callable[[Path, Registry], Builder]

    def files(self, code: str | None = None, needs: str = "") -> Files:
        written = descriptor(actions={"create": {"main": self.main, "title": "Create"}})
        return {"component.json": written, self.main: code or self.process, **self.depends(needs)}


def _python_builder(data: Path, _registry: Registry) -> Builder:
    wheels = data / "wheels"
    wheels.mkdir()
    for version in ("1.0.0", "2.0.0"):
        make_wheel(wheels, "ledger", version, f"VALUE = '{version}'\n")
    return PythonBuilder(envs=data / "envs", cache=data / "uv-cache", hosts=Hosts(HOSTS), environ=offline(wheels))


def _node_builder(data: Path, packages: Registry) -> Builder:
    for version in ("1.0.0", "2.0.0"):
        packages.add("ledger", version, {"index.js": f"exports.VALUE = '{version}';\n"})
    environ = {"npm_config_registry": packages.url, "HOME": str(data), "NO_PROXY": "127.0.0.1"}
    return NodeBuilder(envs=data / "envs", cache=data / "npm-cache", hosts=Hosts(HOSTS), environ=environ)


def package(needs: str = "", **more: object) -> str:
    dependencies = {"dependencies": {"ledger": needs}} if needs else {}
    return json.dumps({"name": "shop", "version": "1.0.0", **dependencies, **more})


PYTHON = Tongue(
    language="python",
    main="actions/create.py",
    process="def process(msg):\n    return msg.body\n",
    raises="def helper():\n    raise ValueError('no key')\n\n\nhelper()\n",
    dies="import os\nprint('bye', flush=True)\nos._exit(3)\n",
    sleeps="import time\nprint('sleeping', flush=True)\ntime.sleep(1000)\n",
    refuses="async def init(ctx, cfg):\n    raise ValueError('needs a key')\n\n\ndef process(msg):\n    return None\n",
    snoops="""
import contextlib, os
data = 'DATA'
print('seen', sorted(os.listdir(data)), os.listdir(data + '/builds/shop'), flush=True)
for place in ('builds/shop/2/code', 'envs', *('envs/' + env for env in os.listdir(data + '/envs')), '.'):
    with contextlib.suppress(OSError):  # in an empty folder of its own it may
        open(f'{data}/{place}/written', 'w')
def process(msg): ...
""",
    uses_ledger="import ledger\n\nprint('ledger', ledger.VALUE)\n\n\ndef process(msg):\n    return ledger.VALUE\n",
    depends=lambda needs: {"requirements.txt": f"ledger{needs}\n"} if needs else {},
    builder=_python_builder,
)
NODE = Tongue(
    language="node",
    main="lib/actions/create.js",
    process="exports.process = async (msg) => ({ body: msg.body });\n",
    raises="function helper() {\n  throw new TypeError('no key');\n}\nhelper();\n",
    dies="console.log('bye');\nprocess.exit(3);\n",
    sleeps="require('fs').writeSync(1, 'sleeping\\n');\nfor (;;);\n",
    refuses="exports.init = async () => { throw new Error('needs a key'); };\nexports.process = async () => {};\n",
    snoops="""
const fs = require('fs');
const data = 'DATA';
const list = (folder) => `[${fs.readdirSync(folder).sort().map((name) => `'${name}'`).join(', ')}]`;
console.log('seen', list(data), list(`${data}/builds/shop`));
const envs = fs.readdirSync(`${data}/envs`).map((env) => `envs/${env}`);
for (const place of ['builds/shop/2/code', 'envs', ...envs, '.']) {
  try { fs.writeFileSync(`${data}/${place}/written`, ''); } catch {}
}
exports.process = async () => {};
""",
    uses_ledger="const { VALUE } = require('ledger');\nconsole.log('ledger', VALUE);\nexports.process = () => VALUE;\n",
    depends=lambda needs: {"package.json": package(needs.replace("==", ""))},
    builder=_node_builder,
)


@pytest.fixture(
    params=[PYTHON, pytest.param(NODE, marks=pytest.mark.needs("node", "npm"))], ids=lambda each: each.language
)
def tongue(request: pytest.FixtureRequest) -> Tongue:
    found: Tongue = request.param
    return found


@pytest.fixture
async def shop(tmp_path: Path, tongue: Tongue) -> AsyncIterator[Shop]:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    with registry() as packages:
        yield await Shop.open(data, tongue.language, tongue.builder(data, packages))


async def test_a_component_without_dependencies(shop: Shop, tongue: Tongue) -> None:
    code = await shop.build(tongue.files())
    assert set(tongue.files()) <= set(present(code))
    assert code.language == tongue.language
    assert code.uid == (210_007 if os.geteuid() == 0 else None)
    assert "==> no dependencies" in shop.log
    assert f"==> loading action create ({tongue.main})" in shop.log


async def test_dependencies_are_installed(shop: Shop, tongue: Tongue) -> None:
    await shop.build(tongue.files(tongue.uses_ledger, "<2"))
    assert "    ledger 1.0.0" in shop.log
    await shop.build(tongue.files(tongue.uses_ledger, ">=1"))
    assert "    ledger 2.0.0" in shop.log
    assert len(shop.envs) == 2


async def test_the_same_lock_is_installed_once(shop: Shop, tongue: Tongue) -> None:
    first = await shop.build(tongue.files(tongue.uses_ledger, "==2.0.0"))
    second = await shop.build({**tongue.files(tongue.uses_ledger, "==2.0.0"), "README": "new"})
    assert first.root != second.root
    assert "the environment is there already (1 package)" in shop.log
    assert "    ledger 2.0.0" in shop.log
    assert len(shop.envs) == 1


async def test_builds_of_the_same_lock_at_once_wait_for_one(shop: Shop, tongue: Tongue) -> None:
    contents = tongue.files(tongue.uses_ledger, "==2.0.0")
    commit = await shop.push(contents)

    async def one(revision: int) -> str:
        log = shop.data / f"{revision}.log"
        await shop.order(commit, contents["component.json"], revision, log)
        return log.read_text()

    logs = await asyncio.gather(*(one(revision) for revision in (1, 2, 3)))
    assert sum("making the environment" in log for log in logs) == 1
    assert sum("there already" in log for log in logs) == 2
    assert len(shop.envs) == 1


async def test_an_environment_cut_short_is_made_again(shop: Shop, tongue: Tongue) -> None:
    contents = tongue.files(tongue.uses_ledger, "==2.0.0")
    await shop.build(contents)
    env = shop.envs[0]
    env.with_name(env.name + ".complete").unlink()
    for each in env.iterdir():
        each.rename(env / f"gone-{each.name}")
    await shop.build(contents)
    assert "making the environment" in shop.log
    assert not list(env.glob("gone-*"))


async def test_what_cannot_be_resolved_says_what_the_installer_says(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files(tongue.uses_ledger, ">=3"))
    assert error.reason == "dependencies-not-resolved"
    assert "ledger" in shop.log and ">=3" in shop.log
    assert shop.envs == []


async def test_a_missing_package_fails_the_load(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files(tongue.uses_ledger))
    assert error.reason == "load-failed"
    assert "'ledger'" in error.message


async def test_a_module_that_fails_shows_its_own_stack(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files(tongue.raises))
    assert error.reason == "load-failed"
    kind = {"python": "ValueError", "node": "TypeError"}[tongue.language]
    assert f"action create ({tongue.main}) does not load: {kind}: no key" in error.message
    assert re.search(r'create\.py", line 2, in helper|at helper \(.*create\.js:2:', shop.log)


async def test_a_syntax_error_is_told(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files("process = = 1\n"))
    assert "SyntaxError" in error.message
    assert "create." in shop.log.partition("==> loading")[2]


async def test_a_module_that_kills_its_process_is_told(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files(tongue.dies))
    assert re.search(r"exit status 3|process\.exit\(3\)", error.message)
    assert "    bye" in shop.log


async def test_every_offer_is_loaded(shop: Shop, tongue: Tongue) -> None:
    other = tongue.main.replace("create", "drop")
    written = descriptor(actions={"create": {"main": tongue.main}, "drop": {"main": other}})
    error = await shop.fails({**tongue.files(), "component.json": written, other: tongue.raises})
    assert f"action drop ({other}) does not load" in error.message


async def test_init_does_not_run(shop: Shop, tongue: Tongue) -> None:
    await shop.build(tongue.files(tongue.refuses))


async def test_a_timeout_kills_what_runs_and_leaves_nothing(shop: Shop, tongue: Tongue) -> None:
    error = await shop.fails(tongue.files(tongue.sleeps), timeout=4)
    assert error.reason == "build-timeout"
    assert "sleeping" in shop.log
    assert _running(shop) == []


async def test_a_cancelled_build_leaves_nothing(shop: Shop, tongue: Tongue) -> None:
    building = asyncio.create_task(shop.build(tongue.files(tongue.sleeps)))
    log = shop.data / "build.log"
    await until(lambda: log.is_file() and "sleeping" in log.read_text())
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    assert list((shop.data / "builds").iterdir()) == []
    assert _running(shop) == []


async def test_a_build_over_an_old_one_replaces_it(shop: Shop, tongue: Tongue) -> None:
    await shop.build({**tongue.files(), "old.txt": ""}, revision=1)
    assert "old.txt" not in present(await shop.build(tongue.files(), revision=1))


@pytest.mark.needs("bwrap")
async def test_code_that_loads_sees_no_other_component_and_writes_nowhere(shop: Shop, tongue: Tongue) -> None:
    await shop.build(tongue.files(needs="==2.0.0"))
    await shop.build(tongue.files(tongue.snoops.replace("DATA", str(shop.data)), needs="==2.0.0"))
    assert "seen ['builds', 'envs'] ['2']" in shop.log
    assert list(shop.data.rglob("written")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: users are dropped")
async def test_environments_and_code_belong_to_the_platform(shop: Shop, tongue: Tongue) -> None:
    code = await shop.build(tongue.files(tongue.uses_ledger, "==2.0.0"))
    owners = {path.lstat().st_uid for place in (shop.envs[0], Path(code.root)) for path in place.rglob("*")}
    assert owners == {0}


async def test_a_strict_umask_keeps_nobody_out(shop: Shop, tongue: Tongue) -> None:
    before = os.umask(0o077)
    try:
        code = await shop.build(tongue.files(tongue.uses_ledger, "==2.0.0"))
    finally:
        os.umask(before)
    assert "    ledger 2.0.0" in shop.log
    present(code)


async def test_unused_environments_are_swept(shop: Shop, tongue: Tongue) -> None:
    used = await shop.build(tongue.files(tongue.uses_ledger, "<2"))
    kept = shop.envs
    await shop.build(tongue.files(tongue.uses_ledger, ">=2"))
    await shop.builder.keep_only([used])
    assert shop.envs == kept


def _running(shop: Shop) -> list[psutil.Process]:
    root = str(shop.data)
    return [process for process in psutil.Process().children(recursive=True) if root in _place(process)]


def _place(process: psutil.Process) -> str:
    try:
        return process.cwd() + " ".join(process.cmdline())
    except psutil.Error:
        return ""
