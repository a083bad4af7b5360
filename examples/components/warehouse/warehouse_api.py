"""The warehouse's API, as far as it is used here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells each request, and the step's log keeps it

Cfg = dict[str, Any]
Rows = list[dict[str, Any]]


@asynccontextmanager
async def warehouse(cfg: Cfg) -> AsyncIterator[Warehouse]:
    """A session, with the step's credential."""
    async with httpx.AsyncClient(base_url=cfg["url"], headers={"x-api-key": cfg["key"]}) as client:
        yield Warehouse(client)


class Warehouse:
    """One session."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def shelves(self) -> Rows:
        found: Rows = await self._get("/shelves")
        return found

    async def movements(self, shelf: str, after: int) -> Rows:
        found: Rows = await self._get(f"/shelves/{shelf}/movements", after=after)
        return found

    async def kinds(self) -> dict[str, Any]:
        """Kind of article → its title, and the properties its articles have."""
        found: dict[str, Any] = await self._get("/kinds")
        return found

    async def stock(self) -> dict[str, int]:
        """Article → how many there are."""
        found: dict[str, int] = await self._get("/stock")
        return found

    async def _get(self, path: str, **query: Any) -> Any:
        answer = await self._client.get(path, params=query)
        answer.raise_for_status()
        return answer.json()
