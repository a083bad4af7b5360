from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound, Refused
from headrace.store import components, credentials


@pytest.fixture(autouse=True)
async def shop(conn: AsyncConnection) -> None:
    for name in ("shop", "crm"):
        await components.create(conn, name)


async def test_one_is_found_by_name_and_listed_by_component(conn: AsyncConnection) -> None:
    made = await credentials.create(conn, "prod", "shop", author="ada")
    other = await credentials.create(conn, "any", "crm")
    assert (made.component, made.author, made.state, made.token_failures) == ("shop", "ada", "unverified", 0)
    assert await credentials.get(conn, "prod") == made
    assert await credentials.list_(conn) == [other, made]
    assert await credentials.list_(conn, component="shop") == [made]


async def test_names_are_given_once_and_components_must_be_there(conn: AsyncConnection) -> None:
    await credentials.create(conn, "prod", "shop")
    with pytest.raises(Refused) as caught:
        await credentials.create(conn, "prod", "crm")
    assert caught.value.reason == "credential-exists"
    with pytest.raises(NotFound):
        await credentials.create(conn, "other", "nowhere")
    with pytest.raises(NotFound) as missing:
        await credentials.get(conn, "other")
    assert missing.value.reason == "credential-not-found"


async def test_a_change_takes_back_what_was_verified(conn: AsyncConnection) -> None:
    made = await credentials.create(conn, "prod", "shop")
    await credentials.checked(conn, made.id, "failed", "wrong password")
    failed = await credentials.get(conn, "prod")
    assert (failed.state, failed.reason, failed.checked_at is None) == ("failed", "wrong password", False)
    await credentials.changed(conn, made.id, "bob")
    again = await credentials.get(conn, "prod")
    assert (again.state, again.reason, again.checked_at, again.author) == ("unverified", "", None, "bob")


async def test_tokens_are_listed_in_the_order_they_are_due(conn: AsyncConnection) -> None:
    one, two, _ = [await credentials.create(conn, name, "shop") for name in ("one", "two", "none")]
    await credentials.token_got(conn, one.id, until=900, due_at=800)
    await credentials.token_due(conn, two.id, 100)
    assert [each.name for each in await credentials.with_tokens(conn)] == ["two", "one"]
    await credentials.token_failed(conn, two.id, "refused", failures=2, due_at=1000)
    first, last = await credentials.with_tokens(conn)
    assert (first.name, first.token_until) == ("one", 900)
    assert (last.name, last.token_error, last.token_failures) == ("two", "refused", 2)
    await credentials.token_got(conn, two.id, until=None, due_at=None)
    assert [each.name for each in await credentials.with_tokens(conn)] == ["one"]
    assert (await credentials.get(conn, "two")).token_error == ""


async def test_removing_twice_is_once(conn: AsyncConnection) -> None:
    made = await credentials.create(conn, "prod", "shop")
    await credentials.remove(conn, made.id)
    await credentials.remove(conn, made.id)
    assert await credentials.list_(conn) == []
