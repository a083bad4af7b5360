"""Publishing, rolling back, editing and following by the real command, with real components and real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.headrace import Headrace, running, until

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(300)]

GOOD = """
async def process(ctx, msg, cfg, snapshot):
    return {{"code": {code}}}
"""
FAILS = """
import sys
async def init(ctx, cfg):
    print("looking for the warehouse", flush=True)
    raise RuntimeError("there is no [warehouse]")
"""
SLOW = """
import asyncio
async def init(ctx, cfg):
    await asyncio.sleep(25)
"""
FLOW = """
flow: {name}
redeploy: {redeploy}
steps:
  - {{id: hook, trigger: webhook/receive}}
  - {{id: work, after: hook, action: {component}/work, input: '{{"n": body.n}}'}}
"""


@pytest.fixture(scope="module")
def headrace() -> Iterator[Headrace]:
    place = tempfile.TemporaryDirectory(prefix="headrace-acceptance-")
    with place as folder, running(Path(folder), "--no-demo") as started:
        yield started


def push(headrace: Headrace, name: str, code: int, more: str = "") -> int:
    """A new revision of the component, built; its number."""
    with tempfile.TemporaryDirectory() as folder:
        action = {"title": "Work", "main": "work.py"}
        (Path(folder) / "component.json").write_text(json.dumps({"title": name, "actions": {"work": action}}))
        (Path(folder) / "work.py").write_text(GOOD.format(code=code) + more)
        pushed = headrace.json("component", "push", folder, "--name", name, "-m", f"Work with {code}")
    return int(pushed["revision"])


def flow(headrace: Headrace, folder: Path, name: str, component: str, redeploy: str = "manual") -> None:
    """A flow of that name, live."""
    headrace.publish(FLOW.format(name=name, component=component, redeploy=redeploy), folder)


def answers(headrace: Headrace, name: str) -> int:
    """Which code the flow's step runs: what it made of an event."""
    execution = headrace.hook(name, {"n": 1}).json()["execution"]

    def done() -> bool:
        shown = headrace.try_("execution", "show", execution, "--json")
        return shown.returncode == 0 and json.loads(shown.stdout)["state"] == "done"

    until(done, what=f"{name} processed an event")
    shown = headrace.json("flow", "show", name)
    return int(shown["deployment"]["components"]["work"]["revision"])


def deployments(headrace: Headrace, name: str) -> list[tuple[int, int, str, str]]:
    """Epoch, version, state and cause, newest first."""
    found = headrace.json("flow", "deployments", name)
    return [(each["epoch"], each["version"], each["state"], each["cause"]) for each in found]


def test_a_push_shows_as_outdated_and_a_publish_moves_to_it(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "first", 1)
    flow(headrace, tmp_path, "orders", "first")
    assert answers(headrace, "orders") == 1
    push(headrace, "first", 2)
    [behind] = headrace.json("flow", "outdated")
    assert [(each["running"], each["moves_to"]) for each in behind["outdated"]] == [(1, 2)]
    assert "Work with 2" in headrace("flow", "show", "orders")
    assert "first 1 → 2" in headrace("flow", "publish", "orders", "--plan")
    assert answers(headrace, "orders") == 1, "neither a push nor a plan changes what runs"
    done = headrace.try_("flow", "publish", "orders", "-m", "faster")
    assert done.returncode == 0, done.stderr
    assert "work: took over" in done.stderr
    assert "orders is live" in done.stdout and "without a gap" in done.stdout
    assert answers(headrace, "orders") == 2
    assert headrace.json("flow", "outdated") == []
    newest = headrace.json("flow", "deployments", "orders")[0]
    assert (newest["note"], newest["handover"]["from_epoch"], newest["handover"]["gap_ms"]) == ("faster", 1, 0)
    assert headrace.try_("flow", "publish", "orders").returncode == 1, "nothing moved"
    refused = headrace.try_("component", "remove", "first", "2", "--yes")
    assert refused.returncode == 1
    assert "in-use" in refused.stderr and "orders" in refused.stderr


