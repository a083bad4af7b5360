from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store import tokens
from headrace.store.tables import tokens as table


async def test_plain_text_is_recognised_and_not_stored(conn: AsyncConnection) -> None:
    token, plaintext = await tokens.create(conn, "laptop")
    assert plaintext.startswith("hr_")
    assert plaintext.startswith(token.prefix)
    assert await tokens.check(conn, plaintext) == token
    row = (await conn.execute(select(table))).one()
    assert not any(plaintext in str(value) for value in row)


async def test_unknown_text_is_no_token(conn: AsyncConnection) -> None:
    await tokens.create(conn, "laptop")
    assert await tokens.check(conn, "hr_something-else") is None


async def test_a_revoked_token_is_worthless_and_stays_listed(conn: AsyncConnection) -> None:
    token, plaintext = await tokens.create(conn, "laptop")
    other, _ = await tokens.create(conn, "laptop")
    revoked = await tokens.revoke(conn, token.id)
    assert revoked.revoked_at is not None
    assert await tokens.check(conn, plaintext) is None
    assert await tokens.revoke(conn, token.id) == revoked
    assert await tokens.list_(conn) == [revoked, other]


async def test_revoking_an_unknown_token_says_so(conn: AsyncConnection) -> None:
    with pytest.raises(NotFound, match="no token 7") as caught:
        await tokens.revoke(conn, 7)
    assert caught.value.reason == "token-not-found"


async def test_use_is_noted(conn: AsyncConnection) -> None:
    token, plaintext = await tokens.create(conn, "laptop")
    assert token.last_used_at is None
    await tokens.touch(conn, token.id)
    used = await tokens.check(conn, plaintext)
    assert used is not None
    assert used.last_used_at is not None
