"""The ledger through hosts of Node.js: published, killed, and taking turns with hosts of Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ghosts import Count
from tests.acceptance.test_ledger import GAP_MS, perfect
from tests.acceptance.test_ledger_kills import whole

from headrace.testing.plane import until
from headrace.testing.platform import Platform, platform
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git", "node", "npm"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def hasty() -> Iterator[Platform]:
    """A platform that watches new deployments for a moment only, and so has nothing standing by."""
    with platform(environment={"HEADRACE_WATCH_FOR": "100ms", "HEADRACE_STOP_WITHIN": "1s"}) as started:
        yield started


@pytest.fixture(scope="module")
def node(hasty: Platform) -> Cast:
    return Cast(hasty, "node")


@pytest.fixture(scope="module")
def python(hasty: Platform) -> Cast:
    return Cast(hasty)


async def arrives(trial: Trial, more: int = 0) -> None:
    """Wait until the event that is sent ``more`` events from now has arrived."""
    later = trial.ledger.account.sent + more
    await until(lambda: later in trial.ledger.account.arrivals, within=20, what=f"event {later} arrives")


async def kill(trial: Trial, epoch: int, step: str) -> None:
    """Kill the host of a step, and wait until events pass again."""
    await trial.platform.kill(await trial.host(epoch, step))
    await arrives(trial)


@pytest.mark.parametrize("source", ["1", "careful"])
async def test_publishes_and_kills_lose_and_reorder_nothing_and_leave_one_of_everything(
    hasty: Platform, node: Cast, source: str
) -> None:
    first, second = node.use(source=source), node.use(source=source, middle="2", sink="2")
    async with Trial(hasty, use=first) as trial:
        count = Count(trial)
        await trial.alone(await trial.live())
        before = await count.now()
        async with trial.load(200) as account:
            for use in (second, first, second):
                epoch = await trial.live(use=use)
                await arrives(trial, 40)
            assert len(account.changes) == 3
            assert account.gaps()[-1] < GAP_MS
            await kill(trial, epoch, "source")
            await kill(trial, epoch, "middle")
        perfect(await trial.settled())
        async with trial.load(200):
            await kill(trial, epoch, "sink")
        whole(await trial.settled())
        assert account.overtaken == 0, account
        assert set(account.marks.values()) == {1, 2}
        record = await trial.record(epoch, "gap_ms", "order")
        assert (record["from_epoch"], record["order"]) == (epoch - 1, "kept")
        assert 0 < record["gap_ms"] < GAP_MS
        await trial.alone(epoch)
        assert (before["connections to the source"], before["workers"], before["hosts"]) == (1, 1, 3)
        await count.comes_back_to(before)


async def test_steps_move_from_one_language_to_the_other(hasty: Platform, node: Cast, python: Cast) -> None:
    ours, theirs = python.use(), node.use(sink="2")
    async with Trial(hasty, use=ours | {"middle": theirs["middle"]}) as trial:
        await trial.live()
        async with trial.load(200):
            for use in (theirs | {"middle": ours["middle"]}, ours, theirs):
                epoch = await trial.live(use=use)
                await arrives(trial, 40)
        account = await trial.settled()
        perfect(account)
        assert set(account.marks.values()) == {1, 2}
        assert (await trial.record(epoch, "order"))["order"] == "kept"
