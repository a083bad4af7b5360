"""Rolling back, deploying again, suspending, and wishes that come while another one is being fulfilled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.integration.control.stage import DESCRIPTOR, DOCUMENT, push

from headrace.control import desire
from headrace.errors import Busy, Invalid, NotFound, Refused
from headrace.store import deployments, flows
from headrace.store.database import Database
from headrace.store.deployments import Deployment, State
from headrace.store.flows import Wish


@pytest.fixture(autouse=True)
async def shop(db: Database) -> None:
    await push(db)


async def publish(db: Database, note: str = "x", **how: Any) -> Deployment | None:
    async with db.begin() as conn:
        try:
            await flows.get(conn, "orders")
        except NotFound:
            await flows.create(conn, "orders")
        await flows.save_draft(conn, "orders", DOCUMENT.format(name="orders", step="work", note=note), None, "ada")
    return (await desire.publish(db, "orders", start=True, **how)).deployment


async def reached(db: Database, epoch: int, state: State) -> None:
    """As control would note it."""
    async with db.begin() as conn:
        await deployments.update(conn, (await flows.get(conn, "orders")).id, epoch, state=state)


async def live(db: Database, *notes: str) -> None:
    """A version per note, each published over the one before; the last is live."""
    for epoch, note in enumerate(notes, 1):
        await publish(db, note)
        await reached(db, epoch, "live")
        if epoch > 1:
            await reached(db, epoch - 1, "stopped")


async def rows(db: Database) -> list[tuple[int, int, str]]:
    """Epoch, version and state of each deployment."""
    async with db.read() as conn:
        found = await deployments.list_(conn, (await flows.get(conn, "orders")).id)
    return [(row.epoch, row.version, row.state) for row in reversed(found)]


async def wish(db: Database) -> Wish:
    async with db.read() as conn:
        return (await flows.get(conn, "orders")).wish


async def refused(call: Any) -> str:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.reason


# -- how


async def test_a_publish_says_who_wants_it_and_how(db: Database) -> None:
    made = await publish(db, note="two", author="ada", strategy="restart")
    assert made is not None
    assert (made.cause, made.author, made.strategy) == ("publish", "ada", "restart")


# -- rollback


async def test_a_rollback_runs_the_version_before_as_it_was(db: Database) -> None:
    await live(db, "one", "two")
    await push(db)
    rolled = await desire.rollback(db, "orders", note="two loses orders", author="ada")
    assert rolled.deployment is not None
    assert (rolled.version.number, rolled.deployment.epoch, rolled.deployment.version) == (1, 3, 1)
    assert (rolled.deployment.cause, rolled.deployment.note) == ("rollback", "two loses orders")
    assert rolled.deployment.resolved["work"]["revision"] == 2, "a rollback is a start: latest is the latest of now"
    assert await rows(db) == [(1, 1, "stopped"), (2, 2, "live"), (3, 1, "warming")]
    async with db.read() as conn:
        assert (await flows.get(conn, "orders")).version == 2, "a rollback makes no version"


async def test_after_a_rollback_a_start_goes_on_with_that_version(db: Database) -> None:
    await live(db, "one", "two")
    await desire.rollback(db, "orders")
    await reached(db, 3, "live")
    await desire.stop(db, "orders")
    for epoch in (2, 3):
        await reached(db, epoch, "stopped")
    assert (await desire.start(db, "orders")).epoch == 3
    assert (await desire.publish(db, "orders")).version.number == 2, "publishing runs the newest"


async def test_a_rollback_leaves_the_draft_alone(db: Database) -> None:
    await live(db, "one", "two")
    async with db.begin() as conn:
        await flows.save_draft(conn, "orders", "my work", None, "ada")
    await desire.rollback(db, "orders")
    async with db.read() as conn:
        assert (await flows.get(conn, "orders")).draft == "my work"


async def test_a_rollback_that_changes_nothing_is_refused_unless_it_calls_another_off(db: Database) -> None:
    await live(db, "one", "two")
    assert await refused(desire.rollback(db, "orders", 2)) == "nothing-moved"
    await publish(db, "three")
    called_off = await desire.rollback(db, "orders", 2)
    assert called_off.deployment is not None
    assert called_off.deployment.epoch == 4


@pytest.mark.parametrize(("number", "reason"), [(None, "no-older-version"), (1, "nothing-moved")])
async def test_there_may_be_nothing_to_roll_back_to(db: Database, number: int | None, reason: str) -> None:
    await live(db, "one")
    assert await refused(desire.rollback(db, "orders", number)) == reason


async def test_a_rollback_needs_a_version_that_is_there_and_still_runs(db: Database) -> None:
    await live(db, "one", "two")
    with pytest.raises(NotFound):
        await desire.rollback(db, "orders", 7)
    await push(db, descriptor={"title": "Shop", "triggers": DESCRIPTOR["triggers"]})
    with pytest.raises(Invalid):
        await desire.rollback(db, "orders")
    assert await rows(db) == [(1, 1, "stopped"), (2, 2, "live")]


async def test_a_stopped_flow_is_rolled_back_only_when_it_is_to_start(db: Database) -> None:
    await live(db, "one", "two")
    await desire.stop(db, "orders")
    await reached(db, 2, "stopped")
    assert await refused(desire.rollback(db, "orders")) == "flow-stopped"
    rolled = await desire.rollback(db, "orders", start=True)
    assert rolled.version.number == 1
    assert await wish(db) == "running"


# -- deploying again


async def test_a_redeploy_moves_what_runs_to_the_newest_components(db: Database) -> None:
    await live(db, "one", "two")
    await desire.rollback(db, "orders")
    await reached(db, 3, "live")
    await reached(db, 2, "stopped")
    assert await desire.redeploy(db, "orders", cause="on-push") is None
    await push(db)
    made = await desire.redeploy(db, "orders", cause="on-push", note="shop 1 → 2")
    assert made is not None
    assert (made.version, made.resolved["work"]["revision"], made.cause) == (1, 2, "on-push")


async def test_a_policy_does_not_insist_on_what_has_failed_but_a_person_may(db: Database) -> None:
    await live(db, "one")
    await push(db)
    assert await desire.redeploy(db, "orders", cause="on-push") is not None
    assert await desire.redeploy(db, "orders", cause="on-push") is None, "one is on its way"
    await reached(db, 2, "failed")
    assert await desire.redeploy(db, "orders", cause="on-push") is None
    await push(db)
    assert await desire.redeploy(db, "orders", cause="on-push") is not None, "something moved again"
    await reached(db, 3, "failed")
    assert await desire.redeploy(db, "orders", cause="rollout", again=True) is not None


@pytest.mark.parametrize("how", ["stop", "suspend"])
async def test_a_flow_that_is_not_to_run_is_not_redeployed(db: Database, how: str) -> None:
    await live(db, "one")
    await push(db)
    await getattr(desire, how)(db, "orders")
    assert await desire.redeploy(db, "orders", cause="on-push") is None


# -- suspending


async def test_suspending_and_resuming_keep_the_deployment(db: Database) -> None:
    await live(db, "one")
    await push(db)
    assert (await desire.suspend(db, "orders")).wish == "suspended"
    assert (await desire.suspend(db, "orders")).wish == "suspended"
    assert (await desire.resume(db, "orders")).wish == "running"
    assert await rows(db) == [(1, 1, "live")], "resuming is no start: the component moved, the deployment did not"


async def test_a_stopped_flow_is_neither_suspended_nor_resumed(db: Database) -> None:
    await live(db, "one")
    await desire.stop(db, "orders")
    assert await refused(desire.suspend(db, "orders")) == "flow-stopped"
    assert await refused(desire.resume(db, "orders")) == "flow-stopped"


async def test_publishing_leaves_a_suspended_flow_suspended(db: Database) -> None:
    await live(db, "one")
    await desire.suspend(db, "orders")
    async with db.begin() as conn:
        await flows.save_draft(conn, "orders", DOCUMENT.format(name="orders", step="work", note="two"), None, "ada")
    assert (await desire.publish(db, "orders")).deployment is not None
    assert await wish(db) == "suspended"


# -- two wishes at once


async def test_a_second_publish_supersedes_one_that_is_not_live(db: Database) -> None:
    await live(db, "one")
    await publish(db, "two")
    await publish(db, "three")
    assert await rows(db) == [(1, 1, "live"), (2, 2, "warming"), (3, 3, "warming")], "control ends the second"


@pytest.mark.parametrize("call", ["publish", "rollback", "suspend"])
async def test_a_wish_waits_for_the_end_of_a_switch(db: Database, call: str) -> None:
    await live(db, "one", "two")
    await publish(db, "three")
    await reached(db, 3, "ready")
    async with db.begin() as conn:
        flow = await flows.get(conn, "orders")
        assert await deployments.silence(conn, flow.id, 2, successor=3) is not None
        await flows.save_draft(conn, "orders", DOCUMENT.format(name="orders", step="work", note="four"), None, "ada")
    waiting = asyncio.create_task(getattr(desire, call)(db, "orders"))
    await asyncio.sleep(0.1)  # five looks
    assert not waiting.done()
    assert len(await rows(db)) == 3
    await reached(db, 3, "live")
    await asyncio.wait_for(waiting, 5)
    assert await rows(db) == [
        (1, 1, "stopped"),
        (2, 2, "draining"),
        (3, 3, "live"),
        *{"publish": [(4, 4, "warming")], "rollback": [(4, 2, "warming")], "suspend": []}[call],
    ]


async def test_a_switch_that_does_not_end_is_told(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.control.desire.SWITCHED_WITHIN", 0.05)
    await live(db, "one")
    await reached(db, 1, "draining")
    with pytest.raises(Busy) as caught:
        await desire.publish(db, "orders")
    assert caught.value.reason == "switching"


async def test_publishes_at_the_same_moment_make_one_deployment_after_the_other(db: Database) -> None:
    await live(db, "one")
    async with db.begin() as conn:
        await flows.save_draft(conn, "orders", DOCUMENT.format(name="orders", step="work", note="two"), None, "ada")
    answers = await asyncio.gather(*(desire.publish(db, "orders") for _ in range(4)), return_exceptions=True)
    made = [answer.deployment for answer in answers if isinstance(answer, desire.Published)]
    assert [each.epoch for each in made if each is not None] == [2], answers
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} == {"nothing-moved"}


# -- cancelling


async def draft(db: Database) -> str | None:
    async with db.read() as conn:
        return (await flows.get(conn, "orders")).draft


async def test_a_cancelled_publish_leaves_its_version_as_the_draft_again(db: Database) -> None:
    await live(db, "one")
    await publish(db, "two")
    assert await draft(db) is None
    done = await desire.cancel(db, "orders", author="ada")
    assert (done.deployment.epoch, done.deployment.cancelled_by, done.runs) == (2, "ada", 1)
    assert done.draft_tag
    assert "note: two" in (await draft(db) or "")
    assert await wish(db) == "running"
    again = await desire.cancel(db, "orders", 2, author="bob")
    assert (again.deployment.cancelled_by, again.draft_tag) == ("ada", None)


async def test_a_draft_made_meanwhile_stays_when_a_publish_is_cancelled(db: Database) -> None:
    await live(db, "one")
    await publish(db, "two")
    async with db.begin() as conn:
        await flows.save_draft(conn, "orders", "flow: orders # newer", None, "bob")
    assert (await desire.cancel(db, "orders", author="ada")).draft_tag is None
    assert await draft(db) == "flow: orders # newer"


async def test_a_cancelled_rollback_makes_no_draft(db: Database) -> None:
    await live(db, "one", "two")
    await desire.rollback(db, "orders", 1)
    done = await desire.cancel(db, "orders", author="ada")
    assert (done.deployment.version, done.runs, done.draft_tag) == (1, 2, None)
    assert await draft(db) is None


async def test_a_cancelled_first_start_stops_the_flow_and_can_be_started_again(db: Database) -> None:
    await publish(db, "one")
    done = await desire.cancel(db, "orders", author="ada")
    assert (done.runs, await wish(db)) == (None, "stopped")
    await reached(db, 1, "stopped")
    started = await desire.start(db, "orders")
    assert (started.epoch, started.state, started.cancelled_by) == (1, "warming", None)


async def test_what_was_cancelled_can_be_published_at_once(db: Database) -> None:
    await live(db, "one")
    await publish(db, "two")
    await desire.cancel(db, "orders", author="ada")
    made = await desire.publish(db, "orders")
    assert made.deployment is not None
    assert (made.version.number, made.deployment.epoch, made.replaces) == (3, 3, 1)


async def test_cancel_and_switch_see_each_other(db: Database) -> None:
    await live(db, "one")
    await publish(db, "two")
    await reached(db, 2, "ready")
    async with db.begin() as conn:
        flow = await flows.get(conn, "orders")
        assert await deployments.silence(conn, flow.id, 1, successor=2) is not None
    with pytest.raises(Refused) as refused:
        await desire.cancel(db, "orders")
    assert (refused.value.reason, "rollback" in refused.value.next_step) == ("switched", True)
    assert await rows(db) == [(1, 1, "draining"), (2, 2, "ready")]
