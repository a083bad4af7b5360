"""Running npm in the sandbox, with its own settings of this machine: registries, certificates, proxies.

The settings come from the environment (``npm_config_*``) and from the ``.npmrc`` of the user who runs the platform. A
copy of that file, with the tokens in it, is lent to npm for its run; what npm runs can read it, as everywhere.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace import sandbox
from headrace.components.build_log import BuildLog
from headrace.components.environment import give_top, local_paths
from headrace.components.node import Node
from headrace.components.program import run
from headrace.sandbox import Mode

__all__ = ["Npm", "passed_on"]

TELL_EVERY = 5.0
"""Seconds between two lines that say how far a silent npm is."""
_PASSED_ON = re.compile(
    r"npm_config_(//.*|@.*|.*registry|ca|cafile|cert|key|strict[-_]ssl|.*proxy|noproxy|maxsockets|fetch[-_]\w+|nodedir|"
    r"python|devdir|disturl|offline|prefer[-_]\w+|replace[-_]registry[-_]host|before|min[-_]release[-_]age|"
    r"omit[-_]lockfile[-_]registry[-_]resolved|ignore[-_]scripts)"
    r"|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(HTTP|HTTPS|ALL|NO)_PROXY",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{(\w+)\??\}")
_NOISE = re.compile(
    r"npm (warn|WARN) (Unknown (env|user|project|global|builtin) config|config (only|production) )"
    r"|npm (error|ERR!)( (Log files were not written.*|aliases: .*|Run \"npm help .*))?$"
)
_HELP = re.compile(r"npm (error|ERR!) Usage:$")
"""From here on npm tells all its options, eighty lines of them."""
_REQUEST = re.compile(r"npm http (fetch|cache) ")
_CODE = re.compile(r"npm (?:error|ERR!) code (\w+)")


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What npm may see of the platform's environment: where packages come from, and how to get there."""
    return {name: value for name, value in environ.items() if value and _PASSED_ON.fullmatch(name)}


@dataclass(frozen=True, slots=True)
class Npm:
    """npm for builds: ``cache`` is its cache, ``user`` who runs it, ``tools`` the folder with ``node`` and ``npm``."""

    node: Node
    tools: Path
    cache: Path
    user: int
    mode: Mode
    environ: Mapping[str, str]

    async def __call__(self, folder: Path, arguments: Sequence[str], log: BuildLog) -> tuple[int, frozenset[str]]:
        """Run it in ``folder``, which it may write to; its exit status, and the error codes it named."""
        config = await asyncio.to_thread(self._user_config)
        lent = await asyncio.to_thread(self._lend, config)
        own = passed_on(self.environ)
        named = {name: self.environ[name] for name in _VARIABLE.findall(config) if name in self.environ}
        made = sandbox.command(
            (self.node.program, self.node.npm, *arguments),
            cwd=str(folder),
            read=[*self.node.installation, str(self.tools), *local_paths([*own.values(), *config.splitlines()])],
            write=[str(self.cache), str(folder)],
            uid=self.user,
            env={**own, **self._settings(), **named, "npm_config_userconfig": str(lent)},
            mode=self.mode,
        )
        async with _told(log) as lines:
            status, _ = await run(made, lines)
        return status, frozenset(lines.codes)

    def _settings(self) -> dict[str, str]:
        return {
            "PATH": f"{self.tools}:{sandbox.ENVIRONMENT['PATH']}",
            "CI": "true",
            "NO_COLOR": "1",
            # git hooks of a developer's work tree, which this is none; they would fail for want of `.git`
            "HUSKY": "0",
            "HUSKY_SKIP_INSTALL": "1",
            "npm_config_cache": str(self.cache),
            "npm_config_update_notifier": "false",
            "npm_config_fund": "false",
            "npm_config_audit": "false",
            "npm_config_progress": "false",
            "npm_config_color": "false",
            "npm_config_logs_max": "0",
            "npm_config_package_lock": "true",
            "npm_config_engine_strict": "false",
            # what scripts print is shown while they run
            "npm_config_foreground_scripts": "true",
            # npm 12 and newer ask for each; they run in the sandbox
            "npm_config_dangerously_allow_all_scripts": "true",
        }

    def _lend(self, config: str) -> Path:
        """Put the settings where npm can read them, and nobody else."""
        give_top(self.cache, self.user)
        lent = self.cache / "npmrc"
        new = lent.with_name(f"npmrc.{os.urandom(4).hex()}")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            os.fchown(file.fileno(), self.user, self.user)  # by what is open: the folder is the user's own
            file.write(config)
        new.replace(lent)
        return lent

    def _user_config(self) -> str:
        names = {name.lower(): value for name, value in self.environ.items()}
        path = Path(names.get("npm_config_userconfig") or Path(self.environ.get("HOME") or Path.home()) / ".npmrc")
        try:
            return path.read_text("utf-8")
        except FileNotFoundError:
            return ""


class _Lines:
    """What npm prints: requests are counted instead of shown, error codes are noted."""

    def __init__(self, log: BuildLog) -> None:
        self._log = log
        self._began = self._last = time.monotonic()
        self._requests = 0
        self._helps = False
        self.codes: set[str] = set()

    def output(self, text: str) -> None:
        """Take a line."""
        if _REQUEST.match(text):
            self._requests += 1
        elif _HELP.match(text):
            self._helps = True
        elif not _NOISE.match(text) and not (self._helps and text.startswith("npm ")):
            self.codes.update(_CODE.findall(text))
            self._last = time.monotonic()
            self._log.output(text)

    def tell(self) -> None:
        """Say how far it is, unless it said something itself a moment ago."""
        now = time.monotonic()
        if now - self._last >= TELL_EVERY:
            self._last = now
            self._log.output(f"… {now - self._began:.0f} s, {self._requests} files fetched")


@asynccontextmanager
async def _told(log: BuildLog) -> AsyncIterator[_Lines]:
    lines = _Lines(log)
    telling = asyncio.create_task(_tell(lines))
    try:
        yield lines
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(lines: _Lines) -> None:
    while True:
        await asyncio.sleep(TELL_EVERY)
        lines.tell()
