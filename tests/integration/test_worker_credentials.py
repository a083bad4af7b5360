"""A step's credential on a real broker with real hosts: given with each call, followed, written back, never logged."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.bus.secrets import Secret, merged
from headrace.flows.deployment import DeploymentSpec, Grants, StepSpec
from headrace.testing.plane import Plane, RunningWorker, until

ID = "cred1"
SHOW = "async def process(ctx, msg, cfg):\n    return {k: cfg.get(k) for k in ('user', 'token', 'shelf', '_account')}\n"
TELL = (
    "import uuid\nLIFE = uuid.uuid4().hex\n"
    "async def process(ctx, msg, cfg):\n    return {'token': cfg.get('token'), 'life': LIFE}\n"
)
INIT = TELL + "first = {}\nasync def init(ctx, cfg):\n    first.update(cfg)\n"


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        await running.secrets.create(ID, {"user": "ada", "token": "first-token-1"})
        yield running


def step(plane: Plane, name: str, source: str, **options: Any) -> StepSpec:
    code = plane.component(name, {f"{name}.py": source})
    options = {"kind": "action", "credential": ID} | options
    return StepSpec(id=name, function=name, main=f"{name}.py", code=code, **options)


def hook(plane: Plane) -> StepSpec:
    return step(
        plane,
        "hook",
        "async def process(msg):\n    return msg.body\n",
        kind="trigger",
        trigger_type="webhook",
        credential="",
    )


async def arrived(plane: Plane, spec: DeploymentSpec, name: str, count: int) -> list[Any]:
    async def enough() -> list[Any] | None:
        bodies = await plane.bodies(spec, name)
        return bodies if len(bodies) >= count else None

    found: list[Any] = await until(enough, within=20, what=f"{count} messages from {name}")
    return found


async def edit(plane: Plane, values: Mapping[str, Any]) -> None:
    """As a person does."""

    def change(secret: Secret) -> Secret:
        return replace(secret, values={**secret.values, **values}, edition=secret.edition + 1)

    await plane.secrets.change(ID, change)


async def told(plane: Plane, spec: DeploymentSpec, name: str, token: str) -> Any:
    """Send events until the step has been called with that token; what it emitted then."""
    count = len(await plane.bodies(spec, name))
    while True:
        await plane.send(spec, {})
        count += 1
        body = (await arrived(plane, spec, name, count))[-1]
        if body["token"] == token:
            return body


async def test_values_are_among_the_fields_of_each_call(plane: Plane) -> None:
    other = step(plane, "other", SHOW, credential="", fields={"shelf": "b"})
    spec = plane.chain(hook(plane), step(plane, "show", SHOW, fields={"shelf": "a", "token": "of a field"}), other)
    await plane.live(spec)
    await plane.send(spec, {})
    assert await arrived(plane, spec, "show", 1) == [
        {"user": "ada", "token": "first-token-1", "shelf": "a", "_account": ID}
    ]
    assert await arrived(plane, spec, "other", 1) == [{"user": None, "token": None, "shelf": "b", "_account": None}]


async def test_a_changed_credential_reaches_the_next_call_in_the_same_host(plane: Plane) -> None:
    spec = plane.chain(hook(plane), step(plane, "show", TELL))
    await plane.live(spec)
    before = await told(plane, spec, "show", "first-token-1")
    await edit(plane, {"token": "other-token-2"})
    assert (await told(plane, spec, "show", "other-token-2"))["life"] == before["life"]


async def test_only_hosts_with_init_start_again_and_only_for_a_person(plane: Plane) -> None:
    source = INIT.replace("cfg.get('token')", "first.get('token')")
    spec = plane.chain(hook(plane), step(plane, "show", source), step(plane, "plain", TELL))
    worker = await plane.live(spec)
    before = await told(plane, spec, "show", "first-token-1")
    plain = (await arrived(plane, spec, "plain", 1))[-1]
    await plane.secrets.change(ID, merged({"token": "refreshed-token"}))
    again = await told(plane, spec, "plain", "refreshed-token")
    assert (await told(plane, spec, "show", "first-token-1"))["life"] == before["life"]
    await edit(plane, {"token": "edited-token"})
    assert (await told(plane, spec, "show", "edited-token"))["life"] != before["life"]
    assert again["life"] == plain["life"] == (await told(plane, spec, "plain", "edited-token"))["life"]
    assert all(each.restarts == 0 for each in (await worker.state()).steps)


ENVIRON = (
    "import os, sys\n"
    "async def process(ctx, msg, cfg):\n"
    "    ctx.logger.info('the key is %s', os.environ['CRM_KEY'])\n"
    "    if msg.body.get('die'):\n"
    "        os._exit(1)\n"
    "    return {'key': os.environ['CRM_KEY'], 'step': os.environ['ELASTICIO_STEP_ID'], 'path': os.environ['PATH']}\n"
)


async def test_a_host_gets_the_variables_of_its_component_as_they_are_when_it_starts(plane: Plane) -> None:
    await plane.secrets.create("v1", {"CRM_KEY": "first-key", "ELASTICIO_STEP_ID": "other"})
    spec = plane.chain(hook(plane), step(plane, "show", ENVIRON, credential="", variables="v1"))
    await plane.live(spec)
    await plane.send(spec, {})
    (body,) = await arrived(plane, spec, "show", 1)
    assert (body["key"], body["step"], body["path"]) == ("first-key", "show", "/usr/local/bin:/usr/bin:/bin")
    await plane.secrets.change("v1", merged({"CRM_KEY": "other-key"}))
    await plane.send(spec, {})
    assert (await arrived(plane, spec, "show", 2))[-1]["key"] == "first-key"
    await plane.send(spec, {"die": True})
    await plane.send(spec, {})
    assert (await arrived(plane, spec, "show", 3))[-1]["key"] == "other-key"
    lines = [line.text for line in await plane.log(spec, "show")]
    assert "the key is [CRM_KEY]" in lines
    assert not [line for line in lines if "-key" in line]


COUNTING = """
import pathlib, time
first = {}
async def init(ctx, cfg):
    first.update(cfg)
