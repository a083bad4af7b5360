"""A flow on trial: a ledger at both ends of it, on a running platform, while it is published and accidents happen.

    ledger ──▶ source ──▶ middle ──▶ … ──▶ sink ──▶ ledger
              (listener)  actions that pass on       with the number, the age, the mark of the code, the message's id

`load` sends numbered events all the while; `Trial.settled` waits for the last of them and gives the account of each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Self

import httpx
import psutil

from headrace import sandbox
from headrace.testing.ledger import Account, Ledger
from headrace.testing.plane import until
from headrace.testing.platform import Api, Platform, Refusal

__all__ = ["BODY", "Trial", "chain"]

LIVE_WITHIN = 60.0
BODY = '{"n": body.n, "sent": body.sent}'
"""A mapper as most edges have one."""

_numbers = itertools.count(1)


def chain(
    name: str,
    ledger: Ledger,
    *,
    hosts: int = 3,
    mappers: int | None = None,
    use: Mapping[str, Any] | None = None,
    fields: Mapping[str, Mapping[str, Any]] | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    webhook: bool = False,
    leak_guard: str = "warn",
) -> dict[str, Any]:
    """A document of ``hosts`` steps in a row: ``source``, ``middle``, ``middle2``, …, ``sink``.

    There are ``mappers`` between them, from the first edge on; `None`: on every edge.
    ``use`` names component versions, by step; ``fields`` and ``more`` are further fields, and further keys, of a step.
    ``webhook``: it starts with the library's webhook instead of the ledger's source.
    """
    if webhook:
        steps: list[dict[str, Any]] = [{"id": "source", "trigger": "webhook/receive", "fields": {}}]
    else:
        port = {"port": str(ledger.source_port)}
        steps = [{"id": "source", "trigger": "ledger-source/events", "fields": port}]
    for number in range(1, hosts - 1):
        steps.append({"id": f"middle{number if number > 1 else ''}", "action": "shape/pass", "fields": {}})
    steps.append({"id": "sink", "action": "ledger-sink/arrived", "fields": {"port": str(ledger.sink_port)}})
    for number, (before, step) in enumerate(pairwise(steps)):
        step["after"] = before["id"]
        if mappers is None or number < mappers:
            step["input"] = BODY.replace("body.", "body.body.") if webhook and number == 0 else BODY
    for step in steps:
        named = step["id"]
        step["fields"] |= (fields or {}).get(named, {})
        if use and named in use:
            step["version"] = use[named]
        step.update((more or {}).get(named, {}))
    return {"flow": name, "type": "real-time", "leak_guard": leak_guard, "steps": steps}


class Trial:
    """One flow. Use as an async context manager, which removes the flow afterwards."""

    def __init__(self, platform: Platform, *, name: str = "", **shape: Any) -> None:
        self.platform = platform
        self.name = name or f"trial-{next(_numbers)}"
        self.ledger = Ledger()
        self.api = Api(platform)
        self._shape = shape
        self._load: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        await self.ledger.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        try:
            await self._end_load()
            if not any(failure):
                await self.remove()
        finally:
            await self.ledger.__aexit__()
            await self.api.__aexit__()

    async def remove(self) -> None:
        """Stop the flow and remove it with all it has."""
        try:
            await self.api.post(f"/flows/{self.name}/stop", {"purge": True})
            await self.api("DELETE", f"/flows/{self.name}", purge="true")
        except Refusal as error:
            if error.problem.get("status") != 404:
                raise

    # -- what a person does ---------------------------------------------------------------------------------

    async def draft(self, **shape: Any) -> None:
        """Save a draft: the trial's flow with these differences (see `chain`)."""
        document = chain(self.name, self.ledger, **(self._shape | shape))
        await self.api.put(f"/flows/{self.name}/draft", {"document": json.dumps(document)})

    async def publish(self, how: Mapping[str, Any] | None = None, **shape: Any) -> int:
        """Publish a draft with these differences (see `chain`), and start the flow; the epoch of its deployment."""
        await self.draft(**shape)
        answer = await self.api.post(f"/flows/{self.name}/publish", {"start": True, **(how or {})})
        return int(answer["deployment"]["epoch"])

    async def live(self, how: Mapping[str, Any] | None = None, **shape: Any) -> int:
        """Publish and wait until that deployment is live; its epoch."""
        epoch = await self.publish(how, **shape)
        await self.reaches(epoch, "live")
        return epoch

    # -- what is seen ---------------------------------------------------------------------------------------

    async def deployments(self) -> dict[int, dict[str, Any]]:
        """All deployments by epoch."""
        page = await self.api.get(f"/flows/{self.name}/deployments", limit=1000)
        return {each["epoch"]: each for each in page["items"]}

    async def states(self) -> dict[int, str]:
        """The state of each deployment."""
        return {epoch: each["state"] for epoch, each in sorted((await self.deployments()).items())}

    async def reaches(self, epoch: int, *states: str, within: float = LIVE_WITHIN) -> dict[str, Any]:
        """The deployment as soon as it is in one of these states; `AssertionError` when that takes too long.

        A server that is away is waited for.
        """
        deadline = time.monotonic() + within
        seen: dict[int, dict[str, Any]] = {}
        while time.monotonic() < deadline:
            try:
                seen = await self.deployments()
            except (httpx.TransportError, OSError, ValueError):
                seen = {}
            if epoch in seen and seen[epoch]["state"] in states:
                return seen[epoch]
            await asyncio.sleep(0.02)
        told = {epoch: (each["state"], each["reason"]) for epoch, each in seen.items()}
        log = "\n".join(self.platform.server_log().splitlines()[-30:])
        raise AssertionError(f"deployment {epoch} is not {' or '.join(states)} within {within:g} s: {told}\n{log}")

    async def alone(self, epoch: int, within: float = 30.0) -> None:
        """Return when this deployment is live and no other one is left over."""

        async def ended() -> bool:
            rest = [state for each, state in (await self.states()).items() if each != epoch]
            return set(rest) <= {"stopped", "failed"}

        await self.reaches(epoch, "live")
        await until(ended, within=within, what=f"all but {epoch} have ended")

    async def record(self, epoch: int, *keys: str) -> dict[str, Any]:
        """What is kept of a deployment's handover, as soon as these keys of it are known."""

        async def known() -> dict[str, Any] | None:
            record: dict[str, Any] | None = (await self.deployments())[epoch]["handover"]
            return record if record and all(record[key] is not None for key in keys) else None

        found = await until(known, within=20, what=f"{keys} of the handover to {epoch} are recorded")
        assert isinstance(found, dict)
        return found

    async def errors(self, count: int) -> list[dict[str, Any]]:
        """The flow's open errors, as soon as there are so many."""

        async def there() -> list[dict[str, Any]] | None:
            page = await self.api.get("/errors", flow=self.name, state="open", limit=1000)
            return page["items"] if len(page["items"]) >= count else None

        found = await until(there, within=20, what=f"{count} errors")
        assert isinstance(found, list)
        return found

    async def retry_errors(self) -> int:
        """Run every open error again, until none is left; how many that was."""
        count = 0
        while True:
            open_ = (await self.api.get("/errors", flow=self.name, state="open", limit=1))["items"]
            if not open_:
                return count
            count += len((await self.api.post("/errors/retry", {"flow": self.name}))["retried"])

    async def kept(self, epoch: int) -> dict[str, Any]:
        """The deployment with what is kept of its failure, as soon as it has no worker any more."""

        async def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.api.get(f"/flows/{self.name}/deployments/{epoch}")
            return found if found["worker_pid"] is None else None

        found = await until(ended, within=20, what=f"the worker of {epoch} has ended")
        assert isinstance(found, dict)
        return found

    async def worker(self, epoch: int) -> psutil.Process:
        """The worker of a deployment, as the runtime knows it, as soon as it runs."""
        flow_id = str((await self.api.get(f"/flows/{self.name}"))["id"])

        async def running() -> int:
            found = [each for each in await self.platform.workers() if (each.flow_id, each.epoch) == (flow_id, epoch)]
            return found[0].ref.pid if found else 0

        return psutil.Process(await until(running, within=20, what=f"deployment {epoch} has a worker"))

    async def host(self, epoch: int, step: str) -> psutil.Process:
        """The process with the component code of a step."""

        async def running() -> psutil.Process | None:
            steps = (await self.deployments())[epoch]["steps"]
            family = [sandbox.family(each["pid"]) for each in steps if each["id"] == step and each["pid"]]
            return family[0][0] if family and family[0] else None

        found = await until(running, within=20, what=f"step {step} of deployment {epoch} has a host")
        assert isinstance(found, psutil.Process)
        return found

    async def log(self, step: str) -> str:
        """What was logged for a step, one line after another."""
        return await asyncio.to_thread(self.platform.headrace, "logs", self.name, step, "--tail", "1000")

    # -- events ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def load(self, rate: float = 100.0, *, lead: float = 0.3) -> AsyncIterator[Account]:
        """Send ``rate`` events a second from ``lead`` seconds before the block until as long behind it."""
        assert self._load is None, "there is a load already"
        await asyncio.wait_for(self.ledger.connected.wait(), 30)
        self._load = asyncio.create_task(self.ledger.at_rate(rate, 3600))
        await asyncio.sleep(lead)
        try:
            yield self.ledger.account
            await asyncio.sleep(lead)
        finally:
            await self._end_load()

    async def _end_load(self) -> None:
        task, self._load = self._load, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def send(self, count: int) -> None:
        """Send so many events at once and return when the source has accepted them."""
        await asyncio.wait_for(self.ledger.connected.wait(), 30)
        account = self.ledger.account
        wanted = account.sent + count
        for _ in range(count):
            self.ledger.send()
        await until(lambda: set(range(wanted)) <= account.acknowledged, within=20, what=f"{wanted} accepted: {account}")

    async def request(self) -> int:
        """Send the next event to the flow's webhook; the status of the answer."""
        event = self.ledger.next_event()
        status = (await self.api.hook(self.name, event)).status_code
        if status == 202:
            self.ledger.accepted(event["n"])
        return status

    async def settled(self, within: float = 30.0) -> Account:
        """The account when everything sent has arrived; `AssertionError` with the account when something does not."""
        assert await self.ledger.all_arrived(within), await self._missing()
        account = self.ledger.account
        assert not account.lost, account
        return account

    async def _missing(self) -> str:
        account = self.ledger.account
        missing = sorted(set(range(account.sent)) - account.arrivals.keys())
        log = "\n".join(self.platform.server_log().splitlines()[-40:])
        return f"{account}; {len(missing)} missing: {missing[:5]} … {missing[-5:]}; {await self.states()}\n{log}"
