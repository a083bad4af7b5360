"""The ledger, while parts are killed: hosts, workers and the server in every state of a handover, the broker in one."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ledger import perfect

from headrace.testing.ledger import Account
from headrace.testing.plane import until
from headrace.testing.platform import Platform
from headrace.testing.trap import Trap
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(120)]

State = Literal["warming", "ready", "live", "draining", "standby"]
STATES: tuple[State, ...] = ("warming", "ready", "live", "draining", "standby")
IN_HAND = 20
"""Messages a step may have had in hand when its worker died: they are done again, by the last step too."""
RATE = 40.0


def whole(account: Account) -> None:
    """Nothing lost, no message twice in the journal, never two triggers; what was in hand may be done again."""
    assert (account.lost, account.doubled) == ([], []), account
    assert account.repeats <= IN_HAND, account
    assert account.most_connections == 1, account


async def bring_to(state: State, trial: Trial, cast: Cast) -> tuple[int, int]:
    """A handover, or none, held for a second in this state; the deployment that is in it, and the one to be live."""
    good, better = cast.use(), cast.use(source="2", middle="2", sink="2")
    before = {"ready": cast.use(source="deaf"), "draining": cast.use(middle="slow")}.get(state, good)
    after = cast.use(middle="slow-start") if state == "warming" else better
    await trial.live(use=before)
    if state == "live":
        return 1, 1
    if state == "draining":
        await trial.send(80)
    await trial.draft(use=after)
    await trial.api.post(f"/flows/{trial.name}/publish")
    epoch = 2 if state in ("warming", "ready") else 1
    await trial.reaches(epoch, state)
    if state in ("draining", "standby"):
        await trial.reaches(2, "live")
    return epoch, 2


# -- hosts and workers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["host", "worker"])
async def test_killed_between_output_and_acknowledgement(running: Platform, cast: Cast, part: str) -> None:
    trapped = cast.use(middle="trapped")
    async with Trap() as trap, Trial(running, use=trapped) as trial:
        fields = {"middle": {"trap": str(trap.port), "at": "40"}}
        await trial.live(fields=fields)
        async with trial.load():
            await until(lambda: trap.caught == 1 and 40 in trial.ledger.account.arrivals, what="its output is through")
            await running.kill(await (trial.host(1, "middle") if part == "host" else trial.worker(1)))
            await until(lambda: trap.caught == 2, within=20, what="the same message is tried again")
            trap.open()
        perfect(await trial.settled())


@pytest.mark.parametrize("state", STATES)
async def test_the_worker_killed_while_its_deployment_is(running: Platform, cast: Cast, state: State) -> None:
    async with Trial(running) as trial:
        epoch, target = await bring_to(state, trial, cast)
        async with trial.load(RATE, lead=0.0):
            await running.kill(await trial.worker(epoch))
            await trial.reaches(target, "live")
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, within=20, what="events pass")
        account = await trial.settled()
        whole(account)
        if state != "draining":  # what a dead worker had in its queue is taken over: behind what is new
            assert account.overtaken == 0, account
        if state in ("warming", "ready", "standby"):
            assert account.repeats == 0, account


# -- the server ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
async def test_the_server_killed_while_a_deployment_is(running: Platform, cast: Cast, state: State) -> None:
    async with Trial(running) as trial:
        _, target = await bring_to(state, trial, cast)
        live = await trial.worker(1 if state in ("warming", "live") else target)
        async with trial.load(RATE, lead=0.0):
            await running.kill(running.part("server"))
            if state != "ready":  # then the old trigger is silent already, and nobody tells the new one to begin
                later = trial.ledger.account.sent
                await until(lambda: later in trial.ledger.account.arrivals, what="events pass without a server")
            await asyncio.to_thread(running.headrace, "up", "--no-demo")
            await trial.reaches(target, "live")
            assert live.is_running(), "adopted, not started again"
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, within=20, what="events pass")
        perfect(await trial.settled())


# -- the broker ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
async def test_the_broker_killed_while_a_deployment_is(running: Platform, cast: Cast, state: State) -> None:
    async with Trial(running) as trial:
        _, target = await bring_to(state, trial, cast)
        async with trial.load(RATE, lead=0.0):
            broker = running.part("broker")
            await running.kill(broker)
            await until(lambda: running.part("broker") != broker, within=20, what="the broker is started again")
            await trial.reaches(target, "live")
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, within=30, what="events pass")
        account = await trial.settled()
        whole(account)
        assert (account.repeats, account.overtaken) == (0, 0), account


async def test_down_and_up_in_the_middle_of_a_handover(running: Platform, cast: Cast) -> None:
    async with Trial(running) as trial:
        _, target = await bring_to("draining", trial, cast)
        async with trial.load(RATE, lead=0.0):
            await asyncio.to_thread(running.headrace, "down")
            await asyncio.to_thread(running.headrace, "up", "--no-demo")
            await trial.reaches(target, "live")
        account = await trial.settled()
        whole(account)
