"""Publishing, starting, stopping and removing write wishes and freeze component versions; nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.control.stage import DESCRIPTOR, DOCUMENT, push

from headrace.control import desire
from headrace.errors import Invalid, NotFound, Refused
from headrace.store import deployments, flows
from headrace.store.database import Database
from headrace.store.deployments import Deployment, State
from headrace.store.flows import Flow


@pytest.fixture(autouse=True)
async def shop(db: Database) -> None:
    await push(db)


async def draft(db: Database, name: str = "orders", *, text: str = "", note: str = "x") -> None:
    async with db.begin() as conn:
        try:
            await flows.get(conn, name)
        except NotFound:
            await flows.create(conn, name)
        text = text or DOCUMENT.format(name=name, step="work", note=note)
        await flows.save_draft(conn, name, text, None, "ada")


async def flow(db: Database, name: str = "orders") -> Flow:
    async with db.read() as conn:
        return await flows.get(conn, name)


async def rows(db: Database) -> list[Deployment]:
    async with db.read() as conn:
        return list(reversed(await deployments.list_(conn, (await flows.get(conn, "orders")).id)))


async def reached(db: Database, epoch: int, state: State) -> None:
    """As control would note it."""
    async with db.begin() as conn:
        await deployments.update(conn, (await flows.get(conn, "orders")).id, epoch, state=state)


async def refused(call: Any) -> str:
    with pytest.raises(Refused) as caught:
        await call
    assert caught.value.next_step or caught.value.reason == "nothing-moved"
    return caught.value.reason


async def test_publish_makes_a_version_and_leaves_a_stopped_flow_stopped(db: Database) -> None:
    await draft(db)
    published = await desire.publish(db, "orders", note="first", author="ada")
    assert (published.version.number, published.version.note, published.version.author) == (1, "first", "ada")
    assert published.deployment is None
    now = await flow(db)
    assert (now.wish, now.draft, now.version, now.epoch) == ("stopped", None, 1, 0)


async def test_publish_and_start_freezes_component_versions(db: Database) -> None:
    await draft(db)
    published = await desire.publish(db, "orders", start=True)
    assert published.deployment is not None
    assert published.deployment.state == "warming"
    assert published.deployment.resolved == {
        step: {"component": "shop", "revision": 1, "commit": f"{1:040x}"} for step in ("order", "work")
    }
    assert (await flow(db)).wish == "running"
    await push(db)
    assert (await rows(db))[0].resolved["work"]["revision"] == 1


async def test_a_running_flow_moves_to_the_new_version_unless_told_otherwise(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await draft(db, note="two")
    assert (await desire.publish(db, "orders", start=False)).deployment is None
    await draft(db, note="three")
    deployment = (await desire.publish(db, "orders")).deployment
    assert deployment is not None
    assert (deployment.epoch, deployment.version) == (2, 3)


async def test_a_document_with_mistakes_is_not_published(db: Database) -> None:
    wrong = DOCUMENT.format(name="orders", step="work", note="x").replace("shop/work", "shop/nothing")
    await draft(db, text=wrong)
    with pytest.raises(Invalid) as caught:
        await desire.publish(db, "orders", start=True)
    assert [problem.path for problem in caught.value.problems] == ["steps[1].action"]
    now = await flow(db)
    assert (now.version, now.wish, now.draft) == (None, "stopped", wrong)


async def test_a_document_of_another_flow_is_not_published(db: Database) -> None:
    await draft(db, text=DOCUMENT.format(name="others", step="work", note="x"))
    with pytest.raises(Invalid, match="of flow `others`"):
        await desire.publish(db, "orders")


async def test_without_a_draft_the_newest_version_is_deployed_again_if_components_moved(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders")
    assert await refused(desire.publish(db, "orders")) == "no-draft"
    await desire.start(db, "orders")
    assert await refused(desire.publish(db, "orders")) == "nothing-moved"
    await push(db)
    again = await desire.publish(db, "orders")
    assert again.deployment is not None
    assert (again.version.number, again.deployment.epoch) == (1, 2)
    assert again.deployment.resolved["work"]["revision"] == 2


async def test_start_goes_on_with_the_last_deployment_when_nothing_moved(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await reached(db, 1, "live")
    await desire.stop(db, "orders")
    await reached(db, 1, "stopped")
    again = await desire.start(db, "orders")
    assert (again.epoch, again.state, again.ended_at, again.live_at) == (1, "warming", None, None)


@pytest.mark.parametrize("moved", ["component", "version"])
async def test_start_makes_a_new_deployment_when_something_moved(db: Database, moved: str) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await desire.stop(db, "orders")
    await reached(db, 1, "stopped")
    if moved == "component":
        await push(db)
    else:
        await draft(db, note="two")
        await desire.publish(db, "orders")
    assert (await desire.start(db, "orders")).epoch == 2
    assert [row.state for row in await rows(db)] == ["stopped", "warming"]


async def test_start_after_a_failure_is_a_new_deployment(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await reached(db, 1, "failed")
    assert (await desire.start(db, "orders")).epoch == 2


async def test_start_of_a_running_flow_changes_nothing(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await reached(db, 1, "live")
    await push(db)
    assert (await desire.start(db, "orders")).epoch == 1


async def test_start_while_it_is_stopping_goes_on_with_it(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    await reached(db, 1, "live")
    assert (await desire.stop(db, "orders")).wish == "stopped"
    again = await desire.start(db, "orders")
    assert (again.epoch, again.state) == (1, "live")
    assert (await flow(db)).wish == "running"


async def test_what_cannot_be_started_says_why(db: Database) -> None:
    await draft(db)
    assert await refused(desire.start(db, "orders")) == "not-published"
    await desire.publish(db, "orders")
    async with db.begin() as conn:
        from headrace.store import components

        await components.remove(conn, "shop")
    with pytest.raises(Refused, match="step `order`"):
        await desire.start(db, "orders")
    with pytest.raises(NotFound):
        await desire.start(db, "unknown")


async def test_only_a_stopped_flow_is_removed(db: Database) -> None:
    await draft(db)
    await desire.publish(db, "orders", start=True)
    assert await refused(desire.remove(db, "orders")) == "flow-running"
    await desire.stop(db, "orders")
    assert await refused(desire.remove(db, "orders")) == "flow-running", "it has not stopped yet"
    await reached(db, 1, "stopped")
    await desire.remove(db, "orders")
    with pytest.raises(NotFound):
        await flow(db)


async def test_an_unbuilt_component_version_keeps_a_flow_from_being_published(db: Database) -> None:
    async with db.begin() as conn:
        from headrace.store import components

        await components.create(conn, "crm")
        await components.add_version(conn, "crm", "c" * 40, descriptor=DESCRIPTOR)
    await draft(db, text=DOCUMENT.format(name="orders", step="work", note="x").replace("shop/work", "crm/work"))
    with pytest.raises(Invalid) as caught:
        await desire.publish(db, "orders", start=True)
    assert "built" in str(caught.value.problems[0])
