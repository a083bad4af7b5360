"""What a publish costs a live flow: ``headrace bench --redeploy``.

A listener at 200 events a second, published again and again with alternating component versions; the same with a
webhook at 200 requests a second, and with a thousand messages waiting at the switch. Everything by ``handover`` and,
beside it, by ``restart``. Every number is followed by a ledger; figures are medians over the runs, of what must not
happen the worst.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from headrace.testing.ledger import Account, percentile
from headrace.testing.measure import medians
from headrace.testing.platform import Platform
from headrace.testing.requests import Requests
from headrace.testing.trial import Trial
from headrace.testing.versions import FOLDERS, good

__all__ = ["SIZES", "Revisions", "failed", "figures", "measure", "show"]

STRATEGIES = ("handover", "restart")
NONE = "no publish"
SIZES = {3: (2, 1), 5: (3, 2), 10: (6, 4), 25: (13, 12)}
"""Steps, as plans count them: hosts and mappers."""
RATE = 200.0
EVERY = 3.0
"""Seconds between publishes."""
WEBHOOK_PUBLISHES = 20
WEBHOOK_EVERY = 1.5
BACKLOG = 1_000
PACE = 2
"""Milliseconds the last step takes for a message where a backlog is wanted."""
WORST = ("lost", "repeats", "doubled", "overtaken", "refused")
LIVE_WITHIN = 120.0
Row = dict[str, float]
Columns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions of both good versions, by step."""

    by_number: Mapping[int, Mapping[str, int]]

    def use(self, number: int, hosts: int, *, webhook: bool = False) -> dict[str, int]:
        """For `headrace.testing.trial.chain`: every step on version ``number``."""
        of = self.by_number[number]
        middles = {f"middle{each if each > 1 else ''}": of["middle"] for each in range(1, hosts - 1)}
        return ({} if webhook else {"source": of["source"]}) | middles | {"sink": of["sink"]}


async def measure(running: Platform, runs: int, seconds: float, console: Console) -> dict[str, Any]:
    """All measurements, as JSON. ``seconds`` is how long each run of the listener is published to."""
    revisions = await asyncio.to_thread(_push, running)
    result: dict[str, Any] = {"rate": RATE, "every": EVERY, "listener": []}
    for steps, (hosts, _) in SIZES.items():
        cases = [
            Case({"steps": steps, "hosts": hosts, "strategy": each}, partial(_listener, steps, each, seconds))
            for each in STRATEGIES
        ]
        result["listener"] += await _turns(running, revisions, runs, cases, console)
    cases = [Case({"strategy": each}, partial(_webhook, each)) for each in STRATEGIES]
    result["webhook"] = await _turns(running, revisions, runs, cases, console)
    cases = [Case({"strategy": each}, partial(_backlog, each)) for each in (*STRATEGIES, NONE)]
    result["backlog"] = await _turns(running, revisions, runs, cases, console)
    return result


