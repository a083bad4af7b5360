"""The versions of three components that trials are made of: good ones, and such as go wrong in every way.

The good ones are the benchmark's. Each other one is pushed as a revision of the same component, so a draft that names
it is what a person publishes who has pushed a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from headrace.testing.platform import Platform
from headrace.testing.versions import FOLDERS, Language, good

__all__ = ["Cast"]


LISTEN_ON = """
import signal, time
from headrace_sdk import Context
from events import listen as honest
async def listen(ctx: Context, cfg: dict[str, str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        await honest(ctx, cfg)
    finally:
        while True:
            time.sleep(1)  # its connection stays open
"""
CARELESS = """
import asyncio
from headrace_sdk import Context
from events import listen as honest
kept = []
async def process(ctx: Context, msg: object, cfg: dict[str, str]) -> None:
    kept.append(asyncio.create_task(honest(ctx, cfg)))
"""
"""One more connection at every call."""
SOURCES = {"deaf": LISTEN_ON, "careless": CARELESS}
HOOKS = {
    "hooked": (
        "import time\n"
        "def startup(cfg):\n    time.sleep(0.3)\n    print('subscribed', flush=True)\n    return {'id': 7}\n"
        "def shutdown(ctx, cfg, data):\n    assert data['id'] == 7\n    time.sleep(0.2)\n"
    ),
    "bad-startup": "def startup(cfg):\n    raise RuntimeError('no more subscriptions')\n",
}
"""What is put behind the code of the source."""
MIDDLES = {
    "unimportable": "import os\nif 'HEADRACE_FLOW_ID' in os.environ:\n    import nowhere\n",
    "bad-init": "def init(cfg):\n    raise RuntimeError('the door is locked')\n",
    "never-ready": "import time\ndef init(cfg):\n    time.sleep(3600)\n",
    "slow-start": "import time\ndef init(cfg):\n    time.sleep(1.2)\n",
    "crashes": "import os, threading\ndef init(cfg):\n    threading.Timer(1.0, os._exit, [7]).start()\n",
    "fails": "async def process(msg):\n    raise ValueError(f\"no {msg.body['n']} for me\")\n",
    "leaks": "kept = []\nasync def process(msg):\n    kept.append(b'x' * 1_000_000)\n    return msg.body\n",
    "slow": "import asyncio\nasync def process(msg):\n    await asyncio.sleep(0.02)\n    return msg.body\n",
    "deaf": (
        "import signal, time\n"
        "async def init(cfg):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "async def process(msg):\n    if msg.body['n'] % 50 == 49:\n        time.sleep(1.2)\n    return msg.body\n"
    ),
    "trapped": (
        "import asyncio\n"
        "async def process(ctx, msg, cfg):\n"
        "    await ctx.emit(msg.body)\n"
        "    if msg.body['n'] == int(cfg['at']):\n"
        "        reader, _ = await asyncio.open_connection('127.0.0.1', int(cfg['trap']))\n"
        "        await reader.readline()\n"
    ),
}
"""What is put behind the code of the middle step."""
CAREFUL = """
'use strict';
const net = require('node:net');
const readline = require('node:readline');
let ledger;
exports.process = function (msg, cfg) {
  if (ledger) return;
  ledger = net.connect({ host: '127.0.0.1', port: Number(cfg.port), noDelay: true });
  ledger.on('error', (error) => this.emit('error', error));
  ledger.on('close', () => { ledger = undefined; });
  readline.createInterface({ input: ledger }).on('line', async (line) => {
    const event = JSON.parse(line);
    await this.emit('data', { id: String(event.n), body: event });
    ledger.write(`${event.n}\\n`);
  });
};
"""
"""One listener for the life of the host, made in a call, as components of Node.js have it."""
TRAP_FIELDS = {name: {"label": name, "viewClass": "TextFieldView"} for name in ("trap", "at")}


class Cast:
    """Pushes versions when they are first asked for: ``cast("middle", "fails")`` is the revision.

    The good ones are there in Node.js, too, and the source as ``careful``. Casts of both languages may share a
    platform.
    """

    def __init__(self, platform: Platform, language: Language = "python") -> None:
        self._platform = platform
        self._language = language
        self._revisions: dict[tuple[str, str], int] = {}
        self._sources: dict[str, Callable[[str], dict[str, str]]] = {
            "source": _source,
            "middle": _middle,
            "sink": _sink,
        }

    def __call__(self, step: str, version: str) -> int:
        """The revision; pushes it, and so makes it the latest, when it is new."""
        known = self._revisions.get((step, version))
        return self.push(step, version) if known is None else known

    def push(self, step: str, version: str) -> int:
        """Push it (again): it is the latest afterwards."""
        files = self._sources[step](version) if self._language == "python" else _node(step, version)
        revision = self._revisions[step, version] = self._platform.push(FOLDERS[step], files)
        return revision

    def use(self, **versions: str) -> dict[str, int]:
        """For `headrace.testing.trial.chain`: the named version of each step, of the others the first."""
        named = {"source": "1", "middle": "1", "sink": "1"} | versions
        return {step: self(step.rstrip("23456789"), version) for step, version in named.items()}


def _source(version: str) -> dict[str, str]:
    if version in HOOKS:
        files = good("source", 1)
        files["events.py"] += HOOKS[version]
        return files
    if version in SOURCES:
        files = good("source", 1)
        files[f"{version}.py"] = SOURCES[version]
        files["component.json"] = files["component.json"].replace('"events.py"', f'"{version}.py"')
        return files
    return good("source", int(version))


def _middle(version: str) -> dict[str, str]:
    if version in ("1", "2"):
        return good("middle", int(version))
    files = good("middle", 1)
    if version == "unbuildable":
        return files | {"requirements.txt": "no requirement at all, this\n"}
    if version == "trapped":
        descriptor = json.loads(files["component.json"])
        descriptor["actions"]["pass"]["fields"] = TRAP_FIELDS
        files["component.json"] = json.dumps(descriptor)
    return files | {"shape.py": files["shape.py"] + MIDDLES[version]}


def _sink(version: str) -> dict[str, str]:
    return good("sink", int(version))


def _node(step: str, version: str) -> dict[str, str]:
    if version == "careful":
        return good(step, 1, "node") | {"events.js": CAREFUL}
    return good(step, int(version), "node")
