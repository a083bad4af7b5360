"""Real git, real uv, the real host; packages come from a folder, so no network is needed."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from tests.integration.pushes.parts import HOSTS, WorkTree, descriptor, files, make_wheel, offline, until

from headrace.components.build import Order, build
from headrace.components.build_log import BuildLog
from headrace.components.descriptor import Descriptor, read
from headrace.components.python_builder import PythonBuilder, passed_on
from headrace.components.repositories import Repositories
from headrace.errors import Invalid, Unavailable
from headrace.flows.deployment import Code

pytestmark = pytest.mark.needs("git")


@dataclass
class Shop:
    """One component's repository, a builder, and everything it builds."""

    data: Path
    builder: PythonBuilder
    repositories: Repositories
    work: WorkTree
    revision: int = 0
    logs: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return self.logs[-1]

    @property
    def envs(self) -> list[Path]:
        return sorted(path for path in (self.data / "envs").iterdir() if path.is_dir())

    async def build(self, contents: dict[str, str], *, timeout: float = 100, revision: int | None = None) -> Code:
        commit = await self.work.commit("x", contents)
        target = str(self.repositories.path("shop"))
        await self.work.git("-c", "push.default=nothing", "push", "--quiet", "--force", target, "main")
        self.revision = revision or self.revision + 1
        order = Order(
            component="shop",
            component_id=7,
            revision=self.revision,
            commit=commit,
            descriptor=read(contents["component.json"]),
            folder=self.data / "builds" / "shop" / str(self.revision),
        )
        path = self.data / "build.log"
        try:
            with BuildLog(path) as log:
                return await build(
                    order, log, repositories=self.repositories, builders={"python": self.builder}, timeout=timeout
                )
        finally:
            self.logs.append(path.read_text())

    async def fails(self, contents: dict[str, str], *, timeout: float = 100) -> Invalid:
        with pytest.raises(Invalid) as caught:
            await self.build(contents, timeout=timeout)
        assert not (self.data / "builds" / "shop" / str(self.revision)).exists()
        return caught.value


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    folder.chmod(0o755)
    make_wheel(folder, "ledger", "1.0", "VALUE = 1\n")
    make_wheel(folder, "ledger", "2.0", "VALUE = 2\n")
    return folder


