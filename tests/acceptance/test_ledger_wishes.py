"""The ledger, while people wish for something else in the middle of a handover."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ledger import perfect

from headrace.testing.platform import Platform, Refusal, refused
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("state", ["warming", "switching"])
async def test_a_stop_while_it_is_moved_ends_both_and_a_start_goes_on(
    running: Platform, cast: Cast, state: str
) -> None:
    before, after = ("1", "slow-start") if state == "warming" else ("deaf", "1")
    async with Trial(running) as trial:
        await trial.live(use=cast.use(source=before if state == "switching" else "1"))
        async with trial.load(50):
            epoch = await trial.publish(use=cast.use(middle=after))
            await (trial.reaches(epoch, "warming") if state == "warming" else trial.reaches(1, "draining"))
            await trial.api.post(f"/flows/{trial.name}/stop")
            assert await trial.states() == {1: "stopped", 2: "stopped"}
            assert trial.ledger.sources == 0
            assert (await trial.api.post(f"/flows/{trial.name}/start"))["deployment"]["epoch"] == epoch
            await trial.reaches(epoch, "live")
        perfect(await trial.settled())


async def test_a_flow_suspended_while_it_drains_goes_on_where_it_was(running: Platform, cast: Cast) -> None:
    slow, other = cast.use(middle="slow"), cast.use(sink="2")
    async with Trial(running) as trial:
        await trial.live(use=slow)
        await trial.send(150)
        await trial.publish(use=other)
        await trial.reaches(1, "draining")
        await trial.api.post(f"/flows/{trial.name}/suspend")
        flow_id = (await trial.api.get(f"/flows/{trial.name}"))["id"]
        assert flow_id not in {worker.flow_id for worker in await running.workers()}
        assert len(trial.ledger.account.arrivals) < 150
        await trial.api.post(f"/flows/{trial.name}/resume")
        await trial.reaches(2, "live")
        perfect(await trial.settled())


async def test_a_publish_whose_server_is_killed_happens_whole_or_not_at_all(running: Platform, cast: Cast) -> None:
    async with Trial(running, use=cast.use()) as trial:
        await trial.live()
        async with trial.load(50):
            for number, moment in enumerate((0.0, 0.01, 0.03, 0.2)):
                await trial.draft(use=cast.use(sink=str(2 - number % 2)))
                before = await trial.states()
                publishing = asyncio.create_task(trial.api.post(f"/flows/{trial.name}/publish"))
                await asyncio.sleep(moment)
                await running.kill(running.part("server"))
                answered = (await asyncio.gather(publishing, return_exceptions=True))[0]
                await asyncio.to_thread(running.headrace, "up", "--no-demo")
                flow, after = await trial.api.get(f"/flows/{trial.name}"), await trial.states()
                if isinstance(answered, httpx.TransportError):
                    assert flow["has_draft"] == (len(after) == len(before)), (
                        "a version and its deployment, or the draft"
                    )
                else:
                    assert len(after) == len(before) + 1
                await trial.reaches(max(after), "live")
        perfect(await trial.settled())


async def test_a_flow_is_not_removed_in_a_handover(running: Platform, cast: Cast) -> None:
    slow, good = cast.use(middle="slow"), cast.use()
    async with Trial(running) as trial:
        await trial.live(use=slow)
        await trial.send(60)
        await trial.publish(use=good)
        await trial.reaches(1, "draining")
        with pytest.raises(Refusal) as caught:
            await trial.api("DELETE", f"/flows/{trial.name}", purge="true")
        assert refused(caught.value) == "flow-running"
        perfect(await trial.settled())


async def test_a_version_whose_component_version_is_gone_is_not_rolled_back_to(running: Platform, cast: Cast) -> None:
    gone = running.push("spare", MINIMAL)
    kept = running.push("spare", MINIMAL | {"work.py": "def process(msg):\n    return dict(msg.body)\n"})
    async with Trial(running) as trial:
        document = {"middle": {"action": "spare/work"}}
        use = cast.use()
        await trial.live(use=use | {"middle": gone}, more=document)
        second = await trial.live(use=use | {"middle": kept}, more=document)
        with pytest.raises(Refusal) as caught:
            await trial.api("DELETE", f"/components/spare/versions/{gone}")
        assert refused(caught.value) == "in-use", "it stands by"
        await trial.api.post(f"/flows/{trial.name}/stop")
        await trial.api.post(f"/flows/{trial.name}/start")
        await trial.alone(second)
        await trial.api("DELETE", f"/components/spare/versions/{gone}")
        with pytest.raises(Refusal) as caught:
            await trial.api.post(f"/flows/{trial.name}/rollback")
        assert refused(caught.value) == "flow-document"
        assert f"has no revision {gone}" in caught.value.problem["detail"]
        await trial.send(5)
        perfect(await trial.settled())
        assert (await trial.states())[second] == "live"


MINIMAL: dict[str, Any] = {
    "component.json": '{"title": "Spare", "actions": {"work": {"title": "Work", "main": "work.py"}}}',
    "work.py": "def process(msg):\n    return msg.body\n",
}
