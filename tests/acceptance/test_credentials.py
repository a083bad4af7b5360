"""A secret's life by the real command: given, used, changed under a running flow, written back with the server down.

Afterwards its values are looked for everywhere, and found nowhere.
"""

from __future__ import annotations

import hashlib
import json
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
from tests.acceptance.headrace import Headrace, running, until

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(300)]

FIRST, SECOND, THIRD, WRONG = (f"{word}-Secret/{word}+value=1" for word in ("first", "second", "third", "wrong"))
VARIABLE = "fourth-Secret/fourth+value=1"
DESCRIPTOR = {
    "title": "Vault",
    "version": "1.0.0",
    "credentials": {"fields": {"token": {"label": "Token", "viewClass": "PasswordFieldView", "required": True}}},
    "envVars": {"VAULT_KEY": {"required": True}},
    "triggers": {
        "tick": {
            "title": "Tick",
            "main": "tick.py",
            "type": "polling",
            "fields": {"folder": {"label": "Folder", "viewClass": "TextFieldView", "grants": "read"}},
        }
    },
    "actions": {
        "mark": {
            "title": "Mark",
            "main": "mark.py",
            "fields": {"path": {"label": "File", "viewClass": "TextFieldView", "grants": "write"}},
        }
    },
}
TICK = """
import pathlib
async def process(ctx, msg, cfg):
    wanted = pathlib.Path(cfg["folder"]) / "token"
    if wanted.exists() and wanted.read_text() != cfg["token"]:
        await ctx.update_keys({"token": wanted.read_text()})
    return {"n": 1}
"""
MARK = """
import hashlib, os, sys
async def process(ctx, msg, cfg):
    ctx.logger.info("the token is %s", cfg["token"])
    ctx.logger.info("the variable is %s", os.environ["VAULT_KEY"])
    print("the token is", cfg["token"], file=sys.stderr, flush=True)
    with open(cfg["path"], "a") as file:
        print(hashlib.sha256(cfg["token"].encode()).hexdigest(), file=file)
    if cfg["token"].startswith("second"):
        raise RuntimeError("no good: " + cfg["token"])
"""
VERIFY = """
def verify_credentials(cfg):
    if "wrong" in cfg["token"]:
        raise ValueError(cfg["token"])
    return True
"""
FILES = {
    "component.json": json.dumps(DESCRIPTOR),
    "tick.py": TICK,
    "mark.py": MARK,
    "verify_credentials.py": VERIFY,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="headrace-secrets-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_secret_is_used_changed_and_written_back_and_is_nowhere_in_clear(folder: Path) -> None:
    source, shared = folder / "vault", folder / "shared"
    source.mkdir()
    shared.mkdir(mode=0o755)
    out = folder / "marks.txt"
    out.touch()
    out.chmod(0o666)
    for name, content in FILES.items():
        (source / name).write_text(content)

    def marks() -> list[str]:
        return out.read_text().split()

    with running(folder, "--no-demo") as headrace:
        headrace("component", "push", str(source), "--name", "vault")
        (folder / "variables.json").write_text(json.dumps({"VAULT_KEY": VARIABLE}))
        headrace("component", "env", "vault", "--file", str(folder / "variables.json"))
        write(folder / "first.json", FIRST)
        headrace("credential", "create", "prod", "-c", "vault", "--file", str(folder / "first.json"))
        steps = [
            {"id": "tick", "trigger": "vault/tick", "credential": "prod", "poll_interval": "100ms",
             "fields": {"folder": str(shared)}},
            {"id": "mark", "after": "tick", "action": "vault/mark", "credential": "prod", "fields": {"path": str(out)}},
        ]  # fmt: skip
        headrace.publish(json.dumps({"flow": "keep", "type": "real-time", "steps": steps}), folder)
        headrace.live("keep")
        until(lambda: digest(FIRST) in marks(), what="the first value is used")

        worker = headrace.worker("keep").pid
        write(folder / "wrong.json", WRONG)
        refused = headrace.try_("credential", "edit", "prod", "--file", str(folder / "wrong.json"))
        assert refused.returncode == 1 and WRONG not in refused.stderr
        write(folder / "second.json", SECOND)
        headrace("credential", "edit", "prod", "--file", str(folder / "second.json"))
        began = time.monotonic()
        until(lambda: digest(SECOND) in marks(), what="the second value is used")
        assert time.monotonic() - began < 1.0
        assert digest(WRONG) not in marks()
        until(lambda: headrace.json("errors"), what="an error with the value in its message")

        server = psutil.Process(headrace.server["pid"])
        server.send_signal(signal.SIGKILL)
        server.wait(10)
        (shared / "token").write_text(THIRD)
        until(lambda: digest(THIRD) in marks(), what="what was written back is used, with the server down")
        headrace("up", "--no-demo")
        assert headrace.worker("keep").pid == worker
        assert headrace.json("credential", "verify", "prod")["state"] == "verified"
        headrace("credential", "rotate-key")
        seen = len(marks())
        until(lambda: len(marks()) > seen + 3 and marks()[-1] == digest(THIRD), what="the flow goes on after that")

        lines = headrace("logs", "keep", "mark")
        assert "the token is [token]" in lines
        assert "the variable is [VAULT_KEY]" in lines
        shown = [headrace("credential", "show", "prod"), headrace("component", "env", "vault")]
        answers = [*shown, headrace("errors"), lines, *map(text, _reads(headrace))]
        tokens = (FIRST, SECOND, THIRD, WRONG)
        assert not [answer for answer in answers if any(token in answer for token in (*tokens, VARIABLE))]
        assert not [each for each in psutil.process_iter() if _says(each, tokens)]
        headrace("down")
        key = headrace.data / "keys" / "credentials"
        assert key.stat().st_mode & 0o777 == 0o600
        assert _holding(headrace.data, (*tokens, VARIABLE)) == []


def write(file: Path, token: str) -> None:
    file.write_text(json.dumps({"token": token}))


def text(answer: httpx.Response) -> str:
    assert answer.is_success, answer.text
    return answer.text


def _reads(headrace: Headrace) -> Iterator[httpx.Response]:
    paths = ("credentials", "credentials/prod", "flows/keep", "flows/keep/deployments/1", "errors", "executions")
    for path in (*paths, "components/vault/versions/1", "components/vault/variables"):
        url = f"{headrace.server['url']}/api/v1/{path}"
        yield httpx.get(url, headers={"authorization": f"Bearer {headrace.token}"})


def _says(process: psutil.Process, tokens: tuple[str, ...]) -> bool:
    """In its arguments or its environment, which others can see."""
    try:
        return any(token in said for token in tokens for said in (*process.cmdline(), *process.environ().values()))
    except psutil.Error:
        return False


def _holding(folder: Path, tokens: tuple[str, ...]) -> list[Path]:
    """Files with a value in them, as it is or as JSON and URLs write it."""
    forms = [form.encode() for token in tokens for form in (token, token.replace("/", "\\/"), quote(token, safe=""))]
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert any("KV_credentials" in str(file) for file in files)
    return [file for file in files if any(form in file.read_bytes() for form in forms)]
