"""What only builds of Python components do; tests/contract/test_builders.py has the rest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.integration.pushes.parts import HOSTS, files, make_wheel, offline
from tests.integration.pushes.shop import Shop

from headrace.components.hosts import Hosts
from headrace.components.python_builder import PythonBuilder, passed_on
from headrace.errors import Unavailable
from headrace.flows.deployment import Code

pytestmark = pytest.mark.needs("git")


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
    builder = PythonBuilder(envs=data / "envs", cache=data / "uv-cache", hosts=Hosts(HOSTS), environ=offline(wheels))
    return await Shop.open(data, "python", builder)


def importing(module: str, **more: str) -> dict[str, str]:
    return files(**more) | {"actions/create.py": f"import {module}\n\n\ndef process(msg):\n    return {module}.VALUE\n"}


def value(code: Code, module: str = "ledger") -> str:
    """What the environment really has, asked of its interpreter from outside the sandbox."""
    asked = [code.interpreter, "-I", "-c", f"import {module}; print({module}.VALUE)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


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


@pytest.mark.skipif(os.geteuid() != 0, reason="root only: users are dropped")
async def test_without_bubblewrap_a_closed_python_is_told(shop: Shop) -> None:
    (shop.data / "python").mkdir(mode=0o700)
    shop.builder = PythonBuilder(envs=shop.data / "envs", cache=shop.data / "uv-cache", hosts=Hosts(HOSTS, mode="off"))
    shop.builder._python = str(shop.data / "python" / "bin" / "python3")
    with pytest.raises(Unavailable, match="is closed to it") as caught:
        await shop.build(files())
    assert caught.value.reason == "folder-closed"


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