def failed(result: Mapping[str, Any]) -> bool:
    """Whether a handover did to an event what it must not."""
    rows = [*result["listener"], *result["webhook"], *result["backlog"]]
    return any(row[key] for row in rows if row["strategy"] == "handover" for key in WORST if key in row)


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: its labels, and how one run of it is made."""

    labels: Mapping[str, Any]
    once: partial[Coroutine[Any, Any, Row]]


async def _turns(
    running: Platform, revisions: Revisions, runs: int, cases: Sequence[Case], console: Console
) -> list[dict[str, Any]]:
    """The cases take turns, so that a machine that changes its speed changes it for all."""
    rows: list[list[Row]] = [[] for _ in cases]
    for number in range(runs):
        for case, found in zip(cases, rows, strict=True):
            told = f"{case.once.func.__name__.strip('_')}, {', '.join(map(str, case.labels.values()))}"
            console.print(f"{told}, run {number + 1} of {runs} …")
            found.append(await case.once(running, revisions))
    return [{**case.labels, **medians(found, worst=WORST)} for case, found in zip(cases, rows, strict=True)]


def _push(running: Platform) -> Revisions:
    return Revisions(
        {number: {step: running.push(FOLDERS[step], good(step, number)) for step in FOLDERS} for number in (1, 2)}
    )


# -- one run of each ----------------------------------------------------------------------------------------------


async def _listener(steps: int, strategy: str, seconds: float, running: Platform, revisions: Revisions) -> Row:
    hosts, mappers = SIZES[steps]
    async with Trial(running, hosts=hosts, mappers=mappers) as trial:
        await trial.live(use=revisions.use(1, hosts))
        published = Published(trial, strategy)
        async with trial.load(RATE, lead=1.0):
            number = 1
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                number = 3 - number
                await published.again(use=revisions.use(number, hosts))
        await trial.ledger.all_arrived()
        account = trial.ledger.account
        return published.row() | figures(account)


async def _webhook(strategy: str, running: Platform, revisions: Revisions) -> Row:
    hosts, number = 3, 1
    async with Trial(running, webhook=True) as trial:
        await trial.live(use=revisions.use(1, hosts, webhook=True))
        requests = Requests(running, trial.name, trial.ledger)
        sending = asyncio.create_task(requests.at_rate(RATE, 3600))
        published = Published(trial, strategy, every=WEBHOOK_EVERY)
        try:
            for _ in range(WEBHOOK_PUBLISHES):
                number = 3 - number
                await published.again(use=revisions.use(number, hosts, webhook=True))
        finally:
            sending.cancel()
            await asyncio.wait([sending])
        await trial.ledger.all_arrived()
        account = trial.ledger.account
        latencies = sorted(requests.latencies)
        ordered = _events(account)
        del ordered["overtaken"]  # requests on several connections have no order
        return (
            published.row()
            | ordered
            | _delays(account)
            | {
                "answered": requests.statuses[202],
                "refused": requests.statuses.total() - requests.statuses[202],
                "answer_p50_ms": percentile(latencies, 0.5),
                "answer_max_ms": latencies[-1],
            }
        )


async def _backlog(strategy: str, running: Platform, revisions: Revisions) -> Row:
    """A thousand messages wait for a slow last step when the switch comes, if any."""
    async with Trial(running, fields={"sink": {"pace": str(PACE)}}) as trial:
        await trial.live(use=revisions.use(1, 3))
        published = Published(trial, strategy, every=0.0)
        await trial.send(BACKLOG)
        async with trial.load(RATE, lead=0.0):
            if strategy != NONE:
                await published.again(use=revisions.use(2, 3))
            await asyncio.sleep(3.0)
        await trial.ledger.all_arrived()
        account = trial.ledger.account
        late = account.ages(since=BACKLOG)
        row = published.row() | _events(account) | _gaps(account.gaps())
        return row | {"age_p50_ms": percentile(late, 0.5), "age_max_ms": late[-1]}


class Published:
    """Publishes of one run, and what the deployments say of them."""

    def __init__(self, trial: Trial, strategy: str, *, every: float = EVERY) -> None:
        self._trial = trial
        self._strategy = strategy
        self._every = every
        self._took: list[float] = []
        self._ready: list[float] = []

    async def again(self, **shape: Any) -> None:
        """Publish, wait until it is live, and then for the rest of the interval."""
        began = time.monotonic()
        epoch = await self._trial.publish({"strategy": self._strategy}, **shape)
        deployment = await self._trial.reaches(epoch, "live", within=LIVE_WITHIN)
        self._took.append((time.monotonic() - began) * 1000)
        self._ready.append(float(deployment["ready_ms"] or 0))
        await asyncio.sleep(max(0.0, self._every - (time.monotonic() - began)))

    def row(self) -> Row:
        """How many, and the medians of publish to live and of warm-up, in milliseconds."""
        return {
            "publishes": len(self._took),
            "live_ms": percentile(sorted(self._took), 0.5),
            "warm_up_ms": percentile(sorted(self._ready), 0.5),
        }


# -- figures ------------------------------------------------------------------------------------------------------


def figures(account: Account) -> Row:
    """What became of the events, how late they were, and for how long nobody took them from the source."""
    return _events(account) | _delays(account) | _gaps(account.gaps())


def _events(account: Account) -> Row:
    return {
        "events": account.sent,
        "lost": account.sent - len(account.arrivals),
        "repeats": account.repeats,
        "doubled": len(account.doubled),
        "overtaken": account.overtaken,
        "resent": account.resent,
    }


def _delays(account: Account) -> Row:
    """``added`` is beyond the median: what an event lost by the switches, and by everything else on the machine."""
    ages = account.ages()
    middle = percentile(ages, 0.5)
    return {
        "age_p50_ms": middle,
        "age_p99_ms": percentile(ages, 0.99),
        "added_max_ms": (ages[-1] if ages else 0.0) - middle,
    }


def _gaps(gaps: Sequence[float]) -> Row:
    ordered = list(gaps)
    return {
        "gap_p50_ms": percentile(ordered, 0.5),
        "gap_p99_ms": percentile(ordered, 0.99),
        "gap_max_ms": ordered[-1] if ordered else 0.0,
    }


# -- tables -------------------------------------------------------------------------------------------------------


def show(result: Mapping[str, Any], console: Console) -> None:
    """The tables."""
    listener: Columns = (
        "steps",
        "hosts",
        "gap_p50_ms",
        "gap_p99_ms",
        "added_max_ms",
        "age_p50_ms",
        "warm_up_ms",
        "live_ms",
    )
    listener += ("publishes", "events", "lost", "repeats", "overtaken", "resent")
    _print(console, f"Listener at {RATE:.0f}/s, published every {EVERY:g} s", listener, result["listener"])
    webhook: Columns = ("answer_p50_ms", "answer_max_ms", "age_p50_ms", "added_max_ms", "warm_up_ms")
    webhook += ("publishes", "answered", "refused", "lost", "repeats", "doubled")
    _print(console, f"Webhook at {RATE:.0f} requests/s", webhook, result["webhook"])
    backlog: Columns = ("gap_max_ms", "age_p50_ms", "age_max_ms", "live_ms", "events", "lost", "repeats", "overtaken")
    _print(console, f"{BACKLOG:,} messages waiting at the switch", backlog, result["backlog"])


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=title)
    for column in ("strategy", *columns):
        table.add_column(re.sub("_ms$", " ms", column).replace("_", " "), justify="right")
    for row in rows:
        figures = (f"{row[key]:.1f}" if key.endswith("_ms") else f"{row[key]:.0f}" for key in columns)
        table.add_row(row["strategy"], *figures)
    console.print(table)
