"""The ledger, while people publish mistakes: the old deployment runs on, or gets the flow back, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ledger import perfect

from headrace.testing.plane import until
from headrace.testing.platform import Platform, refused
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("version", "reason"),
    [("unimportable", "nowhere"), ("bad-init", "the door is locked"), ("never-ready", "not ready within 3 s")],
)
async def test_the_old_version_runs_on_when_the_new_one(
    running: Platform, cast: Cast, version: str, reason: str
) -> None:
    good, bad = cast.use(), cast.use(middle=version)
    async with Trial(running, use=good) as trial:
        await trial.live()
        worker = await trial.worker(1)
        async with trial.load():
            epoch = await trial.publish(use=bad)
            failed = await trial.reaches(epoch, "failed")
        assert reason in failed["reason"]
        assert "middle" in failed["reason"]
        assert worker.is_running()
        account = await trial.settled()
        perfect(account)
        assert account.connections == 1, "its source has noticed nothing"
        assert (await trial.states())[1] == "live"
        detail = await trial.kept(epoch)
        assert detail["failed_step"] == "middle"
        assert version == "never-ready" or any(reason in line for line in detail["log"])


async def test_a_version_that_does_not_build_is_never_the_latest(running: Platform, cast: Cast) -> None:
    latest = {"source": "latest", "middle": "latest", "sink": "latest"}
    cast.push("middle", "1")
    async with Trial(running, use=latest) as trial:
        await trial.live()
        async with trial.load():
            with pytest.raises(RuntimeError, match="requirement"):
                await asyncio.to_thread(cast.push, "middle", "unbuildable")
            versions = (await trial.api.get("/components/shape/versions"))["items"]
            broken = next(each for each in versions if each["state"] == "failed")
            assert not broken["is_latest"]
            await trial.draft(use=latest | {"middle": broken["revision"]})
            with pytest.raises(Exception) as caught:
                await trial.api.post(f"/flows/{trial.name}/publish")
            assert refused(caught.value), caught.value
        perfect(await trial.settled())
        assert await trial.states() == {1: "live"}


@pytest.mark.parametrize(
    ("version", "why", "said"),
    [
        ("crashes", "had to be started again", "the host ended"),
        ("fails", "messages failed", "for me"),
        ("leaks", "had to be started again", "memory"),
    ],
)
async def test_the_old_version_gets_the_flow_back_when_the_new_one(
    running: Platform, cast: Cast, version: str, why: str, said: str
) -> None:
    good, bad = cast.use(), cast.use(middle=version)
    async with Trial(running, use=good) as trial:
        await trial.live()
        async with trial.load():
            epoch = await trial.publish(use=bad)
            failed = await trial.reaches(epoch, "failed")
            assert why in failed["reason"]
            assert failed["live_at"] is not None, "it was live, and handed back"
            assert (await trial.record(epoch, "handed_back"))["handed_back"] in failed["reason"]
            await trial.reaches(1, "live")
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, what="events pass again")
        kept = await trial.kept(epoch)
        assert kept["failed_step"] == "middle"
        assert any(said in line for line in kept["log"]), kept["log"]
        await trial.retry_errors()
        account = await trial.settled()
        assert (account.lost, account.repeats, account.doubled) == ([], 0, []), account
        assert account.most_connections == 1
        await trial.alone(1)


async def test_the_old_version_gets_the_flow_back_when_startup_of_the_new_source_fails(
    running: Platform, cast: Cast
) -> None:
    async with Trial(running, use=cast.use(source="hooked")) as trial:
        await trial.live()
        async with trial.load():
            bad = await trial.publish(use=cast.use(source="bad-startup"), fields={"source": {"window": "32"}})
            failed = await trial.reaches(bad, "failed")
            assert "no more subscriptions" in failed["reason"]
            assert (await trial.record(bad, "handed_back"))["handed_back"] in failed["reason"]
            await trial.reaches(1, "live")
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, what="events pass again")
        perfect(await trial.settled())
        assert (await trial.log("source")).count("subscribed") == 2, "its own startup ran again"


async def test_the_old_version_gets_the_flow_back_when_the_new_source_opens_one_more_connection_at_every_call(
    running: Platform, cast: Cast
) -> None:
    often = {"source": {"poll_interval": "100ms"}}
    async with Trial(running, use=cast.use(), more=often, leak_guard="stop") as trial:
        await trial.live()
        async with trial.load():
            bad = await trial.publish(use=cast.use(source="careless"))
            failed = await trial.reaches(bad, "failed")
            assert "stopped by the leak guard: the trigger leaks sockets" in failed["reason"]
            assert (await trial.record(bad, "handed_back"))["handed_back"] in failed["reason"]
            await trial.reaches(1, "live")
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, what="events pass again")
        kept = await trial.kept(bad)
        assert kept["failed_step"] == "source"
        assert any("async def listen" in line for line in kept["log"]), kept["log"]
        account = await trial.settled()
        assert (account.lost, account.repeats, account.doubled) == ([], 0, []), account
        assert account.most_connections <= 10
        await trial.alone(1)


async def test_a_trigger_that_ignores_stop_is_killed_before_the_new_one_begins(running: Platform, cast: Cast) -> None:
    deaf, good = cast.use(source="deaf"), cast.use()
    async with Trial(running, use=deaf) as trial:
        await trial.live()
        async with trial.load():
            await trial.live(use=good)
        account = await trial.settled()
        perfect(account)
        assert account.most_connections == 1, "its connection was gone before the new one came"
        assert account.gaps()[-1] > 450, "it had half a second to stop"
        assert "ignored stop for 0.5 s" in await trial.log("source")
        quiesced = [line for line in running.server_log().splitlines() if trial.name in line and "quiesce" in line]
        assert len(quiesced) == 1, "told once, and waited for"


async def test_a_step_that_ignores_sigterm_ends_all_the_same(running: Platform, cast: Cast) -> None:
    deaf, good = cast.use(middle="deaf"), cast.use()
    async with Trial(running, use=deaf) as trial:
        await trial.live()
        old = await trial.host(1, "middle")
        async with trial.load(lead=0.6):
            await trial.live(use=good)
        perfect(await trial.settled())
        await trial.alone(2)
        assert not old.is_running()


async def test_a_live_step_that_ignores_sigterm_ends_with_the_flow(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use(middle="deaf")) as trial:
        await trial.live()
        host = await trial.host(1, "middle")
        await trial.send(60)
        await trial.api.post(f"/flows/{trial.name}/stop")
        assert not host.is_running()
        await trial.api.post(f"/flows/{trial.name}/start")
        account = await trial.settled()
        assert (account.lost, account.doubled) == ([], [])