@pytest.fixture
async def shop(tmp_path: Path, wheels: Path) -> Shop:
    data = tmp_path / "data"
    for folder in ("repos", "envs", "builds", "work"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    builder = PythonBuilder(envs=data / "envs", cache=data / "uv-cache", hosts=HOSTS, environ=offline(wheels))
    repositories = Repositories(data / "repos")
    await repositories.create("shop")
    for hook in (repositories.path("shop") / "hooks").iterdir():
        hook.chmod(0o600)  # this is about builds; pushes have tests of their own
    return Shop(data, builder, repositories, WorkTree(data / "work"))


def importing(module: str, **more: str) -> dict[str, str]:
    return files(**more) | {"actions/create.py": f"import {module}\n\n\ndef process(msg):\n    return {module}.VALUE\n"}


def value(code: Code, module: str = "ledger") -> str:
    """What the environment really has, asked of its interpreter from outside the sandbox."""
    asked = [code.interpreter, "-I", "-c", f"import {module}; print({module}.VALUE)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def present(code: Code) -> list[str]:
    """Files and folders of the built code, without compiled modules; all of them readable by anyone."""
    found = [path for path in sorted(Path(code.root).rglob("*")) if path.suffix != ".pyc"]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (Path(code.root), *found))
    return [str(path.relative_to(code.root)) for path in found]


async def test_a_component_without_dependencies(shop: Shop) -> None:
    code = await shop.build(files())
    assert set(present(code)) == {"component.json", "actions", "actions/create.py", "actions/__pycache__"}
    assert code.uid == (210_007 if os.geteuid() == 0 else None)
    assert "==> no dependencies" in shop.log
    assert "==> loading action create (actions/create.py)" in shop.log


async def test_the_platforms_packages_are_not_there(shop: Shop) -> None:
    error = await shop.fails(importing("msgspec"))
    assert error.reason == "load-failed"
    assert "No module named 'msgspec'" in error.message


async def test_requirements_are_installed(shop: Shop) -> None:
    code = await shop.build(importing("ledger", requirements_dot_txt="ledger<2\n"))
    assert value(code) == "1"
    assert "==> resolving the dependencies in requirements.txt" in shop.log
    assert "ledger==1.0" in shop.log


async def test_pyproject_dependencies_are_installed(shop: Shop) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["ledger"]\n'
    assert value(await shop.build(importing("ledger", pyproject_dot_toml=project))) == "2"


async def test_a_uv_lock_is_taken_as_it_is(shop: Shop, wheels: Path) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["ledger"]\n'
    lock = (
        'version = 1\nrevision = 2\nrequires-python = ">=3.11"\n\n'
        f'[[package]]\nname = "ledger"\nversion = "1.0"\nsource = {{ registry = "{wheels}" }}\n'
        f'wheels = [{{ path = "{wheels}/ledger-1.0-py3-none-any.whl" }}]\n\n'
        '[[package]]\nname = "shop"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "ledger" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "ledger" }]\n'
    )
    code = await shop.build(importing("ledger", pyproject_dot_toml=project, uv_dot_lock=lock))
    assert value(code) == "1"
    assert "in uv.lock" in shop.log


async def test_a_pyproject_that_only_configures_tools_names_no_dependencies(shop: Shop) -> None:
    await shop.build(files(pyproject_dot_toml="[tool.ruff]\nline-length = 99\n"))
    assert "==> no dependencies" in shop.log


async def test_the_same_lock_is_installed_once(shop: Shop) -> None:
    first = await shop.build(importing("ledger", requirements_dot_txt="ledger\n"))
    second = await shop.build(importing("ledger", requirements_dot_txt="ledger==2.0  # pinned\n"))
    assert first.interpreter == second.interpreter
    assert first.root != second.root
    assert "the environment is there already (1 package)" in shop.log
    assert len(shop.envs) == 1


async def test_builds_of_the_same_lock_at_once_wait_for_one(shop: Shop) -> None:
    await shop.work.commit("x", importing("ledger", requirements_dot_txt="ledger\n"))
    commit = (await shop.work.git("rev-parse", "HEAD"))[1].strip()
    await shop.work.git("push", "--quiet", str(shop.repositories.path("shop")), "main")

    async def one(revision: int) -> tuple[Code, str]:
        order = Order("shop", 7, revision, commit, Descriptor({}), shop.data / "builds" / "shop" / str(revision))
        path = shop.data / f"{revision}.log"
        with BuildLog(path) as log:
            code = await build(
                order, log, repositories=shop.repositories, builders={"python": shop.builder}, timeout=60
            )
        return code, path.read_text()

    built = await asyncio.gather(*(one(revision) for revision in (1, 2, 3)))
    assert len({code.interpreter for code, _ in built}) == 1
    assert sum("making the environment" in log for _, log in built) == 1


async def test_an_environment_cut_short_is_made_again(shop: Shop) -> None:
    contents = importing("ledger", requirements_dot_txt="ledger\n")
    code = await shop.build(contents)
    env = shop.envs[0]
    env.with_name(env.name + ".complete").unlink()
    (env / "lib").rename(env / "gone")
    assert value(await shop.build(contents)) == "2"
    assert value(code) == "2"


async def test_what_cannot_be_resolved_says_what_uv_says(shop: Shop) -> None:
    error = await shop.fails(importing("ledger", requirements_dot_txt="ledger>=3\n"))
    assert error.reason == "dependencies-not-resolved"
    assert "ledger>=3" in shop.log
    assert shop.envs == []


async def test_a_python_too_new_is_told(shop: Shop) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.99"\ndependencies = []\n'
    error = await shop.fails(files(pyproject_dot_toml=project))
    assert error.reason == "python-not-supported"
    assert ">=3.99" in error.message


async def test_a_broken_pyproject_is_told(shop: Shop) -> None:
    assert "not TOML" in (await shop.fails(files(pyproject_dot_toml="[project\n"))).message


async def test_a_broken_wheel_fails_the_install_and_leaves_nothing(shop: Shop, wheels: Path) -> None:
    make_wheel(wheels, "broken", "1.0", "").write_bytes(b"not a wheel")
    error = await shop.fails(files(requirements_dot_txt="broken\n"))
    assert error.reason in ("dependencies-not-installed", "dependencies-not-resolved")
    assert shop.envs == []


async def test_a_module_that_fails_shows_its_own_traceback(shop: Shop) -> None:
    code = "def helper():\n    raise ValueError('no key')\n\n\nhelper()\n"
    error = await shop.fails(files() | {"actions/create.py": code})
    assert error.reason == "load-failed"
    assert "action create (actions/create.py) does not load: ValueError: no key" in error.message
    assert 'create.py", line 2, in helper' in shop.log


async def test_a_syntax_error_is_told(shop: Shop) -> None:
    error = await shop.fails(files() | {"actions/create.py": "def process(msg:\n"})
    assert "SyntaxError" in error.message


async def test_a_module_that_kills_its_process_is_told(shop: Shop) -> None:
    error = await shop.fails(files() | {"actions/create.py": "import os\nprint('bye', flush=True)\nos._exit(3)\n"})
    assert "exit status 3" in error.message
    assert "    bye" in shop.log


async def test_every_offer_is_loaded(shop: Shop) -> None:
    written = descriptor(actions={"create": {"main": "actions/create"}, "drop": {"main": "actions/drop"}})
    error = await shop.fails(files() | {"component.json": written, "actions/drop.py": "1/0\n"})
    assert "action drop (actions/drop.py) does not load: ZeroDivisionError" in error.message


async def test_init_does_not_run(shop: Shop) -> None:
    code = "async def init(ctx, cfg):\n    raise ValueError('needs a key')\n\n\ndef process(msg):\n    return None\n"
    await shop.build(files() | {"actions/create.py": code})


async def test_a_timeout_kills_what_runs_and_leaves_nothing(shop: Shop) -> None:
    code = "import time\nprint('sleeping', flush=True)\ntime.sleep(1000)\n"
    error = await shop.fails(files() | {"actions/create.py": code}, timeout=3)
    assert error.reason == "build-timeout"
    root = str(shop.data / "builds")
    assert not [process for process in psutil.Process().children(recursive=True) if root in _cwd(process)]


async def test_a_cancelled_build_leaves_nothing(shop: Shop) -> None:
    code = "import time\nprint('sleeping', flush=True)\ntime.sleep(1000)\n"
    building = asyncio.create_task(shop.build(files() | {"actions/create.py": code}))
    log = shop.data / "build.log"
    await until(lambda: _has(log, "sleeping"))
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    assert list((shop.data / "builds").iterdir()) == []


async def test_a_build_over_an_old_one_replaces_it(shop: Shop) -> None:
    await shop.build(files(old_dot_py=""), revision=1)
    code = await shop.build(files(), revision=1)
    assert "old.py" not in present(code)


async def test_a_node_component_says_that_it_cannot_be_built_yet(shop: Shop) -> None:
    error = await shop.fails(files(package_dot_json="{}"))
    assert error.reason == "node-not-supported-yet"
    assert "cannot build yet" in error.message


@pytest.mark.needs("bwrap")
async def test_code_that_loads_sees_no_other_component_and_writes_nowhere(shop: Shop) -> None:
    await shop.build(files())
    code = f"""
import contextlib, os
data = {str(shop.data)!r}
print('seen', sorted(os.listdir(data)), os.listdir(data + '/builds/shop'), flush=True)
for place in ('builds/shop/2/code', 'envs', 'envs/' + os.listdir(data + '/envs')[0], '.'):
    with contextlib.suppress(OSError):  # in an empty folder of its own it may
        open(f'{{data}}/{{place}}/written', 'w')
def process(msg): ...
"""
    await shop.build(files() | {"actions/create.py": code})
    assert "seen ['builds', 'envs'] ['2']" in shop.log
    assert list(shop.data.rglob("written")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: users are dropped")
async def test_without_bubblewrap_a_closed_python_is_told(shop: Shop) -> None:
    (shop.data / "python").mkdir(mode=0o700)
    shop.builder = PythonBuilder(envs=shop.data / "envs", cache=shop.data / "uv-cache", hosts=HOSTS, mode="off")
    shop.builder._python = str(shop.data / "python" / "bin" / "python3")
    with pytest.raises(Unavailable, match="is closed to it") as caught:
        await shop.build(files())
    assert caught.value.reason == "folder-closed"


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: users are dropped")
async def test_environments_belong_to_the_platform(shop: Shop) -> None:
    code = await shop.build(importing("ledger", requirements_dot_txt="ledger\n"))
    owners = {path.lstat().st_uid for place in (shop.envs[0], Path(code.root)) for path in place.rglob("*")}
    assert owners == {0}


async def test_unused_environments_are_swept(shop: Shop) -> None:
    used = await shop.build(importing("ledger", requirements_dot_txt="ledger<2\n"))
    await shop.build(importing("ledger", requirements_dot_txt="ledger\n"))
    await shop.builder.keep_only([used])
    assert [str(env) for env in shop.envs] == [str(Path(used.interpreter).parents[1])]
    assert value(used) == "1"


def test_what_builds_see_of_the_environment() -> None:
    environ = {
        "PIP_INDEX_URL": "https://mirror/simple",
        "UV_HTTP_TIMEOUT": "30",
        "UV_SYSTEM_PYTHON": "1",
        "UV_PUBLISH_TOKEN": "secret",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "HEADRACE_TOKEN": "secret",
        "HOME": "/root",
    }
    assert passed_on(environ) == {
        "PIP_INDEX_URL": "https://mirror/simple",
        "UV_INDEX_URL": "https://mirror/simple",
        "UV_HTTP_TIMEOUT": "30",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }
    assert "UV_INDEX_URL" not in passed_on({"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"})


def _has(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text()


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd() + " ".join(process.cmdline())
    except psutil.Error:
        return ""