def process(ctx, msg, cfg):
    folder = pathlib.Path(cfg["folder"])
    with open(folder / "calls", "a") as file:
        print(msg.body["n"], file=file)
    time.sleep(msg.body["takes"])
    return {"n": msg.body["n"], "token": first["token"]}
"""


def shared(plane: Plane) -> tuple[Path, dict[str, Any]]:
    """A folder that the test and a step have in common, and the options that grant it."""
    folder = plane.folder / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder, {"fields": {"folder": str(folder)}, "grants": Grants(write=(str(folder),))}


async def test_a_busy_host_starts_again_between_two_calls_and_none_is_made_twice(plane: Plane) -> None:
    folder, granted = shared(plane)
    spec = plane.chain(hook(plane), step(plane, "show", COUNTING, **granted))
    await plane.live(spec)
    for number in range(60):
        await plane.send(spec, {"n": number, "takes": 0.02})
    await arrived(plane, spec, "show", 5)
    await edit(plane, {"token": "edited-token"})
    bodies = await arrived(plane, spec, "show", 60)
    assert [body["n"] for body in bodies] == list(range(60))
    assert [body["token"] for body in bodies] == sorted((body["token"] for body in bodies), reverse=True)
    assert bodies[-1]["token"] == "edited-token"
    assert (folder / "calls").read_text().split() == [str(number) for number in range(60)]


async def test_a_call_that_takes_long_is_not_cut_short(plane: Plane) -> None:
    folder, granted = shared(plane)
    spec = plane.chain(hook(plane), step(plane, "show", COUNTING, **granted), stop_within=0.2)
    await plane.live(spec)
    await plane.send(spec, {"n": 1, "takes": 1.5})
    await until((folder / "calls").exists, what="the call has begun")
    await edit(plane, {"token": "edited-token"})
    assert await arrived(plane, spec, "show", 1) == [{"n": 1, "token": "first-token-1"}]
    await plane.send(spec, {"n": 2, "takes": 0})
    assert (await arrived(plane, spec, "show", 2))[1] == {"n": 2, "token": "edited-token"}
    assert (folder / "calls").read_text().split() == ["1", "2"]


async def test_a_listener_is_opened_again_with_the_changed_credential(plane: Plane) -> None:
    source = (
        "import asyncio\nasync def listen(ctx, cfg):\n    await ctx.emit(cfg['token'])\n    await asyncio.sleep(99)\n"
    )
    spec = plane.chain(
        step(plane, "source", source, kind="trigger", trigger_type="listener"), step(plane, "last", SHOW)
    )
    await plane.live(spec)
    assert await arrived(plane, spec, "source", 1) == ["first-token-1"]
    await edit(plane, {"token": "other-token-2"})
    assert await arrived(plane, spec, "source", 2) == ["first-token-1", "other-token-2"]


UPDATE = """
async def process(ctx, msg, cfg):
    await ctx.update_keys({'token': msg.body['token']})
    return {'token': cfg['token']}
