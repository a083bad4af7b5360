"""What a build decides by ``package.json`` and a lock file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.components.node_package import Lock, Package, find_lock, read_package
from headrace.errors import Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("scripts", "dependencies", "engines", "workspaces", "devDependencies", "packages", "lockfileVersion")


@pytest.mark.parametrize(
    ("document", "bare", "builds", "prepares", "develops"),
    [
        ({}, True, False, False, False),
        ({"dependencies": {"co": "4"}}, False, False, False, False),
        ({"optionalDependencies": {"co": "4"}}, False, False, False, False),
        ({"peerDependencies": {"co": "4"}}, False, False, False, False),
        ({"workspaces": ["own/*"]}, False, False, False, False),
        ({"devDependencies": {"tsc": "1"}}, True, False, False, True),
        ({"scripts": {"build": "tsc", "test": "mocha"}}, True, True, False, False),
        ({"scripts": {"prepare": "tsc"}}, True, False, True, False),
        ({"scripts": {"prebuild": "x", "start": "elasticio-sailor"}}, True, False, False, False),
    ],
)
def test_what_has_to_be_done(
    document: dict[str, Any], bare: bool, builds: bool, prepares: bool, develops: bool
) -> None:
    package = Package(document)
    assert (package.bare, package.builds, package.prepares, package.develops) == (bare, builds, prepares, develops)


def test_a_binding_is_an_install_script() -> None:
    assert Package({}, compiles=True).prepares


def test_a_shared_lock_knows_no_name_and_keeps_every_package() -> None:
    def lock(name: str, version: str) -> Lock:
        own = {"name": name, "version": version, "license": "MIT", "dependencies": {"co": "4"}}
        packages = {"": own, "node_modules/co": {"version": "4.6.0"}}
        return Lock("package-lock.json", {"name": name, "version": version, "lockfileVersion": 3, "packages": packages})

    needs = {"dependencies": {"co": "4"}}
    one = lock("a", "1.0.0").shared(Package({"name": "a", "version": "1.0.0", **needs}))
    assert one == lock("b", "2.0.0").shared(Package({"name": "b", "version": "2.0.0", "scripts": {}, **needs}))
    assert json.loads(one)["packages"] == {"": needs, "node_modules/co": {"version": "4.6.0"}}
    assert one != lock("a", "1.0.0").shared(Package({"dependencies": {"co": "4.6"}}))


@pytest.mark.parametrize("entry", [{"link": True, "resolved": "own/a"}, {"resolved": "file:own/a.tgz"}])
def test_packages_of_the_component_itself_are_local(entry: dict[str, Any]) -> None:
    assert Lock("package-lock.json", {"packages": {"": {}, "node_modules/a": entry}}).local
    remote = {"resolved": "git+ssh://git@example.org/a.git"}
    assert not Lock("package-lock.json", {"packages": {"": {"link": True}, "node_modules/a": remote}}).local


def test_only_what_runs_is_counted() -> None:
    packages = {"": {}, "node_modules/a": {}, "node_modules/b": {"dev": True}}
    assert Lock("package-lock.json", {"packages": packages}).count == 1


@pytest.mark.parametrize(("written", "version"), [({}, 1), ({"lockfileVersion": 3}, 3), ({"lockfileVersion": "3"}, 1)])
def test_the_version_of_a_lock(written: dict[str, Any], version: int) -> None:
    assert Lock("package-lock.json", written).version == version


def test_a_lock_that_leaves_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "package-lock.json").symlink_to("../secret.json")
    with pytest.raises(Invalid, match="link out of") as caught:
        find_lock(tmp_path / "code")
    assert caught.value.reason == "bad-package"


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b'\xef\xbb\xbf{"name": "a"}')
    assert read_package(tmp_path).document == {"name": "a"}


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_nothing_that_is_written_there_raises(document: dict[str, Any]) -> None:
    package, lock = Package(document), Lock("package-lock.json", document)
    assert all(isinstance(each, str) for each in package.engines.values())
    assert package.bare in (True, False) and package.builds in (True, False) and package.prepares in (True, False)
    assert lock.version >= 1 or isinstance(document["lockfileVersion"], int)
    json.loads(lock.shared(package))
    assert lock.count <= len(lock.packages)
    assert lock.local in (True, False)
