"""A data plane on its own: a real broker, real workers and hosts, no server.

Tests and benchmarks use it to run a deployment from component sources given as text, to send it numbered events, to
kill parts of it and to read back what arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.control import Command, Phase, Verb, WorkerState, decode_state
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.message import ErrorEntry, Message
from headrace.bus.secrets import Secrets
from headrace.bus.trace import Fact, LogLine, decode_batch
from headrace.errors import HeadraceError, Unavailable
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.ids import new_id
from headrace.keyring import Keyring

__all__ = ["Plane", "RunningWorker", "until"]

HOST_UID = 210_000
ANSWER_WITHIN = 10.0
"""Seconds a worker has to answer. One that is not there is known at once."""
WORKER = """
import json, sys
from headrace.worker.main import run
run(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
"""


async def until(condition: Callable[[], Any], *, within: float = 10.0, what: str = "") -> Any:
    """Return the first true result of ``condition`` (a function, or a coroutine function); fail after ``within`` s.

    A broker that is away meanwhile, as in the tests that kill it, counts as not yet.
    """
    deadline = time.monotonic() + within
    while True:
        with suppress(Unavailable):
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what or condition}")
        await asyncio.sleep(0.01)


def _python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _node() -> Path:
    found = shutil.which("node")
    if found is None:
        raise RuntimeError("Node.js is not installed: install version 20 or newer")
    return Path(found).resolve()


class RunningWorker:
    """A worker process of a `Plane`."""

    def __init__(self, plane: Plane, spec: DeploymentSpec, process: subprocess.Popen[bytes]) -> None:
        self._plane = plane
        self.spec = spec
        self.process = process

    async def state(self) -> WorkerState:
        """Its present heartbeat."""
        subject = subjects.worker_do(self.spec.flow_id, self.spec.epoch)
        return decode_state(
            await self._plane.bus.request(subject, msgspec.json.encode(Command("status")), ANSWER_WITHIN)
        )

    async def tell(self, verb: Verb, *, final: bool = False) -> None:
        """Send a command."""
        subject = subjects.worker_do(self.spec.flow_id, self.spec.epoch)
        await self._plane.bus.request(subject, msgspec.json.encode(Command(verb, final)), ANSWER_WITHIN)

    async def reach(self, *phases: Phase, within: float = 20.0) -> WorkerState:
        """Wait until it is in one of ``phases``."""

        async def there() -> WorkerState | None:
            if self.process.poll() is not None:
                raise AssertionError(f"the worker ended with {self.process.returncode}: {self._plane.worker_log()}")
            try:
                state = await self.state()
            except HeadraceError:
                return None
            return state if state.phase in phases else None

        found: WorkerState = await until(there, within=within, what=f"worker in {phases}")
        return found

    async def activate(self) -> WorkerState:
        """Give it the lease and make it live."""
        await self.reach("ready")
        lease = Bucket(self._plane.bus, subjects.LEASES)
        await lease.put(self.spec.flow_id, str(self.spec.epoch).encode())
        await self.tell("activate")
        return await self.reach("live", "failed")

    async def stop(self, *, final: bool = False) -> None:
        """Stop gracefully and wait for the end of the process."""
        await self.tell("stop", final=final)
        await until(lambda: self.process.poll() is not None, within=20, what="worker ends")

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()
        self.process.wait()

    def host(self, state: WorkerState, step: str) -> psutil.Process:
        """The process that runs the component code of a step (inside the sandbox, if there is one)."""
        from headrace import sandbox

        pid = next(each.pid for each in state.steps if each.id == step)
        return sandbox.family(pid)[0]


class Plane:
    """A broker in a temporary folder, and what runs on it."""

    def __init__(self, folder: Path, bus: Bus, access: dict[str, str], broker: EmbeddedBroker) -> None:
        self.folder = folder
        self.bus = bus
        self.access = access
        self.broker = broker
        self.secrets = Secrets(bus, Keyring(Path(access["keys"])))
        self._workers: list[subprocess.Popen[bytes]] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, *, sync_interval: str = "1s") -> AsyncIterator[Plane]:
        """A plane, ended with everything it started."""
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-plane-")))
            os.chmod(folder, 0o755)  # noqa: PTH101  hosts run as a user of their own
            broker = EmbeddedBroker(folder, sync_interval=sync_interval)
            access = await broker.start()
            stack.push_async_callback(broker.stop)
            keys = {"url": access.url, "user": access.user, "password": access.password}
            keys["keys"] = str(folder / "keys")
            bus = await Bus.connect(access.url, access.user, access.password, name="plane")
            stack.push_async_callback(bus.close)
            await journal.setup(bus, log_bytes=64 << 20, log_keep=86_400)
            plane = cls(folder, bus, keys, broker)
            stack.callback(plane._end_workers)
            yield plane

    def _end_workers(self) -> None:
        for process in self._workers:
            if process.poll() is None:
                process.kill()
            process.wait()

    # -- deployments ----------------------------------------------------------------------------------------

    def component(self, name: str, files: Mapping[str, str]) -> Code:
        """Put component sources where a build would; with a ``package.json`` they are Node.js."""
        root = self.folder / "builds" / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        language: Literal["python", "node"] = "node" if "package.json" in files else "python"
        interpreter = _node() if language == "node" else _python()
        return Code(
            component=name,
            revision=1,
            commit="0" * 40,
            language=language,
            root=str(root),
            interpreter=str(interpreter),
            visible=(str(interpreter.parent.parent),),
            uid=HOST_UID if os.geteuid() == 0 else None,
        )

    def chain(self, *steps: StepSpec, flow_id: str = "f1", epoch: int = 1, **options: Any) -> DeploymentSpec:
        """A deployment of ``steps`` one after another."""
        linked = []
        for number, step in enumerate(steps):
            after = (steps[number - 1].id,) if number else ()
            successors = (steps[number + 1].id,) if number + 1 < len(steps) else ()
            linked.append(msgspec.structs.replace(step, after=after, successors=successors))
        return DeploymentSpec(flow_id=flow_id, flow="test", version=1, epoch=epoch, steps=tuple(linked), **options)

    async def run(self, spec: DeploymentSpec) -> RunningWorker:
        """Start a worker for a deployment; it is warming on return."""
        await journal.prepare(self.bus, spec)
        deployments = Bucket(self.bus, subjects.DEPLOYMENTS)
        await deployments.put(f"{spec.flow_id}.{spec.epoch}", msgspec.json.encode(spec))
        return self.restart(spec)

    def restart(self, spec: DeploymentSpec) -> RunningWorker:
        """Start another worker process for a deployment that was run before."""
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", WORKER, spec.flow_id, str(spec.epoch), json.dumps(self.access)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o077,  # as the template makes them
            )
        self._workers.append(process)
        return RunningWorker(self, spec, process)

    async def live(self, spec: DeploymentSpec) -> RunningWorker:
        """Start a worker and make it live."""
        worker = await self.run(spec)
        state = await worker.activate()
        assert state.phase == "live", state.reason
        return worker

    def worker_log(self) -> str:
        """What the worker processes wrote."""
        log = self.folder / "worker.log"
        return log.read_text(errors="replace") if log.exists() else ""

    # -- messages -------------------------------------------------------------------------------------------

    async def send(
        self, spec: DeploymentSpec, body: Any, *, step: str = "", own: str = "", reply_to: str | None = None
    ) -> Message:
        """Put an event into the inbox of the trigger (or of ``step``)."""
        message = Message(
            id=own or new_id(),
            execution=new_id(),
            step=step or spec.trigger.id,
            body=msgspec.Raw(msgspec.json.encode(body)),
            at=time.time_ns() // 1_000_000,
            reply_to=reply_to,
        )
        subject = subjects.inbox(spec.flow_id, spec.epoch, step or spec.trigger.id)
        await self.bus.store(subject, envelope.encode(message), msg_id=message.id)
        return message

    async def outputs(self, spec: DeploymentSpec, step: str) -> list[Message]:
        """Everything a step has emitted."""
        stream, subject = subjects.stream(spec.flow_id), subjects.output(spec.flow_id, spec.epoch, step)
        return [envelope.decode(entry.data) async for entry in self.bus.read(stream, subject)]

    async def bodies(self, spec: DeploymentSpec, step: str) -> list[Any]:
        """The decoded bodies of everything a step has emitted."""
        return [msgspec.json.decode(message.body) for message in await self.outputs(spec, step)]

    async def errors(self, spec: DeploymentSpec, step: str) -> list[ErrorEntry]:
        """Error records of a step."""
        stream, subject = subjects.stream(spec.flow_id), subjects.errors(spec.flow_id, spec.epoch, step)
        entries = self.bus.read(stream, subject)
        return [msgspec.json.decode(entry.data, type=ErrorEntry) async for entry in entries]

    async def facts(self, spec: DeploymentSpec) -> list[Fact]:
        """All facts the recorder would get."""
        entries = self.bus.read(subjects.TRACE, subjects.trace(spec.flow_id))
        return [fact async for entry in entries for fact in decode_batch(entry.data).facts]

    async def log(self, spec: DeploymentSpec, step: str) -> list[LogLine]:
        """The log of a step."""
        entries = self.bus.read(subjects.LOGS, subjects.logs(spec.flow_id, step))
        return [msgspec.json.decode(entry.data, type=LogLine) async for entry in entries]
