"""Watching a deployment until it is live or has failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from headrace.cli.client import Client, at
from headrace.cli.hints import Hints
from headrace.cli.progress import WAS_LIVE, Line, building_lines, lines
from headrace.errors import Refused, Unavailable

__all__ = ["FailedDeployment", "builds", "follow"]

Answer = TypeVar("Answer")
Show = Callable[[Iterable[Line]], None]

LOOK_EVERY = 0.5
AWAY = 60.0
"""Seconds for which the server may be away: a deployment goes on meanwhile, and the next server sees to it."""
RECORDED = 2.0
"""Seconds a switch has to be measured and written down."""


class FailedDeployment(Refused):
    """It did not get live. ``log`` are the last lines of ``step``, or of all steps."""

    log: tuple[str, ...] = ()
    step: str | None = None


def builds(client: Client, name: str, show: Show) -> None:
    """Wait for builds under way that a publish would want; `Refused` (``build-failed``) when one of them fails."""
    seen: dict[str, int] = {}
    while True:
        plan = client.get(at("flows", name, "plan"))
        for each in plan["building"]:
            seen[each["component"]] = max(each["revision"], seen.get(each["component"], 0))
        if not plan["building"]:
            break
        show(building_lines(plan))
        time.sleep(LOOK_EVERY)
    for component, revision in seen.items():
        built = client.get(at("components", component, "versions", revision))
        if built["state"] == "failed":
            raise Refused(
                "build-failed",
                f"{component} revision {revision} failed to build: {built['reason']}",
                next_step=f"headrace component log {component} {revision}; --now publishes without it",
            )


def follow(client: Client, name: str, epoch: int, replaces: int | None, show: Show) -> dict[str, Any]:
    """Show how far the deployment is until it is live; the deployment as the API shows it.

    Returns early for a flow that is suspended, which runs it when it is resumed. Raises `FailedDeployment`
    (``not-live``) when it failed, was stopped or was superseded, and `Unavailable` when the server stays away.
    """
    with Hints(client) as hints:
        while True:
            new, old = _patiently(lambda: _pair(client, name, epoch, replaces))
            show(lines(new, old))
            if new["state"] in WAS_LIVE and new["live_at"]:
                return _measured(client, name, new, replaces)
            if new["state"] in ("failed", "stopped"):
                raise _failed(name, new, old)
            if _patiently(lambda: client.get(at("flows", name))["wish"]) == "suspended":
                return new
            hints.wait(LOOK_EVERY)


def _pair(client: Client, name: str, epoch: int, replaces: int | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    new = client.get(at("flows", name, "deployments", epoch))
    return new, None if replaces is None else client.get(at("flows", name, "deployments", replaces))


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """The answer, also of a server that is restarted meanwhile."""
    deadline = time.monotonic() + AWAY
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK_EVERY)


def _measured(client: Client, name: str, new: dict[str, Any], replaces: int | None) -> dict[str, Any]:
    """The deployment, once it is written down what its switch was like."""
    deadline = time.monotonic() + RECORDED
    path = at("flows", name, "deployments", new["epoch"])
    while replaces is not None and new["strategy"] != "restart" and (new["handover"] or {}).get("gap_ms") is None:
        if time.monotonic() >= deadline or new["state"] not in WAS_LIVE:
            break
        time.sleep(0.1)
        new = _patiently(lambda: client.get(path))
    return new


def _failed(name: str, new: dict[str, Any], old: dict[str, Any] | None) -> FailedDeployment:
    runs_on = f"; deployment {old['epoch']} runs on" if old is not None and old["state"] == "live" else ""
    if new["state"] == "failed":
        told = f"{name} failed: {new['reason'] or 'no reason was given'}{runs_on}"
    elif new["cancelled_by"]:
        told = f"deployment {new['epoch']} of {name} was cancelled by {new['cancelled_by']}{runs_on}"
    else:
        told = f"deployment {new['epoch']} of {name} was superseded or stopped before it was live{runs_on}"
    failure = FailedDeployment("not-live", told, next_step=f"headrace flow deployment {name} {new['epoch']}")
    failure.log, failure.step = tuple(new["log"]), new["failed_step"]
    return failure
