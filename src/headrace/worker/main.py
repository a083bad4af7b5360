"""Entry of a worker process: ``run(flow_id, epoch, bus)`` blocks until the deployment is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.secrets import Secrets
from headrace.errors import NotFound
from headrace.flows.deployment import DeploymentSpec
from headrace.keyring import Keyring
from headrace.worker.worker import Worker

__all__ = ["run"]


def run(flow_id: str, epoch: int, bus: dict[str, Any]) -> None:
    """Run deployment ``epoch`` of a flow. ``bus`` holds ``url``, ``user`` and ``password``, and
    in ``keys`` the path of the file with the platform's keys.

    SIGTERM stops gracefully. `NotFound` (``no-deployment``) when the bus does not know the deployment.
    """
    logging.basicConfig(level=logging.WARNING)
    uvloop.run(_run(flow_id, epoch, bus))


async def _run(flow_id: str, epoch: int, bus: dict[str, Any]) -> None:
    name = f"worker {flow_id}.{epoch}"
    async with await Bus.connect(bus["url"], bus.get("user", ""), bus.get("password", ""), name=name) as connection:
        stored = await Bucket(connection, subjects.DEPLOYMENTS).get(f"{flow_id}.{epoch}")
        if stored is None or stored.data is None:
            raise NotFound("no-deployment", f"the bus knows no deployment {epoch} of flow {flow_id}")
        secrets = Secrets(connection, Keyring(Path(bus["keys"])))
        worker = Worker(connection, msgspec.json.decode(stored.data, type=DeploymentSpec), secrets)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.run()
