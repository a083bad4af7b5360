"""Tokens: make, list, revoke."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from headrace.api.parts import PartsOf
from headrace.api.shapes import Answer, Moment, Number, Page, PagingOf, Request, paged
from headrace.store import tokens

__all__ = ["router"]

router = APIRouter(prefix="/tokens", tags=["tokens"])


class TokenView(Answer):
    """A token without its secret."""

    id: int
    name: str
    prefix: str = Field(description="Its first characters, to recognise it by.")
    created_at: Moment
    last_used_at: Moment | None = Field(description="To within some minutes.")
    revoked_at: Moment | None


class NewToken(Request):
    name: Annotated[str, Field(min_length=1, max_length=100, description="For whom or what the token is.")]


class MadeToken(TokenView):
    """A new token with its secret, which is shown this once."""

    token: str


@router.get("", operation_id="listTokens")
async def list_tokens(parts: PartsOf, page: PagingOf) -> Page[TokenView]:
    """All tokens, revoked ones too, oldest first."""
    async with parts.db.read() as conn:
        found = await tokens.list_(conn)
    items, following = paged(found, lambda token: str(token.id), page)
    return Page(items=[TokenView(**asdict(token)) for token in items], next=following)


@router.post("", status_code=201, operation_id="createToken")
async def create_token(parts: PartsOf, new: NewToken) -> MadeToken:
    """Make a token. It may do everything; its secret is in this answer only."""
    async with parts.db.begin() as conn:
        token, plaintext = await tokens.create(conn, new.name)
    return MadeToken(**asdict(token), token=plaintext)


@router.delete("/{token_id}", status_code=204, operation_id="revokeToken")
async def revoke_token(parts: PartsOf, token_id: Number) -> None:
    """Make a token worthless at once. A second call changes nothing."""
    async with parts.db.begin() as conn:
        await tokens.revoke(conn, token_id)
    parts.identities.forget()
