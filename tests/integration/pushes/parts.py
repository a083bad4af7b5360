"""What tests of components share: work trees, wheels made by hand, and a builder on a folder of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

HOSTS = Path(__file__).parents[3] / "hosts"

GOOD = {
    "title": "Shop",
    "version": "1.0.0",
    "actions": {"create": {"main": "./actions/create", "title": "Create"}},
}
PROCESS = "def process(msg):\n    return {'seen': msg.body}\n"


def descriptor(**changes: Any) -> str:
    """A good ``component.json``, changed."""
    return json.dumps({**GOOD, **changes})


def files(**more: str) -> dict[str, str]:
    """The files of a good component; names of further ones write ``/`` as ``__`` and ``.`` as ``_dot_``."""
    extra = {name.replace("__", "/").replace("_dot_", "."): text for name, text in more.items()}
    return {"component.json": descriptor(), "actions/create.py": PROCESS, **extra}


class WorkTree:
    """A developer's git repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def git(self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit status, and what git said on both streams."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_PROXY": "*",
            **{f"GIT_{who}_{what}": f"Ada {what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            **(env or {}),
        }
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        said = out.decode()
        assert not check or process.returncode == 0, said
        return process.returncode or 0, said

    async def commit(self, message: str, contents: Mapping[str, str]) -> str:
        """Commit these files, and no others; returns the commit's id."""
        if not (self.folder / ".git").exists():
            await self.git("init", "--quiet", "--initial-branch=main")
        else:
            await self.git("rm", "-r", "--quiet", "--ignore-unmatch", ".")
        for name, text in contents.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        await self.git("add", "--all")
        await self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return (await self.git("rev-parse", "HEAD"))[1].strip()


def make_wheel(folder: Path, name: str, version: str, code: str) -> Path:
    """A wheel with one module of that name."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in contents.items())
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def offline(wheels: Path) -> dict[str, str]:
    """An environment in which packages come from a folder only."""
    return {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheels)}


async def until(condition: Callable[[], bool], within: float = 30) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serve(app: Any) -> AsyncIterator[str]:
    """A real server for an ASGI app; gives its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
