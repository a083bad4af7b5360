"""Tokens: what a person or program shows to be let in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import NotFound
from headrace.store.clock import now_ms
from headrace.store.rows import columns
from headrace.store.tables import tokens

__all__ = ["Token", "check", "create", "list_", "revoke", "touch"]

SCHEME = "hr_"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. ``prefix`` is its first characters, for people to recognise it by."""

    id: int
    name: str
    prefix: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


_select = select(*columns(tokens, Token))


def _digest(plaintext: str) -> bytes:
    # Slow, salted hashes such as argon2 protect passwords that people choose and that can be guessed. A token is 32
    # random bytes: no list of guesses reaches it, and a plain digest can be looked up by index on every request.
    return hashlib.sha256(plaintext.encode()).digest()


async def create(conn: AsyncConnection, name: str) -> tuple[Token, str]:
    """Make a token; the plain text is returned here and never again. Names need not be unique."""
    plaintext = SCHEME + secrets.token_urlsafe(32)
    prefix, now = plaintext[: len(SCHEME) + 6], now_ms()
    made = insert(tokens).values(name=name, prefix=prefix, digest=_digest(plaintext), created_at=now)
    token_id = (await conn.execute(made.returning(tokens.c.id))).scalar_one()
    return Token(token_id, name, prefix, now, None, None), plaintext


async def check(conn: AsyncConnection, plaintext: str) -> Token | None:
    """The token with that plain text, None when there is none or it was revoked. Writes nothing: see `touch`."""
    found = _select.where(tokens.c.digest == _digest(plaintext), tokens.c.revoked_at.is_(None))
    row = (await conn.execute(found)).one_or_none()
    return None if row is None else Token(*row)


async def touch(conn: AsyncConnection, token_id: int) -> None:
    """Note that the token was used now; callers do this now and then, not for every request."""
    await conn.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=now_ms()))


async def list_(conn: AsyncConnection) -> list[Token]:
    """All tokens, revoked ones too, oldest first."""
    return [Token(*row) for row in await conn.execute(_select.order_by(tokens.c.id))]


async def revoke(conn: AsyncConnection, token_id: int) -> Token:
    """Make the token worthless from now on; a second call changes nothing. `NotFound` for an unknown id."""
    row = (await conn.execute(_select.where(tokens.c.id == token_id))).one_or_none()
    if row is None:
        raise NotFound("token-not-found", f"there is no token {token_id}", next_step="see `headrace token list`")
    token = Token(*row)
    if token.revoked_at is not None:
        return token
    now = now_ms()
    await conn.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=now))
    return replace(token, revoked_at=now)
