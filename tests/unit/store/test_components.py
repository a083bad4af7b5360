from __future__ import annotations

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.flows.deployment import Code
from headrace.store import components
from headrace.store.database import Database

CODE = msgspec.to_builtins(Code(component="shop", revision=1, commit="aaa", root="/code", interpreter="/python"))


async def push(conn: AsyncConnection, commit: str, semver: str | None = None) -> components.ComponentVersion:
    return await components.add_version(conn, "shop", commit, descriptor={"title": "Shop"}, semver=semver)


async def build(conn: AsyncConnection, revision: int) -> components.ComponentVersion:
    return await components.built(conn, "shop", revision, CODE)


async def latest(conn: AsyncConnection) -> int | None:
    return (await components.get(conn, "shop")).latest


@pytest.fixture
async def conn(conn: AsyncConnection) -> AsyncConnection:
    """A transaction with an empty component `shop`."""
    await components.create(conn, "shop")
    return conn


async def test_a_name_is_given_once(conn: AsyncConnection) -> None:
    with pytest.raises(Refused) as caught:
        await components.create(conn, "shop")
    assert caught.value.reason == "component-exists"
    assert [component.name for component in await components.list_(conn)] == ["shop"]


async def test_an_id_does_not_come_back(conn: AsyncConnection) -> None:
    removed = await components.remove(conn, "shop")
    assert (await components.create(conn, "shop")).id > removed.id


async def test_a_push_makes_a_revision_that_waits_to_be_built(conn: AsyncConnection) -> None:
    version = await components.add_version(
        conn, "shop", "aaa", descriptor={"x": [1]}, semver="1.0.0", author="Ada", message="First", committed_at=5,
        warnings=["odd key"],
    )  # fmt: skip
    assert (version.component, version.revision, version.state) == ("shop", 1, "pushed")
    assert (version.descriptor, version.semver, version.author) == ({"x": [1]}, "1.0.0", "Ada")
    assert (version.committed_at, version.warnings, version.build) == (5, ["odd key"], None)
    assert await latest(conn) is None


async def test_pushing_to_an_unknown_component_says_so(conn: AsyncConnection) -> None:
    with pytest.raises(NotFound, match="no component `other`"):
        await components.add_version(conn, "other", "aaa", descriptor={})


async def test_builds_are_claimed_once_and_in_order(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await push(conn, "bbb")
    claimed = [await components.next_to_build(conn) for _ in range(3)]
    assert [version and (version.revision, version.state) for version in claimed] == [
        (1, "building"),
        (2, "building"),
        None,
    ]


async def test_two_builders_do_not_claim_one_version(db: Database) -> None:
    async with db.begin() as conn:
        await components.create(conn, "shop")
        await push(conn, "aaa")
    async with db.begin() as one:
        first = await components.next_to_build(one)
    async with db.begin() as other:
        second = await components.next_to_build(other)
    assert first is not None
    assert second is None


async def test_a_restarted_server_builds_again_what_it_left(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await components.next_to_build(conn)
    assert await components.requeue_building(conn) == 1
    again = await components.next_to_build(conn)
    assert again is not None
    assert again.revision == 1


async def test_latest_moves_only_when_built(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    assert await latest(conn) is None
    assert (await build(conn, 1)).state == "ready"
    await push(conn, "bbb")
    assert await latest(conn) == 1
    await build(conn, 2)
    assert await latest(conn) == 2


async def test_latest_stays_after_a_failed_build(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await build(conn, 1)
    await push(conn, "bbb")
    failed = await components.build_failed(conn, "shop", 2, "no such package")
    assert (failed.state, failed.reason) == ("failed", "no such package")
    assert await latest(conn) == 1


async def test_latest_does_not_go_back_to_a_slow_build(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await push(conn, "bbb")
    await build(conn, 2)
    await build(conn, 1)
    assert await latest(conn) == 2


async def test_a_known_commit_becomes_latest_again_under_its_revision(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await build(conn, 1)
    await push(conn, "bbb")
    await build(conn, 2)
    assert (await push(conn, "aaa")).revision == 1
    assert await latest(conn) == 1
    assert [version.revision for version in await components.list_versions(conn, "shop")] == [2, 1]


async def test_an_old_commit_pushed_again_beats_a_build_that_ends_later(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await build(conn, 1)
    await push(conn, "bbb")
    await push(conn, "aaa")
    await build(conn, 2)
    assert await latest(conn) == 1


async def test_a_failed_commit_pushed_again_is_built_again(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await components.build_failed(conn, "shop", 1, "network")
    again = await push(conn, "aaa")
    assert (again.revision, again.state, again.reason) == (1, "pushed", "")


async def test_selectors_resolve_to_built_versions(conn: AsyncConnection) -> None:
    await push(conn, "aaa", "1.0.0")
    await push(conn, "bbb", "1.0.0")
    await push(conn, "ccc", "1.0.0")
    await build(conn, 1)
    await build(conn, 2)
    resolved = [await components.resolve(conn, "shop", selector) for selector in ("latest", 1, "1", "1.0.0")]
    assert [version.revision for version in resolved] == [2, 1, 1, 2]
    assert msgspec.convert(resolved[0].build, Code).root == "/code"


async def test_what_cannot_be_resolved_says_why(conn: AsyncConnection) -> None:
    async def reason(name: str, selector: str | int) -> str:
        with pytest.raises((NotFound, Refused)) as caught:
            await components.resolve(conn, name, selector)
        return caught.value.reason

    assert await reason("other", "latest") == "component-not-found"
    assert await reason("shop", "latest") == "version-not-found"
    await push(conn, "aaa", "1.0.0")
    assert await reason("shop", "latest") == "not-built"
    assert await reason("shop", 1) == "not-built"
    assert await reason("shop", "1.0.0") == "not-built"
    assert await reason("shop", 2) == "version-not-found"
    assert await reason("shop", "2.0.0") == "version-not-found"


async def test_a_removed_version_gives_back_latest_but_not_its_number(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await push(conn, "bbb")
    await build(conn, 1)
    await build(conn, 2)
    await components.remove_version(conn, "shop", 2)
    assert await latest(conn) == 1
    assert (await push(conn, "ccc")).revision == 3


async def test_removing_a_component_removes_its_versions(conn: AsyncConnection) -> None:
    await push(conn, "aaa")
    await components.remove(conn, "shop")
    await components.create(conn, "shop")
    assert await components.list_versions(conn, "shop") == []