def test_code_that_fails_leaves_the_old_running_and_says_why(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "fragile", 1)
    flow(headrace, tmp_path, "guarded", "fragile")
    push(headrace, "fragile", 2, FAILS)
    failed = headrace.try_("flow", "publish", "guarded")
    assert failed.returncode == 1
    for part in ("there is no [warehouse]", "looking for the warehouse", "deployment 1 runs on", "work: failed"):
        assert part in failed.stderr, failed.stderr
    assert answers(headrace, "guarded") == 1
    assert "looking for the warehouse" in headrace("flow", "deployment", "guarded", "2")
    rolled = headrace.try_("component", "rollout", "fragile")
    assert rolled.returncode == 1
    assert "there is no [warehouse]" in rolled.stderr
    push(headrace, "fragile", 3)
    assert "1 flow moved" in headrace("component", "rollout", "fragile", "-m", "mended")
    assert answers(headrace, "guarded") == 3
    assert [state for _, _, state, _ in deployments(headrace, "guarded")][1:3] == ["failed", "failed"]


def test_an_edit_is_compared_published_and_rolled_back(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "edited", 1)
    flow(headrace, tmp_path, "notes", "edited")
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nsed -i \'s/body.n}/body.n, "more": true}/\' "$1"\n')
    script.chmod(0o755)
    os.environ["VISUAL"] = str(script)
    try:
        assert "Saved the draft of notes" in headrace("flow", "edit", "notes")
    finally:
        del os.environ["VISUAL"]
    assert "~ step work: input" in headrace("flow", "diff", "notes")
    headrace("flow", "publish", "notes", "-m", "more")
    assert headrace("flow", "diff", "notes", "running", "newest").endswith("no difference\n")
    headrace("flow", "rollback", "notes", "-m", "less again")
    assert deployments(headrace, "notes")[0] == (3, 1, "live", "rollback")
    headrace("flow", "stop", "notes")
    headrace("flow", "start", "notes")
    shown = headrace.json("flow", "show", "notes")
    assert (shown["version"], shown["deployment"]["version"]) == (2, 1), "it goes on with what it was rolled back to"


def test_a_suspended_flow_takes_events_and_works_them_off_when_resumed(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "patient", 1)
    flow(headrace, tmp_path, "queue", "patient")
    headrace("flow", "suspend", "queue")
    executions = [headrace.hook("queue", {"n": number}) for number in range(3)]
    assert [each.status_code for each in executions] == [202] * 3
    assert "3 messages in its queue" in headrace("flow", "suspend", "queue")
    assert "suspended" in headrace("flow", "list")
    headrace("flow", "resume", "queue")
    until(lambda: _done(headrace, "queue") == 3, what="what waited is done")
    headrace("flow", "suspend", "queue")
    headrace.hook("queue", {"n": 4})
    assert "Threw 1 message away." in headrace("flow", "stop", "queue", "--purge", "--yes")


def _done(headrace: Headrace, name: str) -> int:
    return sum(each["state"] == "done" for each in headrace.json("executions", "--flow", name))


def test_a_flow_that_follows_its_components_moves_by_itself(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "moving", 1)
    flow(headrace, tmp_path, "follower", "moving", "on-push")
    push(headrace, "moving", 2)
    until(lambda: deployments(headrace, "follower")[0] == (2, 1, "live", "on-push"), what="it followed")
    assert answers(headrace, "follower") == 2
    push(headrace, "moving", 3, FAILS)
    until(lambda: deployments(headrace, "follower")[0] == (3, 1, "failed", "on-push"), what="it tried")
    assert answers(headrace, "follower") == 2


def test_an_interrupted_publish_goes_on_and_a_second_one_supersedes_it(headrace: Headrace, tmp_path: Path) -> None:
    push(headrace, "slow", 1)
    flow(headrace, tmp_path, "busy", "slow")
    push(headrace, "slow", 2, SLOW)
    with subprocess.Popen(
        [sys.executable, "-m", "headrace.cli", "flow", "publish", "busy"],
        env=os.environ | {"HEADRACE_DATA": str(headrace.data)},
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stderr is not None
        assert any("work: starting" in line for line in first.stderr)
        first.send_signal(signal.SIGINT)
        said = first.stderr.read()
        assert (first.wait(20), "It goes on without you" in said) == (130, True), said
    assert deployments(headrace, "busy")[0][:3] == (2, 1, "warming")

    push(headrace, "slow", 3)
    assert "Deployment 3 is on its way" in headrace("flow", "publish", "busy", "--detach")
    headrace.live("busy", revision=3)
    ended = [(3, 1, "live", "publish"), (2, 1, "stopped", "publish")]
    until(lambda: deployments(headrace, "busy")[:2] == ended, what="one of them runs")
    assert answers(headrace, "busy") == 3
