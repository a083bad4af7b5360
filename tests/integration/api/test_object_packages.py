"""The public npm packages that components store objects with, unchanged, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.deployed import deploy
from tests.integration.api.conftest import Served, serving

from headrace.api.application import application
from headrace.api.object_storage import ObjectStorage
from headrace.api.replies import Replies
from headrace.api.webhooks import Webhooks
from headrace.control.object_token import ObjectTokens

HERE = Path(__file__).parent
pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of ``npm/package-lock.json``."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "npm" / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=240)
    shutil.copy(HERE / "object_packages.js", folder)
    return folder


@pytest.fixture
async def said(served: Served, packages: Path) -> dict[str, Any]:
    """What the packages made of the server, which takes objects of 8 MB."""
    parts = served.parts
    spec = await deploy(parts.db, parts.bus, "orders")
    tokens = ObjectTokens.kept_in(parts.settings.object_key_file)
    token = tokens.issue(spec.flow_id, spec.epoch)
    hooks = Webhooks(parts.bus, parts.targets, parts.facts, Replies(parts.bus), parts.metrics)
    storage = ObjectStorage(parts.bus, parts.settings, tokens)
    async with serving(application(parts, hooks, storage)) as url:
        storage._settings = parts.settings.model_copy(update={"port": int(url.rpartition(":")[2])})
        environment = {
            "ELASTICIO_OBJECT_STORAGE_URI": f"{url}/storage",
            "ELASTICIO_OBJECT_STORAGE_TOKEN": token,
            "ELASTICIO_API_URI": url,
            "ELASTICIO_API_USERNAME": f"task-{spec.flow_id}",
            "ELASTICIO_API_KEY": token,
            "LOG_LEVEL": "fatal",
        }
        node = await asyncio.create_subprocess_exec(
            "node",
            "object_packages.js",
            cwd=packages,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(node.communicate(), 120)
    assert node.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out) | {"url": url}
    return found


async def test_they_store_find_change_and_delete(said: dict[str, Any]) -> None:
    assert said["wrapper"] == {
        "read": [{"a": 1}, [1, None, "x"]],
        "reread": {"a": 2},
        "gone": 404,
        "none": [],
        "type": "application/json",
        "query": ["red", "blue"],
        "meta": ["n", "n", "m"],
        "found": [True, True],
        "narrow": [[True, "application/json", {"colour": "red", "size": "l"}]],
        "updated": [True, "application/json"],
    }
    assert said["plain"] == {
        "read": ["text", 56, None, {"deep": [{}]}],
        "same": [True, True],
        "types": ["image/gif", "application/json"],
        "refused": [404, 404, 422, 401, 413, 422],
    }
    assert said["attachments"]["same"] == [True, True]
    assert said["attachments"]["url"].startswith(f"{said['url']}/storage/objects/obj~")
    assert said["steward"] == {"put": 200, "data": "from a steward", "expires": 18000, "others": [401, 401]}
