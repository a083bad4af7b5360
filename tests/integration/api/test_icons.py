"""Pictures of components, and the commits between their versions, out of real repositories."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.deployed import component
from tests.integration.api.conftest import Served
from tests.integration.pushes.parts import WorkTree

from headrace.api.icons import LARGEST, PNG


@pytest.fixture
async def work(served: Served, tmp_path: Path) -> WorkTree:
    await served.parts.repositories.create("hook")
    (tmp_path / "work").mkdir()
    tree = WorkTree(tmp_path / "work")
    await tree.git("init", "--quiet", "--initial-branch=main")
    return tree


async def pushed(served: Served, work: WorkTree, message: str, logo: bytes | None = None) -> None:
    """One more component version, with this picture."""
    file = work.folder / "logo.png"
    await asyncio.to_thread(file.unlink, missing_ok=True)
    if logo is not None:
        await asyncio.to_thread(file.write_bytes, logo)
    await work.git("add", "--all")
    await work.git("commit", "--quiet", "--allow-empty", "--message", message)
    await taken(served, work)


async def taken(served: Served, work: WorkTree) -> None:
    """The newest commit as a component version; fetched, since only the server itself runs the hooks of a push."""
    bare = str(served.parts.repositories.path("hook"))
    await work.git("--git-dir", bare, "fetch", "--quiet", str(work.folder), "main:refs/heads/main")
    await component(served.parts.db, commit=(await work.git("rev-parse", "HEAD"))[1].strip())


async def test_the_picture_is_that_of_its_version(served: Served, work: WorkTree) -> None:
    await pushed(served, work, "First", PNG + b"one")
    await pushed(served, work, "Second", PNG + b"two")
    answer = await served.client.get("/api/v1/components/hook/versions/1/icon")
    assert (answer.status_code, answer.content) == (200, PNG + b"one")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert (await served.client.get("/api/v1/components/hook/versions/2/icon")).content == PNG + b"two"


@pytest.mark.parametrize("logo", [None, b"<svg onload='alert(1)'/>", PNG + b"x" * LARGEST])
async def test_what_is_no_small_picture_is_not_served(served: Served, work: WorkTree, logo: bytes | None) -> None:
    await pushed(served, work, "First", logo)
    assert await served.refused("GET", "/components/hook/versions/1/icon") == (404, "no-icon")


async def test_a_link_is_not_followed(served: Served, work: WorkTree) -> None:
    await asyncio.to_thread((work.folder / "logo.png").symlink_to, "/etc/hostname")
    await work.git("add", "--all")
    await work.git("commit", "--quiet", "--message", "A link")
    await taken(served, work)
    assert await served.refused("GET", "/components/hook/versions/1/icon") == (404, "no-icon")


async def test_the_commits_between_two_versions_are_told(served: Served, work: WorkTree) -> None:
    for message in ("First", "Round half up", "Say what was rounded"):
        await pushed(served, work, message)
    found = await served.get("/components/hook/versions/3/commits", since=1)
    assert [each["message"] for each in found["added"]] == ["Say what was rounded", "Round half up"]
    back = await served.get("/components/hook/versions/1/commits", since=2)
    assert [each["message"] for each in back["removed"]] == ["Round half up"]
    assert await served.refused("GET", "/components/hook/versions/1/commits", since=9) == (404, "version-not-found")


async def test_a_built_component_says_where_its_picture_is(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await component(served.parts.db)
    assert version.build is not None
    assert (await served.get("/components/hook"))["icon"] is None
    (tmp_path / "logo.png").write_bytes(PNG)
    monkeypatch.setattr("headrace.api.icons.FILE", str(tmp_path / "logo.png"))  # absolute: wherever it was built
    assert (await served.get("/components/hook"))["icon"] == "/api/v1/components/hook/versions/1/icon"
