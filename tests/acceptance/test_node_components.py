"""Node.js components as their authors have them: written by the command, compiled from TypeScript, pushed, run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.headrace import Headrace, push, running, until

pytestmark = [pytest.mark.needs("git", "node", "npm"), pytest.mark.timeout(300)]

FLOW = """
flow: {flow}
type: real-time
steps:
  - id: request
    trigger: webhook/receive
  - id: greeting
    after: request
    action: {action}
    fields: {{greeting: Hello}}
    input: '{{"name": body.query.name}}'
  - id: log
    after: greeting
    action: log/write
    input: '{{"message": body.text}}'
"""
TYPESCRIPT = {
    "component.json": json.dumps(
        {"title": "Typed", "actions": {"greet": {"title": "Greet", "main": "./dist/greet.js", "fields": {
            "greeting": {"label": "Greeting", "viewClass": "TextFieldView"}}}}}
    ),
    "package.json": json.dumps(
        {"name": "typed", "version": "1.0.0", "engines": {"node": "16.x"}, "scripts": {"build": "tsc"},
         "dependencies": {"q": "1.5.1"}, "devDependencies": {"typescript": "5.9.2"}}
    ),
    "tsconfig.json": json.dumps(
        {"compilerOptions": {"module": "commonjs", "target": "es2020", "rootDir": "src", "outDir": "dist"}}
    ),
    "src/greet.ts": """
declare function require(name: string): any;
const Q = require('q');
interface Message { body: { name: string } }
export async function process(this: any, msg: Message, cfg: { greeting: string }): Promise<void> {
  const text: string = await Q(`WORD ${cfg.greeting}, ${msg.body.name}!`);
  await this.emit('data', { body: { text } });
}
""",
}  # fmt: skip


@pytest.fixture(scope="module")
def headrace() -> Iterator[Headrace]:
    with tempfile.TemporaryDirectory(prefix="headrace-node-") as folder, running(Path(folder)) as started:
        yield started


def greeted(headrace: Headrace, flow: str, name: str, text: str) -> None:
    """Send a request, and wait for what the component makes of it."""
    answer = headrace.hook(f"{flow}?name={name}", None)
    assert answer.status_code == 202, answer.text
    until(lambda: text in headrace("logs", flow, "log"), 30, f"{text!r} in the log of {flow}")


def test_a_component_written_by_the_command_is_pushed_and_runs(headrace: Headrace, tmp_path: Path) -> None:
    folder = start(headrace, tmp_path, "node")
    (folder / "node_modules" / "co").mkdir(parents=True)
    (folder / "node_modules" / "co" / "index.js").write_text("a developer's own\n")
    pushed = headrace.try_("component", "push", str(folder))
    assert pushed.returncode == 0, pushed.stderr
    assert "==> building with Node.js" in pushed.stderr
    code = headrace.data / "builds" / "greeter-node" / "1" / "code"
    assert (code / "lib").is_dir() and not (code / "node_modules").exists()
    headrace.publish(FLOW.format(flow="starter", action="greeter-node/greet"), tmp_path)
    headrace.live("starter")
    greeted(headrace, "starter", "Ada", "Hello, Ada!")
    assert "--max-old-space-size=384" in headrace.host("starter", "greeting").cmdline()


def test_so_is_one_in_python(headrace: Headrace, tmp_path: Path) -> None:
    headrace("component", "push", str(start(headrace, tmp_path, "python")))
    headrace.publish(FLOW.format(flow="pythonic", action="greeter-python/greet"), tmp_path)
    headrace.live("pythonic")
    greeted(headrace, "pythonic", "Ada", "Hello, Ada!")


def start(headrace: Headrace, tmp_path: Path, language: str) -> Path:
    """Have the command write a component."""
    folder = tmp_path / f"greeter-{language}"
    headrace("component", "create", folder.name, "--language", language, "--into", str(folder))
    return folder


@pytest.mark.needs("npm-registry")
def test_a_typescript_component_is_compiled_pushed_with_git_and_moves_on(headrace: Headrace, tmp_path: Path) -> None:
    folder = tmp_path / "typed"
    for name, text in TYPESCRIPT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    said = push(headrace, folder)
    assert "remote:     warning: package.json asks for Node.js 16.x" in said
    assert "remote: ==> npm run build" in said
    assert "remote: built revision 1" in said
    headrace.publish(FLOW.format(flow="typed", action="typed/greet"), tmp_path)
    headrace.live("typed", revision=1)
    greeted(headrace, "typed", "Ada", "WORD Hello, Ada!")

    source = folder / "src" / "greet.ts"
    source.write_text(source.read_text().replace("WORD", "Now:"))
    assert "the environment is there already (1 package)" in push(headrace, folder)
    headrace("flow", "publish", "typed")
    greeted(headrace, "typed", "Grace", "Now: Hello, Grace!")

    source.write_text(source.read_text().replace("string = await", "number = await Math.round"))
    failed = push(headrace, folder, works=False)
    assert "src/greet.ts" in failed and "error TS" in failed
    assert "failed to build: build-script-failed" in failed
    greeted(headrace, "typed", "Joan", "Now: Hello, Joan!")
