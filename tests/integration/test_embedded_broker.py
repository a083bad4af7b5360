"""The embedded broker, with the real nats-server: started, found again, kept apart, and its failures told apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import psutil
import pytest
from nats.aio.client import Client

from headrace import identity
from headrace.bus import program
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access, greet
from headrace.errors import Unavailable
from headrace.identity import Identity

Make = Callable[..., EmbeddedBroker]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes brokers of the data folder ``tmp_path / name``; they are stopped at the end."""
    made: list[EmbeddedBroker] = []

    def broker(name: str = "data", **options: object) -> EmbeddedBroker:
        made.append(EmbeddedBroker(tmp_path / name, **options))  # type: ignore[arg-type]
        return made[-1]

    yield broker
    for each in made:
        await each.stop()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@contextlib.asynccontextmanager
async def client(access: Access) -> AsyncIterator[Client]:
    connection = await nats.connect(access.url, user=access.user, password=access.password, allow_reconnect=False)
    yield connection
    await connection.close()


def process_of(broker: EmbeddedBroker) -> Identity:
    assert broker.process is not None
    return broker.process


async def raised(call: Awaitable[object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await call
    return caught.value


async def test_starts_with_its_own_credentials_and_jetstream(make: Make) -> None:
    broker = make()
    access = await broker.start()
    async with client(access) as connection:
        js = connection.jetstream()
        await js.add_stream(name="S", subjects=["s"])
        await js.publish("s", b"x")
        assert connection.max_payload == 8 * 1024**2
    error = await raised(greet(Access(access.url, access.user, "wrong"), process_of(broker), 0))
    assert "Authorization" in error.message


async def test_secrets_are_for_the_owner_only(make: Make, tmp_path: Path) -> None:
    access = await make().start()
    for name in ("broker/nats.conf", "broker/access.json", "run/broker.json"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o077 == 0
    assert access.password not in repr(access)
    command = psutil.Process(json.loads((tmp_path / "data/run/broker.json").read_text())["pid"]).cmdline()
    assert not any(access.password in argument for argument in command)


async def test_is_a_session_of_its_own(make: Make) -> None:
    broker = make()
    await broker.start()
    pid = process_of(broker).pid
    assert os.getsid(pid) == pid


async def test_a_second_server_adopts_the_running_broker(make: Make) -> None:
    first, second = make(), make()
    assert await second.start() == await first.start() == await first.start()
    assert process_of(first) == process_of(second)


async def test_two_servers_that_start_at_once_share_one_broker(make: Make) -> None:
    first, second = make(), make()
    one, two = await asyncio.gather(first.start(), second.start())
    assert one == two
    assert process_of(first) == process_of(second)


async def test_data_and_address_outlive_a_restart(make: Make, tmp_path: Path) -> None:
    broker = make()
    access = await broker.start()
    async with client(access) as connection:
        await connection.jetstream().add_stream(name="S", subjects=["s"])
        await connection.jetstream().publish("s", b"kept")
    old = process_of(broker)
    await broker.stop()
    await broker.stop()
    assert not identity.alive(old)
    assert not (tmp_path / "data/run/broker.json").exists()
    assert await make().start() == access
    async with client(access) as connection:
        assert (await connection.jetstream().get_msg("S", 1)).data == b"kept"


async def test_a_killed_broker_is_noticed_and_started_again(make: Make) -> None:
    broker = make()
    access = await broker.start()
    old = process_of(broker)
    identity.send(old, signal.SIGKILL)
    await asyncio.wait_for(broker.died(), 5)
    assert not psutil.pid_exists(old.pid), "no zombie stays"
    assert await broker.start() == access
    assert process_of(broker) != old


async def test_keeping_it_starts_it_again(make: Make) -> None:
    broker = make()
    access = await broker.start()
    old = process_of(broker)
    keeper = asyncio.create_task(broker.keep())
    identity.send(old, signal.SIGKILL)
    async with asyncio.timeout(5):
        while process_of(broker) == old:  # noqa: ASYNC110 - the broker has no event for its own start
            await asyncio.sleep(0.01)
    await greet(access, process_of(broker), 5)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def test_a_reused_pid_is_neither_adopted_nor_killed(make: Make, tmp_path: Path) -> None:
    broker = make()
    access = await broker.start()
    await broker.stop()
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    state = {"pid": bystander.pid, "created": 1.0, "version": "2.15.1", "store": "", **access_text(access)}
    (tmp_path / "data/run/broker.json").write_text(json.dumps(state))
    (tmp_path / "data/broker/nats.pid").write_text(str(bystander.pid))
    other = make()
    await other.start()
    assert process_of(other).pid != bystander.pid
    await other.stop()
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


def access_text(access: Access) -> dict[str, str]:
    return {"url": access.url, "user": access.user, "password": access.password}


async def test_a_broker_nobody_wrote_down_is_adopted(make: Make, tmp_path: Path) -> None:
    first, second = make(), make()
    await first.start()
    (tmp_path / "data/run/broker.json").unlink()
    await second.start()
    assert process_of(first) == process_of(second)


async def test_changed_options_restart_it_at_the_same_address(make: Make) -> None:
    first, second = make(sync_interval="1s"), make(sync_interval="always")
    access = await first.start()
    assert await second.start() == access
    assert not identity.alive(process_of(first))
    assert identity.alive(process_of(second))


async def test_two_data_folders_never_interfere(make: Make) -> None:
    here, there = make("here"), make("there äöü")
    one, two = await asyncio.gather(here.start(), there.start())
    assert one.url != two.url
    await raised(greet(Access(one.url, two.user, two.password), process_of(here), 0))
    await here.stop()
    assert identity.alive(process_of(there))


async def test_a_taken_port_makes_it_move(make: Make, tmp_path: Path) -> None:
    broker = make()
    access = await broker.start()
    await broker.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((access.host, access.port))
        squatter.listen()
        moved = await broker.start()
    assert moved.url != access.url
    assert (moved.user, moved.password) == (access.user, access.password)
    await broker.stop()
    assert await broker.start() == moved


async def test_a_store_in_use_is_refused(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.bus.embedded.LOCK_WITHIN", 0.1)
    first, second = make(), make()
    await first.start()
    (tmp_path / "data/run/broker.json").unlink()
    (tmp_path / "data/broker/nats.pid").unlink()
    assert (await raised(second.start())).reason == "store-locked"
    assert identity.alive(process_of(first))
    identity.send(process_of(first), signal.SIGTERM)
    await first.died()
    await second.start()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("[1] [FTL] Can't start JetStream: mkdir /x: no space left on device", "disk-full"),
        ("[1] [FTL] Can't start JetStream: mkdir /x: permission denied", "broker-store"),
        ("nats-server: something else", "broker-failed"),
    ],
)
async def test_a_broker_that_cannot_start_says_why(make: Make, tmp_path: Path, said: str, reason: str) -> None:
    fails = f'[ "$1" = --version ] && echo "nats-server: v2.14.0" && exit\necho "{said}"; exit 1'
    error = await raised(make(program=script(tmp_path / "broken", fails)).start())
    assert error.reason == reason
    assert error.next_step
    if reason == "broker-failed":
        assert "something else" in error.message
    await make().start()  # what was broken left nothing behind


async def test_an_unusable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert (await raised(EmbeddedBroker(tmp_path / "data").start())).reason == "broker-failed"


async def test_the_program_must_be_there_and_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = script(tmp_path / "nats-server", "echo nats-server: v2.10.29")
    assert (await raised(program.find_program(old))).reason == "broker-too-old"
    assert (await raised(program.find_program(tmp_path / "none"))).reason == "broker-missing"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await program.find_program()).parent != tmp_path, "passed over for the wheel's"
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert (await raised(program.find_program())).reason == "broker-missing"


@pytest.mark.parametrize(
    ("version", "good"), [("2.14.0", True), ("2.15.1", True), ("3.0.0-rc.1", True), ("2.9.25", False), ("", False)]
)
def test_versions_below_2_14_are_refused(version: str, good: bool) -> None:
    if good:
        program.require_version(version, "nats://broker")
    else:
        with pytest.raises(Unavailable, match="nats://broker"):
            program.require_version(version, "nats://broker")
