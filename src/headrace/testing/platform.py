"""A Headrace of one's own in a temporary folder: started by its real command, used through command line and API.

Tests and benchmarks use it, and look at its processes, or end them, as an accident would.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from headrace import identity, sandbox
from headrace.identity import Identity
from headrace.runtime.base import RunningWorker
from headrace.runtime.process import ProcessRuntime

__all__ = ["Api", "Platform", "platform", "refused"]


@contextmanager
def platform(*options: str, environment: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """A platform, started with the options of ``up`` and further environment variables, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  components run as users of their own
        running = Platform(Path(folder) / "data", environment)
        try:
            running.headrace("up", "--no-demo", *options)
            yield running
        finally:
            running.headrace("down")


class Platform:
    """A running Headrace, used through its command line."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self._environment = dict(environment or {})

    # -- command line ---------------------------------------------------------------------------------------

    def headrace(self, *arguments: str, text: str | None = None) -> str:
        """Run a command; its output. `RuntimeError` with what it said when it fails."""
        done = self.try_(*arguments, text=text)
        if done.returncode:
            raise RuntimeError(f"headrace {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def try_(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever it answers."""
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli", *arguments],
            input=text,
            env=os.environ | self._environment | {"HEADRACE_DATA": str(self.data)},
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a reading command; what it prints with ``--json``."""
        return json.loads(self.headrace(*arguments, "--json"))

    def publish(self, document: Mapping[str, Any]) -> None:
        """Make a flow of ``document`` and have it run."""
        file = self.data.parent / f"{document['flow']}.json"
        file.write_text(json.dumps(document))
        self.headrace("flow", "apply", str(file), "--publish", "--start")

    def push(self, name: str, files: Mapping[str, str]) -> int:
        """Push a component with these files, text by path; the revision it got. `RuntimeError` when it does not build.

        The same files again are the same revision.
        """
        with tempfile.TemporaryDirectory(prefix="headrace-component-") as folder:
            for path, text in files.items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            self.headrace("component", "push", folder, "--name", name)
        return int(self.json("component", "show", name)["newest"]["revision"])

    # -- processes ------------------------------------------------------------------------------------------

    def part(self, part: str) -> Identity:
        """The process of the ``server`` or the ``broker``."""
        return Identity.from_dict(json.loads((self.data / "run" / f"{part}.json").read_text()))

    def access(self) -> dict[str, str]:
        """Address and credentials of the broker."""
        written = json.loads((self.data / "run" / "broker.json").read_text())
        return {key: str(written[key]) for key in ("url", "user", "password")}

    def pid(self, part: str) -> int:
        """Process id of the server or the broker."""
        return self.part(part).pid

    async def kill(self, process: Identity | psutil.Process) -> None:
        """``kill -9``, and wait for the end."""
        if isinstance(process, psutil.Process):
            found = identity.identify(process.pid)
            if found is None:
                return
            process = found
        identity.send(process, signal.SIGKILL)
        await identity.gone(process)

    async def workers(self) -> list[RunningWorker]:
        """All workers of this data folder, also such as its server does not know."""
        claims = self.data / "run" / "workers"
        return list(await ProcessRuntime(claims=claims, logs=self.data / "logs", bus={}).list())

    def hosts(self) -> list[psutil.Process]:
        """All processes with component code of this data folder, whoever started them."""
        return [each for each in psutil.process_iter(["cmdline"]) if self._is_host(each)]

    def _is_host(self, process: psutil.Process) -> bool:
        try:
            command = process.info["cmdline"] or []
            programs = ("/headrace_host", "/hosts/node/host.js")
            found = any(word.endswith(programs) for word in command) and "bwrap" not in command[0]
            return found and process.cwd().startswith(str(self.data))
        except psutil.Error:
            return False

    def processes(self, flow: str) -> dict[str, list[psutil.Process]]:
        """The processes of a flow and of the platform, by part."""
        show = self.json("flow", "show", flow)
        worker = psutil.Process(int(show["deployment"]["worker_pid"]))
        hosts = [inner for child in worker.children() for inner in sandbox.family(child.pid)]
        return {
            "worker": [worker],
            "hosts": hosts,
            "broker": [psutil.Process(self.pid("broker"))],
            "server": [psutil.Process(self.pid("server"))],
        }

    def server_log(self) -> str:
        """What the server wrote."""
        return (self.data / "logs" / "server.log").read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where the server listens now."""
        return str(json.loads((self.data / "run" / "server.json").read_text())["url"])

    @property
    def token(self) -> str:
        """The local command line's token."""
        return (self.data / "keys" / "cli-token").read_text().strip()


class Refusal(Exception):
    """The API said no; ``problem`` is its answer."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('reason')}: {problem.get('detail')}")
        self.problem = problem


def refused(error: BaseException) -> str:
    """The short reason of a refusal by the API."""
    return str(error.problem.get("reason", "")) if isinstance(error, Refusal) else ""


class Api:
    """The API of a platform, for one event loop; an async context manager. It follows the server to a new address."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._http = httpx.AsyncClient(timeout=60, trust_env=False)

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def __call__(self, verb: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON answer; raises `Refusal` for a problem and `httpx.TransportError` when nobody listens."""
        response = await self._http.request(
            verb,
            f"{self._platform.url}/api/v1{path}",
            json=body,
            params=query,
            headers={"authorization": f"Bearer {self._platform.token}"},
        )
        if response.is_error:
            raise Refusal(response.json())
        return response.json() if response.content else None

    async def get(self, path: str, **query: Any) -> Any:
        return await self("GET", path, **query)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self("POST", path, {} if body is None else body)

    async def put(self, path: str, body: Any) -> Any:
        return await self("PUT", path, body)

    async def hook(self, flow: str, event: Any) -> httpx.Response:
        """Send an event to a webhook."""
        return await self._http.post(f"{self._platform.url}/hooks/{flow}", json=event)
