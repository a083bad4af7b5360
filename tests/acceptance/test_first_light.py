"""A newcomer's first hour: the demo, a component of one's own in two versions, accidents, a night of ``down``."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.headrace import Headrace, running, until

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(300)]

COMPONENT = {
    "title": "Stamp",
    "version": "1.0.0",
    "actions": {
        "mark": {
            "title": "Mark",
            "main": "mark.py",
            "fields": {"path": {"label": "File", "viewClass": "TextFieldView", "required": True, "grants": "write"}},
        }
    },
}
CODE = """
import json
async def process(ctx, msg, cfg, snapshot):
    with open(cfg["path"], "a") as file:
        file.write(json.dumps({{"n": msg.body["n"], "code": {code}}}) + "\\n")
    return {{"n": msg.body["n"], "code": {code}}}
"""


@pytest.fixture(scope="module")
def headrace() -> Iterator[Headrace]:
    with tempfile.TemporaryDirectory(prefix="headrace-acceptance-") as folder, running(Path(folder)) as started:
        yield started


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-b", "main")
    return folder


def commit(folder: Path, code: int, **changes: object) -> None:
    (folder / "component.json").write_text(json.dumps(COMPONENT | changes))
    (folder / "mark.py").write_text(CODE.format(code=code))
    git(folder, "add", "-A")
    assert git(folder, "commit", "-m", f"Mark with {code}").returncode == 0


def lines(file: Path) -> list[dict[str, int]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_demo_takes_a_request_and_a_file_as_up_printed_it(headrace: Headrace) -> None:
    printed = headrace("up")
    assert "/signin?token=" in printed and "curl " in printed and str(headrace.data / "demo" / "in") in printed
    curl = next(line[line.index("curl ") :] for line in printed.splitlines() if "curl " in line)
    answer = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, check=True).stdout
    execution = json.loads(answer)["execution"]
    until(lambda: _state(headrace, execution) == "done", what="the execution is recorded")
    (headrace.data / "demo" / "in" / "orders.csv").write_text("number,customer,price,qty\n7,ada,2.5,4\n")
    dropped = time.monotonic()
    out = headrace.data / "demo" / "out" / "orders.jsonl"
    until(lambda: out.exists() and out.read_text(), what="the order is written")
    assert time.monotonic() - dropped < 5  # about 0.3 s on a quiet machine
    assert json.loads(out.read_text().splitlines()[0])["customer"] == "ADA"


def _state(headrace: Headrace, execution: str) -> str:
    done = headrace.try_("execution", "show", execution, "--json")
    shown = json.loads(done.stdout) if done.returncode == 0 else {}
    return str(shown.get("state", ""))


def test_a_pushed_component_runs_and_a_second_push_runs_after_the_next_start(
    headrace: Headrace, tmp_path: Path
) -> None:
    stamp = repository(tmp_path / "stamp")
    commit(stamp, 1)
    pushed = git(stamp, "push", headrace.git_url("stamp"), "main")
    assert pushed.returncode == 0, pushed.stderr
    assert "remote:" in pushed.stderr and "revision 1" in pushed.stderr
    file = headrace.data / "demo" / "stamps.jsonl"
    headrace.publish(_flow("stamps", file), tmp_path)
    headrace.live("stamps", revision=1)
    assert headrace.hook("stamps", {"n": 1}).status_code == 202
    until(lambda: lines(file) == [{"n": 1, "code": 1}], what="revision 1 wrote")

    commit(stamp, 2, version="1.1.0")
    assert git(stamp, "push", headrace.git_url("stamp"), "main").returncode == 0
    versions = headrace.json("component", "versions", "stamp")
    assert [(each["revision"], each["semver"], each["state"]) for each in versions][:2] == [
        (2, "1.1.0", "ready"),
        (1, "1.0.0", "ready"),
    ]
    assert headrace.hook("stamps", {"n": 2}).status_code == 202
    until(lambda: len(lines(file)) == 2, what="the running flow goes on")
    assert lines(file)[1] == {"n": 2, "code": 1}, "a push changes nothing that runs"
    headrace("flow", "publish", "stamps")
    headrace.live("stamps", revision=2)
    assert headrace.hook("stamps", {"n": 3}).status_code == 202
    until(lambda: len(lines(file)) == 3, what="revision 2 wrote")
    assert lines(file)[2] == {"n": 3, "code": 2}


def test_a_push_that_is_no_component_is_refused_with_every_mistake(headrace: Headrace, tmp_path: Path) -> None:
    broken = repository(tmp_path / "broken")
    (broken / "component.json").write_text(json.dumps({"actions": {"a": {"main": "nowhere.py"}, "b": {"title": 7}}}))
    git(broken, "add", "-A")
    git(broken, "commit", "-m", "Broken")
    pushed = git(broken, "push", headrace.git_url("broken"), "main")
    assert pushed.returncode != 0
    for mistake in ("actions.a.main", "actions.b.main", "actions.b.title"):
        assert any(mistake in line for line in pushed.stderr.splitlines() if line.startswith("remote:")), pushed.stderr


@pytest.mark.parametrize("path", ["keys", "keys/new.txt", "db", "broker", "repos/log.git", "builds", "envs", ""])
def test_what_is_the_platforms_own_is_granted_to_no_step(headrace: Headrace, tmp_path: Path, path: str) -> None:
    file = tmp_path / "thief.yaml"
    wanted = headrace.data / path
    file.write_text(
        f"flow: thief\nsteps:\n  - {{id: request, trigger: webhook/receive}}\n"
        f"  - {{id: take, after: request, action: log/write, paths: {{read: {wanted}}}}}\n"
    )
    was_there = wanted.exists()
    refused = headrace.try_("flow", "apply", str(file), "--start")
    assert refused.returncode == 1, refused.stdout
    assert "part of the platform's own folder" in refused.stderr
    assert wanted.exists() == was_there, "nothing is made there either"


def test_accidents_in_mid_stream_lose_nothing_and_double_nothing(headrace: Headrace, tmp_path: Path) -> None:
    file = headrace.data / "demo" / "accidents.jsonl"
    headrace("component", "push", str(_component(tmp_path)), "--name", "passing")
    headrace.publish(_flow("accidents", file, middle="passing/mark"), tmp_path)
    headrace.live("accidents")
    numbers = 300
    accepted: list[int] = []
    sender = threading.Thread(target=_send, args=(headrace, numbers, accepted))
    sender.start()
    until(lambda: len(accepted) > 60, what="some events are in")
    headrace.host("accidents", "middle").kill()
    until(lambda: len(accepted) > 140, what="more events are in")
    headrace.worker("accidents").kill()
    sender.join(120)
    assert accepted == list(range(numbers))
    until(lambda: len({line["n"] for line in lines(file)}) == numbers, 60, "all numbers arrived")
    assert Counter(line["n"] for line in lines(file)).most_common(1)[0][1] <= 2, "only a call in progress may repeat"
    repeats = len(lines(file)) - numbers
    assert repeats <= 2
    history = headrace.json("executions", "--flow", "accidents", "--limit", "1000")
    assert len(history) == numbers, "between steps no repeat makes an execution"


def _send(headrace: Headrace, numbers: int, accepted: list[int]) -> None:
    for number in range(numbers):
        while headrace.hook("accidents", {"n": number}).status_code != 202:
            time.sleep(0.05)
        accepted.append(number)


def test_down_and_up_bring_back_flows_and_history(headrace: Headrace) -> None:
    before = headrace.json("executions", "--limit", "1000")
    components = headrace.json("component", "list")
    headrace("down")
    assert headrace.try_("status").returncode != 0
    headrace("up")
    for flow in ("demo-webhook", "demo-folder", "stamps", "accidents"):
        headrace.live(flow)
    after = headrace.json("executions", "--limit", "1000")
    assert {each["id"] for each in before} <= {each["id"] for each in after}
    assert headrace.json("component", "list") == components
    file = headrace.data / "demo" / "stamps.jsonl"
    count = len(lines(file))
    assert headrace.hook("stamps", {"n": 99}).status_code == 202
    until(lambda: len(lines(file)) == count + 1, what="the flow works after the night")


def test_the_server_may_die_while_flows_go_on(headrace: Headrace) -> None:
    worker = headrace.worker("demo-folder")
    pid = headrace.server["pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    (headrace.data / "demo" / "in" / "more.json").write_text('{"number": 8, "customer": "grace", "lines": []}')
    out = headrace.data / "demo" / "out" / "orders.jsonl"
    until(lambda: "GRACE" in out.read_text(), what="the worker goes on without the server")
    headrace("up")
    assert headrace.worker("demo-folder") == worker, "the new server adopts the worker that runs"


def _component(folder: Path) -> Path:
    component = folder / "passing"
    component.mkdir()
    (component / "component.json").write_text(json.dumps({"actions": {"mark": {"title": "Pass", "main": "mark.py"}}}))
    (component / "mark.py").write_text("async def process(msg):\n    return msg.body\n")
    return component


def _flow(name: str, file: Path, middle: str = "filter/keep") -> str:
    fields = "{path: n, is: present}" if middle == "filter/keep" else "{}"
    return f"""
flow: {name}
type: real-time
steps:
  - id: request
    trigger: webhook/receive
  - id: middle
    after: request
    action: {middle}
    fields: {fields}
    input: body.body
  - id: mark
    after: middle
    action: stamp/mark
    fields: {{path: {file}}}
"""
