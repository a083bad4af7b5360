"""What of the settings reaches a deployment."""

from __future__ import annotations

from pathlib import Path

from tests.deployed import component, deploy

from headrace.bus.client import Bus
from headrace.control.compile import compile_row
from headrace.flows.deployment import REBOUND
from headrace.settings import Settings
from headrace.store.database import Database


async def test_when_a_component_gets_a_message_again_is_a_setting(db: Database, bus: Bus, tmp_path: Path) -> None:
    await component(db)
    row = await deploy(db, bus)
    own = Settings(data=tmp_path, rebound_first=1, rebound_most=3, rebound_limit=3)
    async with db.read() as conn:
        assert (await compile_row(conn, Settings(data=tmp_path), row.flow_id, 1)).rebound == REBOUND
        rebound = (await compile_row(conn, own, row.flow_id, 1)).rebound
    assert [rebound.delay(attempt) for attempt in range(1, rebound.attempts)] == [1, 2, 3]
