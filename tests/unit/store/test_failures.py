from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.errors import Invalid, NotFound
from headrace.store import failures, flows
from headrace.store.failures import ErrorRecord

ERROR = ErrorRecord(
    id="e1",
    execution_id="x1",
    flow_id="f1",
    epoch=1,
    step="invoice",
    message_id="m1",
    name="ValueError",
    message="no total",
    stack="Traceback …",
    reason="exception",
    at=1000,
    state="open",
    envelope=b'{"id":"m1","body":{"total":null}}',
    retried_as=None,
)


async def test_an_error_is_kept_once(conn: AsyncConnection) -> None:
    await failures.add(conn, [ERROR])
    await failures.add(conn, [replace(ERROR, message="told again"), replace(ERROR, id="e2")])
    assert await failures.get(conn, "e1") == ERROR
    assert len(await failures.list_(conn, flow_id="f1")) == 2
    assert ERROR.input == {"id": "m1", "body": {"total": None}}


async def test_an_unknown_error_is_not_found(conn: AsyncConnection) -> None:
    with pytest.raises(NotFound) as caught:
        await failures.get(conn, "e1")
    assert caught.value.reason == "error-not-found"
    with pytest.raises(NotFound):
        await failures.mark_retried(conn, "e1", "m2")


async def test_errors_are_found_by_what_they_have(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "orders")
    mine = replace(ERROR, flow_id=flow.id)
    other = replace(ERROR, id="e2", flow_id=flow.id, step="customer", execution_id="x2", at=2000)
    await failures.add(conn, [mine, other, replace(ERROR, id="e3", flow_id="gone")])
    assert await failures.list_(conn) == [other, mine]
    assert await failures.list_(conn, step="invoice") == [mine]
    assert await failures.list_(conn, execution_id="x2") == [other]
    assert await failures.list_(conn, since=1500) == [other]
    await failures.discard(conn, "e2")
    assert await failures.list_(conn, state="open") == [mine]
    assert await failures.count_open(conn, [flow.id]) == {flow.id: 1}
    assert await failures.count_open(conn) == {flow.id: 1, "gone": 1}


async def test_pages_follow_each_other_without_gap(conn: AsyncConnection) -> None:
    await failures.add(conn, [replace(ERROR, id=f"e{n}", at=1000 + n // 3) for n in range(9)])
    whole = await failures.list_(conn, flow_id="f1")
    pages, before = [], None
    while page := await failures.list_(conn, flow_id="f1", before=before, limit=2):
        pages += page
        before = page[-1].cursor
    assert pages == whole
    with pytest.raises(Invalid):
        await failures.list_(conn, before="yesterday")


async def test_a_rerun_is_noted(conn: AsyncConnection) -> None:
    await failures.add(conn, [ERROR])
    assert await failures.mark_retried(conn, "e1", "m2") == replace(ERROR, state="retried", retried_as="m2")


async def test_old_errors_go_but_open_ones_stay(conn: AsyncConnection) -> None:
    flow = await flows.create(conn, "orders")
    mine = replace(ERROR, flow_id=flow.id)
    await failures.add(conn, [mine, replace(mine, id="e2"), replace(mine, id="e3", at=9000)])
    for error_id in ("e2", "e3"):
        await failures.discard(conn, error_id)
    await failures.add(conn, [replace(ERROR, id="e4", flow_id="gone")])
    assert await failures.retain(conn, before=5000, chunk=1) == 1
    assert await failures.retain(conn, before=5000) == 1
    assert await failures.retain(conn, before=5000) == 0
    assert {error.id for error in await failures.list_(conn)} == {"e1", "e3"}
