"""Waiting for a deployment to be what a person wanted it to be."""

from __future__ import annotations

import time
from typing import Any

from headrace.cli.client import Client, at
from headrace.errors import Refused, Unavailable

__all__ = ["wait_live"]

LIVE_WITHIN = 180.0
PAUSE = 0.1


def wait_live(client: Client, name: str, epoch: int, *, within: float = LIVE_WITHIN) -> dict[str, Any]:
    """Wait until that deployment of the flow is live and return it.

    Raises `Refused` when it failed or was stopped or replaced, `Unavailable` when it takes too long.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        deployment = _deployment(client, name, epoch)
        state = deployment.get("state")
        if state == "live":
            return deployment
        if state == "failed":
            reason = deployment["reason"] or "no reason was given"
            raise Refused("not-live", f"{name} failed: {reason}", next_step=f"headrace logs {name}")
        flow = client.get(at("flows", name))
        if flow["wish"] == "stopped" or flow["epoch"] != epoch:
            raise Refused(
                "not-live", f"{name} was stopped or started again meanwhile", next_step=f"headrace flow show {name}"
            )
        time.sleep(PAUSE)
    raise Unavailable(
        "not-live", f"{name} is not live after {within:.0f} seconds", next_step=f"headrace flow show {name}"
    )


def _deployment(client: Client, name: str, epoch: int) -> dict[str, Any]:
    """The deployment of that epoch; empty when it is not among the newest."""
    found = client.items(at("flows", name, "deployments"), limit=5)
    return next((dict(each) for each in found if each["epoch"] == epoch), {})
