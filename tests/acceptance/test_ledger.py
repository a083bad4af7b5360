"""The ledger: numbered events go through a flow while people publish, roll back, stop and start it.

Every number has to arrive, once, in order; what the source sees of it is measured.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.acceptance.cast import Cast

from headrace.testing.ledger import Account
from headrace.testing.plane import until
from headrace.testing.platform import Platform, refused
from headrace.testing.requests import Requests
from headrace.testing.trap import Trap
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(120)]

GAP_MS = 1_000.0
"""Far above what a quiet machine measures (see bench/results): tests run on busy ones."""


def perfect(account: Account) -> None:
    """Every number once, in order, and never two triggers at the source."""
    assert (account.lost, account.repeats, account.doubled, account.overtaken) == ([], 0, [], 0), account
    assert account.most_connections == 1, account


async def test_a_publish_loses_repeats_and_reorders_nothing(running: Platform, cast: Cast) -> None:
    first, second = cast.use(), cast.use(source="2", middle="2", sink="2")
    async with Trial(running, use=first) as trial:
        await trial.live()
        async with trial.load(200):
            for use in (second, first, second):
                epoch = await trial.live(use=use)
                await asyncio.sleep(0.3)
        account = await trial.settled()
        perfect(account)
        assert set(account.marks.values()) == {1, 2}
        assert len(account.changes) == 3
        assert account.gaps()[-1] < GAP_MS
        assert account.ages()[-1] < GAP_MS
        record = await trial.record(epoch, "gap_ms")
        assert record["from_epoch"] == epoch - 1
        assert 0 < record["gap_ms"] < GAP_MS


async def test_a_rollback_is_a_publish_of_an_older_version(running: Platform, cast: Cast) -> None:
    async with Trial(running) as trial:
        await trial.live(use=cast.use(sink="1"))
        await trial.live(use=cast.use(sink="2"))
        async with trial.load():
            answer = await trial.api.post(f"/flows/{trial.name}/rollback")
            assert (answer["version"]["number"], answer["deployment"]["cause"]) == (1, "rollback")
            await trial.reaches(3, "live")
        account = await trial.settled()
        perfect(account)
        assert account.marks[account.sent - 1] == 1


async def test_two_publishes_at_once_make_one_live_deployment_after_the_other(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use()) as trial:
        await trial.live()
        async with trial.load():
            await trial.draft(use=cast.use(sink="2"))
            path = f"/flows/{trial.name}/publish"
            answers = await asyncio.gather(*(trial.api.post(path) for _ in range(2)), return_exceptions=True)
            assert sorted(refused(each) for each in answers if isinstance(each, Exception)) == ["nothing-moved"]
            third = await trial.publish(use=cast.use(middle="2", sink="2"))
            fourth = await trial.publish(use=cast.use(source="2", middle="2", sink="2"))
            await trial.reaches(fourth, "live")
            assert (await trial.states())[third] in ("stopped", "draining", "standby"), "superseded, or before it"
        perfect(await trial.settled())


async def test_a_publish_during_a_rollback_wins(running: Platform, cast: Cast) -> None:
    async with Trial(running) as trial:
        await trial.live(use=cast.use(middle="slow-start"))
        await trial.live(use=cast.use(sink="2"))
        async with trial.load():
            await trial.api.post(f"/flows/{trial.name}/rollback")
            epoch = await trial.live(use=cast.use(sink="1"))
            assert (await trial.states())[3] == "stopped"
        account = await trial.settled()
        perfect(account)
        assert epoch == 4
        assert account.marks[account.sent - 1] == 1


async def test_a_restart_loses_nothing_either_but_shows(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use()) as trial:
        await trial.live()
        async with trial.load():
            await trial.live({"strategy": "restart"}, use=cast.use(sink="2"))
            await trial.live(use=cast.use())
        account = await trial.settled()
        perfect(account)
        restart, handover = [await trial.record(epoch, "longest_delay_ms") for epoch in (2, 3)]
        assert (restart["from_epoch"], handover["from_epoch"]) == (1, 2)
        for record in (restart, handover):
            kinds = ("drained", "taken_over", "parked", "repeats_removed")
            assert all(record[kind] is not None for kind in kinds), record
            assert (record["parked"], record["order"]) == (0, "kept")
            assert record["longest_delay_ms"] >= record["gap_ms"] > 0
        warm_up = (await trial.deployments())[2]["ready_ms"]
        assert restart["gap_ms"] > warm_up, "the source waits for a whole warm-up"
        assert restart["gap_ms"] > handover["gap_ms"]
        assert abs(restart["gap_ms"] - account.changes[0].gap) < 200, "as the source saw it"


async def test_hooks_run_in_the_switch_to_another_source_only_and_are_told_apart(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use(source="hooked")) as trial:
        await trial.live()
        async with trial.load():
            same = await trial.live(use=cast.use(source="hooked", sink="2"))
            other = await trial.live(use=cast.use(source="hooked"), fields={"source": {"window": "32"}})
        account = await trial.settled()
        perfect(account)
        carried, changed = [await trial.record(epoch, "longest_delay_ms") for epoch in (same, other)]
        assert carried["hooks_ms"] == 0
        assert changed["hooks_ms"] > 500
        assert changed["gap_ms"] < GAP_MS
        assert account.changes[-1].gap > 500 + changed["gap_ms"] - 200, "the source waits for both"
        assert changed["longest_delay_ms"] >= changed["hooks_ms"] + changed["gap_ms"]


async def test_messages_finish_on_the_version_they_entered_under(running: Platform, cast: Cast) -> None:
    slow, second = cast.use(middle="slow"), cast.use(sink="2")
    async with Trial(running) as trial:
        await trial.live(use=slow)
        async with trial.load(100, lead=0.5) as account:
            entered = len(account.acknowledged)
            waiting = entered - len(account.arrivals)
            await trial.live(use=second)
        account = await trial.settled()
        perfect(account)
        marks = [account.marks[number] for number in range(account.sent)]
        assert marks == sorted(marks), "from one moment on the new code, and never back"
        assert marks.index(2) >= entered
        assert waiting > 10, "there were messages in flight"
        record = await trial.record(2, "drained")
        assert record["drained"] >= waiting
        assert (record["taken_over"] or 0, record["order"]) == (0, "kept")


async def test_what_the_old_steps_cannot_finish_is_taken_over_and_the_rest_is_parked(
    running: Platform, cast: Cast
) -> None:
    """The old `middle2` hangs on number 10, the old `middle` on number 30; the new version has no `middle2`."""
    async with Trap() as trap, Trial(running) as trial:
        fields = {"middle": {"trap": str(trap.port), "at": "30"}, "middle2": {"trap": str(trap.port), "at": "10"}}
        use = cast.use(middle="trapped", middle2="trapped")
        old: dict[str, Any] = {"hosts": 4, "use": use, "fields": fields}
        await trial.live(**old)
        await trial.send(60)
        await until(lambda: trap.caught == 2, what="both steps hang")
        await trial.live(use=cast.use(sink="2"))
        await trial.reaches(1, "stopped")

        record = await trial.record(2, "taken_over", "order")
        await trial.send(20)
        arrived = trial.ledger.account.arrivals
        await until(lambda: set(arrived) == {*range(11), *range(31, 80)}, what="all but the parked arrived")
        errors = await trial.errors(21)
        assert {(each["step"], each["name"]) for each in errors} == {("middle2", "NoSuccessor")}
        assert record["parked"] == len(errors) == 21, "10, whose output is through, to 30"
        assert record["taken_over"] == 30, "30, whose output is parked and not stored again, to 59"
        assert record["order"] == "given up"
        assert (trial.ledger.account.repeats, trial.ledger.account.doubled) == (0, [])
        trap.open()
        await trial.live(**old)
        await trial.api.post("/errors/retry", {"flow": trial.name})
        account = await trial.settled()
        assert [number for number, ages in account.arrivals.items() if len(ages) > 1] == [10], "a person ran it again"


async def test_stop_keeps_the_queue_and_says_how_many_wait(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use(middle="slow")) as trial:
        await trial.live()
        await trial.send(60)
        waiting = (await trial.api.post(f"/flows/{trial.name}/stop"))["waiting"]
        arrived = len(trial.ledger.account.arrivals)
        assert 0 < waiting <= 60 - arrived
        assert trial.ledger.sources == 0
        assert (await trial.api.post(f"/flows/{trial.name}/start"))["deployment"]["epoch"] == 1
        perfect(await trial.settled())


async def test_stop_with_purge_says_how_many_it_threw_away(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use(middle="slow")) as trial:
        await trial.live()
        await trial.send(60)
        stopped = await trial.api.post(f"/flows/{trial.name}/stop", {"purge": True})
        account = trial.ledger.account
        assert stopped["waiting"] == 0
        assert stopped["purged"] == 60 - len(account.arrivals)
        await trial.api.post(f"/flows/{trial.name}/start")
        await trial.reaches(1, "live")
        first = account.sent
        await trial.send(10)
        await until(lambda: first + 9 in account.arrivals, what="later events pass")


async def test_a_suspended_flow_accepts_requests_and_processes_them_when_it_is_resumed(
    running: Platform, cast: Cast
) -> None:
    async with Trial(running, webhook=True, use={"middle": cast("middle", "1"), "sink": cast("sink", "1")}) as trial:
        await trial.live()
        assert await trial.request() == 202
        await trial.settled()
        await trial.api.post(f"/flows/{trial.name}/suspend")
        assert [await trial.request() for _ in range(10)] == [202] * 10
        assert len(trial.ledger.account.arrivals) == 1
        suspended = await trial.api.get(f"/flows/{trial.name}")
        assert suspended["wish"] == "suspended"
        await trial.api.post(f"/flows/{trial.name}/resume")
        perfect_but_for_the_source(await trial.settled())
        assert await trial.states() == {1: "live"}


async def test_a_webhook_answers_every_request_while_it_is_published(running: Platform, cast: Cast) -> None:
    first, second = ({"middle": cast("middle", each), "sink": cast("sink", each)} for each in "12")
    async with Trial(running, webhook=True) as trial:
        await trial.live(use=first)
        requests = Requests(running, trial.name, trial.ledger)
        sending = asyncio.create_task(requests.at_rate(100, 3600))
        try:
            for use in (second, first, second, first):
                epoch = await trial.live(use=use)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
        account = await trial.settled()
        assert set(requests.statuses) == {202}, requests.statuses
        assert requests.statuses[202] == account.sent == len(account.arrivals)
        assert (account.repeats, account.doubled) == (0, [])
        assert set(account.marks.values()) == {1, 2}
        record = await trial.record(epoch, "gap_ms")
        assert (record["gap_ms"], record["hooks_ms"]) == (0, 0)


def perfect_but_for_the_source(account: Account) -> None:
    assert (account.lost, account.repeats, account.doubled, account.overtaken) == ([], 0, [], 0), account
