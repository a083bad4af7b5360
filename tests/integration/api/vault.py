"""A component that takes a credential, with all that is asked of one while a flow is designed; built for real."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from headrace.flows.deployment import Code
from headrace.store import components
from headrace.store.components import ComponentVersion
from headrace.store.database import Database

__all__ = ["DESCRIPTOR", "FILES", "NODE_FILES", "built", "folder", "node_descriptor"]

DESCRIPTOR: dict[str, Any] = {
    "title": "Vault",
    "version": "1.0.0",
    "credentials": {
        "fields": {
            "user": {"label": "User", "viewClass": "TextFieldView", "required": True},
            "password": {"label": "Password", "viewClass": "PasswordFieldView", "required": True},
            "region": {"label": "Region", "viewClass": "SelectView", "model": {"eu": "Europe", "us": "America"}},
        }
    },
    "triggers": {"receive": {"title": "Receive", "main": "receive.py", "type": "webhook"}},
    "actions": {
        "store": {
            "title": "Store",
            "main": "store.py",
            "dynamicMetadata": True,
            "fields": {
                "shelf": {"label": "Shelf", "viewClass": "SelectView", "model": "shelves"},
                "colour": {"label": "Colour", "viewClass": "SelectView", "model": {"red": "Red"}},
            },
        },
        "fixed": {
            "title": "Fixed",
            "main": "receive.py",
            "metadata": {"in": "./schemas/in.json", "out": {"type": "object"}},
        },
    },
}
FILES = {
    "receive.py": "async def process(msg):\n    return msg.body\n",
    "store.py": """
import asyncio, os, pathlib, time
async def process(ctx, msg, cfg):
    return {"user": cfg["user"]}
def shelves(ctx, cfg):
    if cfg.get("colour") == "hang":
        time.sleep(3600)
    if cfg.get("colour") == "fail":
        raise LookupError(f"no shelf for {cfg['password']}")
    if cfg.get("colour") == "huge":
        return {str(number): "x" * 1000 for number in range(2000)}
    if cfg.get("colour") == "die":
        os._exit(3)
    if cfg.get("colour") == "flood":
        print("x" * 200_000)
    return {"top": f"Top of {cfg['user']}"}
async def meta_model(ctx, cfg):
    if cfg.get("colour") == "write":
        await ctx.update_keys({"password": "written-back"})
    if cfg.get("colour") == "emit":
        await ctx.emit({"n": 1})
    if cfg.get("colour") == "odd":
        return 7
    return {"in": {"type": "object", "properties": {cfg.get("shelf") or "none": {}}}, "out": None}
""",
    "verify_credentials.py": """
import time
def verify_credentials(cfg):
    said = {
        "yes": True, "object": {"verified": True}, "no": {"verified": False, "reason": "wrong password"},
        "false": False, "nothing": None, "truthy": "fine", "empty": {}, "one": 1,
    }
    if cfg["user"] == "hang":
        time.sleep(3600)
    if cfg["user"] == "raise":
        raise PermissionError(f"{cfg['password']} is not it")
    return said[cfg["user"]]
""",
    "schemas/in.json": json.dumps({"type": "object", "title": "In"}),
}

NODE_FILES = {
    "receive.js": "exports.process = async msg => msg;\n",
    "store.js": """
exports.process = async function (msg, cfg) { return { body: { user: cfg.user } }; };
exports.shelves = function (cfg, cb) { cb(null, { top: `Top of ${cfg.user}` }); };
exports.getMetaModel = async function (cfg) {
  if (cfg.colour === 'write') await this.emit('updateKeys', { password: 'written-back' });
  return { in: { type: 'object', properties: { [cfg.shelf]: {} } } };
};
""",
    "verifyCredentials.js": """
module.exports = function verify(credentials, cb) {
  if (credentials.user === 'throw') throw new Error(`${credentials.password} is not it`);
  if (credentials.user === 'refuse') return Promise.reject(new Error('rejected'));
  if (credentials.user === 'promise') return Promise.resolve({ verified: true });
  if (credentials.user === 'error') return cb(new Error('wrong password'));
  cb(null, { yes: { verified: true }, no: { verified: false }, nothing: undefined, truthy: 'ok' }[credentials.user]);
};
""",
}
"""The same in JavaScript."""


def node_descriptor() -> dict[str, Any]:
    """The descriptor, for the files in JavaScript."""
    written: dict[str, Any] = json.loads(json.dumps(DESCRIPTOR).replace(".py", ".js"))
    written["actions"].pop("fixed")
    return written


@contextmanager
def folder() -> Iterator[Path]:
    """Where code can be that hosts run as users of their own."""
    with tempfile.TemporaryDirectory(prefix="headrace-vault-") as made:
        os.chmod(made, 0o755)  # noqa: PTH101
        yield Path(made)


async def built(
    db: Database,
    root: Path,
    name: str = "vault",
    *,
    descriptor: dict[str, Any] = DESCRIPTOR,
    files: dict[str, str] = FILES,
    commit: str = "a" * 40,
) -> ComponentVersion:
    """A version of the component, as its build would have left it."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    async with db.begin() as conn:
        if name not in {each.name for each in await components.list_(conn)}:
            await components.create(conn, name)
        version = await components.add_version(conn, name, commit, descriptor=descriptor, semver="1.0.0")
        prefix = sys.base_prefix
        python = f"{prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        node = _node() if files is NODE_FILES else None
        prefix = str(Path(node).parents[1]) if node is not None else prefix
        code = Code(
            component=name,
            revision=version.revision,
            commit=commit,
            root=str(root),
            language="python" if node is None else "node",
            interpreter=node or python,
            visible=(prefix,),
            uid=210_000 if os.geteuid() == 0 else None,
        )
        return await components.built(conn, name, version.revision, msgspec.to_builtins(code))


def _node() -> str:
    found = shutil.which("node")
    assert found is not None, "the test has a mark that says it needs node"
    return os.path.realpath(found)