"""


async def test_what_a_component_writes_back_is_durable_and_reaches_other_steps(plane: Plane) -> None:
    spec = plane.chain(hook(plane), step(plane, "update", UPDATE), step(plane, "show", TELL))
    await plane.live(spec)
    await plane.send(spec, {"token": "written-token"})
    assert await arrived(plane, spec, "update", 1) == [{"token": "first-token-1"}]
    assert (await plane.secrets.get(ID)).values == {"user": "ada", "token": "written-token"}
    assert (await arrived(plane, spec, "show", 1))[0]["token"] in ("first-token-1", "written-token")
    await plane.send(spec, {"token": "third-token"})
    assert (await arrived(plane, spec, "update", 2))[1] == {"token": "written-token"}


PATIENT = """
import asyncio, pathlib
async def process(ctx, msg, cfg):
    folder = pathlib.Path(cfg["folder"])
    while not (folder / "go").exists():
        await asyncio.sleep(0.01)
    writing = ctx.update_keys({"token": "written-token"})
    (folder / "asked").touch()
    await writing
    return {"kept": True}
"""


async def test_what_is_written_back_while_the_broker_is_away_waits_for_it(plane: Plane) -> None:
    folder, granted = shared(plane)
    spec = plane.chain(hook(plane), step(plane, "update", PATIENT, **granted))
    worker = await plane.live(spec)
    await plane.send(spec, {})

    async def called() -> bool:
        return bool((await worker.state()).steps[1].open)

    await until(called, what="the call has begun")
    await plane.broker.stop()
    (folder / "go").touch()
    await until((folder / "asked").exists, what="the component writes back, to nobody")
    await plane.broker.start()
    assert await arrived(plane, spec, "update", 1) == [{"kept": True}]
    assert (await plane.secrets.get(ID)).values["token"] == "written-token"
    assert not await plane.errors(spec, "update")


async def test_writing_back_without_a_credential_is_refused(plane: Plane) -> None:
    spec = plane.chain(hook(plane), step(plane, "update", UPDATE, credential=""))
    await plane.live(spec)
    await plane.send(spec, {"token": "x"})

    async def failed() -> Any:
        return await plane.errors(spec, "update")

    (error,) = await until(failed, what="an error")
    assert "no credential" in error.failure.message


async def test_a_step_whose_credential_cannot_be_read_does_not_start(plane: Plane) -> None:
    spec = plane.chain(hook(plane), step(plane, "show", SHOW, credential="gone"))
    state = await (await plane.run(spec)).reach("failed")
    assert "step `show`" in state.reason and "credential" in state.reason


async def test_values_written_with_a_new_key_are_read_by_running_workers(plane: Plane) -> None:
    spec = plane.chain(hook(plane), step(plane, "update", UPDATE), step(plane, "show", TELL))
    await plane.live(spec)
    assert await plane.secrets.renew_key() == 1
    await edit(plane, {"token": "after-rotation"})
    await plane.send(spec, {"token": "written-token"})
    await arrived(plane, spec, "show", 1)
    assert (await plane.secrets.get(ID)).values["token"] == "written-token"


SPILL = """
import logging, sys
async def process(ctx, msg, cfg):
    ctx.logger.info('logger says %s', cfg['token'], whole=dict(cfg))
    logging.warning('logging says %s', cfg['token'])
    print('stdout says', cfg['token'], flush=True)
    print('stderr says', cfg['token'], file=sys.stderr, flush=True)
    if msg.body.get('rebound'):
        await ctx.rebound('rebound says ' + cfg['token'])
        return
    await ctx.error('error says ' + cfg['token'])
    raise RuntimeError('raise says ' + cfg['token'])
"""
TOKEN = "Tok3n/with+signs=&more"


async def said(plane: Plane, spec: DeploymentSpec, count: int) -> list[str]:
    async def lines() -> list[str] | None:
        found = [line.text for line in await plane.log(spec, "spill")]
        wanted = ("logger says", "logging says", "stdout says", "stderr says")
        return found if all(sum(text in line for line in found) >= count for text in wanted) else None

    found: list[str] = await until(lines, within=20, what="log lines")
    return found


async def test_values_occur_nowhere_in_clear(plane: Plane) -> None:
    await edit(plane, {"token": TOKEN})
    spec = plane.chain(hook(plane), step(plane, "spill", SPILL))
    worker: RunningWorker = await plane.live(spec)
    await plane.send(spec, {})
    await plane.send(spec, {"rebound": True})
    assert any("stdout says [token]" in line for line in await said(plane, spec, 2))
    (error, *_) = await until(lambda: plane.errors(spec, "spill"), what="errors")
    assert "[token]" in error.failure.message
    await worker.stop()
    forms = [TOKEN, json.dumps(TOKEN)[1:-1], "first-token-1"]
    found = [file for file in plane.folder.rglob("*") if file.is_file() and _holds(file, forms)]
    assert found == []
    assert msgspec.json.encode(spec).decode().count(TOKEN) == 0


def _holds(file: Path, texts: list[str]) -> bool:
    data = file.read_bytes()
    return any(text.encode() in data for text in texts)
