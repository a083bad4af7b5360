from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.store import components, variables


async def test_what_is_set_is_noted_once_per_edition_and_goes_with_its_component(conn: AsyncConnection) -> None:
    shop, crm = [await components.create(conn, name) for name in ("shop", "crm")]
    assert await variables.find(conn, shop.id) is None
    made = await variables.ensure(conn, shop.id, "v1")
    assert (made.id, made.edition, await variables.ensure(conn, shop.id, "other")) == ("v1", 0, made)
    assert await variables.editions(conn) == {}
    await variables.note(conn, "v1", 1, ["B", "A"], "ada")
    await variables.note(conn, "v1", 3, ["A"], "bob")
    await variables.note(conn, "v1", 2, ["A", "C"], "ada")  # somebody else was quicker
    found = await variables.find(conn, shop.id)
    assert found is not None
    assert (found.edition, list(found.names), found.author) == (3, ["A"], "bob")
    await variables.ensure(conn, crm.id, "v2")
    await variables.note(conn, "v2", 1, [], "ada")
    assert await variables.ids(conn) == {"v1", "v2"}
    assert await variables.editions(conn) == {"shop": 3, "crm": 1}
    assert await variables.set_names(conn) == {"shop": {"A"}, "crm": set()}
    await components.remove(conn, "shop")
    assert await variables.editions(conn) == {"crm": 1}
