"""Commands as a person types them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.cli.double import Refusal, Server, page
from tests.unit.cli.samples import FLOW, step

from headrace.bus.control import Leak
from headrace.cli import main
from headrace.cli.execution import in_tree_order
from headrace.cli.output import when

EXECUTION: dict[str, Any] = {
    "id": "e1",
    "flow": "orders",
    "version": 3,
    "state": "failed",
    "started_at": 1_700_000_000_000,
    "ended_at": 1_700_000_000_012,
    "duration_ms": 12,
    "messages": 2,
    "errors": 1,
    "rerun_of": None,
}
ERROR: dict[str, Any] = {
    "id": "x1",
    "flow": "orders",
    "step": "erp",
    "at": 1_700_000_000_000,
    "state": "open",
    "name": "ValueError",
    "message": "no [such] customer",
}

Out = pytest.CaptureFixture[str]


def test_help_names_every_command(capsys: Out) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    nouns = "up down status doctor component credential flow executions execution errors retry logs token bench"
    for noun in nouns.split():
        assert f"\n  {noun} " in said


def test_help_loads_no_http_client_and_no_server() -> None:
    code = "import sys; from headrace.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"httpx", "fastapi", "sqlalchemy", "pydantic", "psutil", "yaml", "asyncio"}


def test_wrong_usage_is_2(capsys: Out) -> None:
    assert main(["flow", "nonsense"]) == 2
    assert main(["executions", "--since", "yesterday"]) == 2
    assert "write 90s, 10m, 2h or 7d" in capsys.readouterr().err
    assert main(["executions", "--state", "silly"]) == 2
    assert main(["flow", "export", "orders", "--format", "xml"]) == 2
    assert main(["executions", "--since", "²d"]) == 2
    assert main(["component", "remove", "erp", "0", "--yes"]) == 2
    assert main(["component", "log", "erp", "0"]) == 2


def test_a_refusal_is_1_with_reason_and_next_step_on_stderr(server: Server, capsys: Out) -> None:
    server.answers["POST /flows/orders/start"] = Refusal(
        409, "no-version", "orders was never published", next_step="Do"
    )
    server.answers["GET /flows/orders"] = FLOW
    assert main(["flow", "start", "orders"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: orders was never published\n  reason: no-version\n  next:   Do\n"


def test_every_list_prints_a_table_and_json(server: Server, capsys: Out) -> None:
    version = {
        "revision": 2,
        "semver": "1.0.0",
        "commit": "0123456789",
        "committed_at": 1_700_000_000_000,
        "state": "ready",
        "is_latest": True,
        "flows": ["orders"],
        "reason": "",
        "message": "Fix it\n\nmore",
    }
    component = {"name": "erp", "latest": 2, "newest": version, "title": "ERP"}
    token = {"id": 1, "name": "ci", "prefix": "hr_ab", "created_at": 0, "last_used_at": None, "revoked_at": 5}
    server.answers |= {
        "GET /flows": page(FLOW),
        "GET /components": page(component),
        "GET /components/erp/versions": page(version),
        "GET /executions": page(EXECUTION),
        "GET /errors": page(ERROR),
        "GET /tokens": page(token),
    }
    shown = {
        "flow list": "erp runs erp revision 2, latest is 4; has a draft",
        "component list": "ERP",
        "component versions erp": "Fix it",
        "executions": "12.0 ms",
        "errors": "ValueError: no [such] customer",
        "token list": "revoked",
    }
    for command, text in shown.items():
        assert main(command.split()) == 0
        assert text in capsys.readouterr().out
        assert main([*command.split(), "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), list)


def test_a_flow_that_runs_an_older_version_says_so(server: Server, capsys: Out) -> None:
    server.answers["GET /flows"] = page({**FLOW, "version": 4, "outdated": [], "has_draft": False})
    assert main(["flow", "list"]) == 0
    assert "runs version 3" in capsys.readouterr().out
    server.answers["GET /flows"] = page({**FLOW, "outdated": []})
    assert main(["flow", "list"]) == 0
    assert "runs version" not in capsys.readouterr().out


def test_an_empty_list_says_what_to_do(server: Server, capsys: Out) -> None:
    server.answers["GET /flows"] = page()
    assert main(["flow", "list"]) == 0
    assert "headrace flow apply FILE --publish --start" in capsys.readouterr().out


def test_executions_are_filtered(server: Server, capsys: Out) -> None:
    server.answers["GET /executions"] = page()
    assert main(["executions", "--flow", "orders", "--state", "failed", "--since", "10m", "--limit", "5"]) == 0
    query = server.queries["GET /executions"]
    assert (query["flow"], query["state"], query["limit"]) == ("orders", "failed", "5")
    assert int(query["since"]) > 1_700_000_000_000


def test_an_execution_shows_its_steps(server: Server, capsys: Out) -> None:
    step = {"step": "erp", "kind": "done", "wait_us": 5, "map_us": None, "call_us": 1500, "outputs": 1}
    entry = {**step, "attempt": 1, "error": None, "message": "m", "parent": None}
    server.answers["GET /executions/e1"] = {**EXECUTION, "processed": [entry, {**entry, "step": "b", "map_us": 17}]}
    assert main(["execution", "show", "e1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    assert rows == [
        ["erp", "done", "5", "µs", "1.5", "ms", "1", "1"],
        ["b", "(mapper)", "17", "µs"],
        ["b", "done", "5", "µs", "1.5", "ms", "1", "1"],
    ]


def test_an_execution_shows_when_a_message_is_tried_again(server: Server, capsys: Out) -> None:
    step = {"step": "erp", "kind": "delayed", "wait_us": 5, "map_us": None, "call_us": 1500, "outputs": 0}
    entry = {**step, "attempt": 1, "error": "busy", "until": 1_700_000_000_000, "message": "m", "parent": None}
    server.answers["GET /executions/e1"] = {**EXECUTION, "processed": [entry]}
    assert main(["execution", "show", "e1"]) == 0
    told = capsys.readouterr().out
    assert f"busy; again at {when(1_700_000_000_000)}" in " ".join(told.split())


def test_a_flow_shows_steps_and_deployments(server: Server, capsys: Out) -> None:
    server.answers |= {"GET /flows/orders": FLOW, "GET /flows/orders/deployments": page(FLOW["deployment"])}
    assert main(["flow", "show", "orders"]) == 0
    said = capsys.readouterr().out
    assert "erp revision 2" in said
    assert "/hooks/orders" in said


@pytest.mark.parametrize("stopped", [False, True])
def test_a_flow_shows_what_its_trigger_leaks_with_the_cure_in_one_line(
    server: Server, capsys: Out, stopped: bool
) -> None:
    leak = Leak(kind="sockets", growth=2, cure=f"keep one: {'like this ' * 20}", stopped=stopped)
    trouble = {"reason" if stopped else "warning": str(leak), "leak": msgspec.to_builtins(leak)}
    current = {**FLOW["deployment"], "steps": [step("erp", **trouble)], "reason": leak.found if stopped else ""}
    flow = {**FLOW, "deployment": current, "reason": current["reason"]}
    server.answers |= {"GET /flows/orders": flow, "GET /flows/orders/deployments": page(current)}
    assert main(["flow", "show", "orders"]) == 0
    said = capsys.readouterr().out
    assert f"\nerp: {leak}\n" in said
    assert ("stopped: leaks" in " ".join(said.split())) == stopped
    server.answers["GET /flows"] = page(flow)
    assert main(["flow", "list"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ("stopped by the leak guard" if stopped else "`erp` leaks sockets") in said


DOCUMENT = "flow: orders\ntype: real-time\nsteps: []\n"


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "orders.yaml"
    path.write_text(DOCUMENT)
    return str(path)


def test_lint_fails_on_errors_only(server: Server, document: str, capsys: Out) -> None:
    problem = {"path": "steps", "reason": "r", "message": "no trigger", "severity": "warning"}
    server.answers["POST /flows/lint"] = {"problems": [problem]}
    assert main(["flow", "lint", document]) == 0
    problem["severity"] = "error"
    assert main(["flow", "lint", document]) == 1
    assert "steps: no trigger" in capsys.readouterr().err


def test_lint_tells_what_is_granted(server: Server, document: str, capsys: Out) -> None:
    steps = [
        {"id": "in", "left_out": False, "read": ["/srv/in"], "write": []},
        {"id": "out", "left_out": True, "read": [], "write": ["/srv/a", "/srv/b"]},
    ]
    server.answers["POST /flows/lint"] = {"problems": [], "flow": {"steps": steps}}
    assert main(["flow", "lint", document]) == 0
    said = capsys.readouterr().out
    assert "in is granted to read /srv/in\n" in said
    assert "out is left out: it is disabled" in said
    assert "in is left out" not in said
    assert "out is granted to write /srv/a, /srv/b\n" in said


def test_apply_saves_a_draft(server: Server, document: str, capsys: Out) -> None:
    server.answers["PUT /flows/orders/draft"] = {"tag": 1, "problems": []}
    assert main(["flow", "apply", document]) == 0
    assert server.bodies("PUT /flows/orders/draft") == [{"document": DOCUMENT}]
    assert "headrace flow publish orders" in capsys.readouterr().out


def test_apply_does_not_publish_what_has_errors(server: Server, document: str, capsys: Out) -> None:
    problem = {"path": "steps", "reason": "r", "message": "no trigger", "severity": "error"}
    server.answers["POST /flows/lint"] = {"problems": [problem], "flow": None}
    for option in ("--publish", "--start"):
        assert main(["flow", "apply", document, option]) == 1
        assert "no trigger" in capsys.readouterr().err
    assert server.bodies("PUT /flows/orders/draft") == server.bodies("POST /flows/orders/publish") == []


def test_a_document_without_a_name_is_refused_with_its_problems(server: Server, tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("- not: a flow\n")
    problem = {"path": "", "reason": "r", "message": "a flow document is an object", "severity": "error"}
    server.answers["POST /flows/lint"] = {"problems": [problem], "flow": None}
    assert main(["flow", "apply", str(path)]) == 1
    assert "a flow document is an object" in capsys.readouterr().err


def test_a_missing_file_is_a_plain_error(server: Server, capsys: Out) -> None:
    assert main(["flow", "lint", "nowhere.yaml"]) == 1
    assert "there is no file nowhere.yaml" in capsys.readouterr().err


def test_nothing_is_removed_without_a_yes(server: Server, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["flow", "remove", "orders"]) == 1
    assert main(["component", "remove", "erp"]) == 1
    assert server.asked == []
    server.answers["DELETE /flows/orders"] = None
    assert main(["flow", "remove", "orders", "--yes", "--purge"]) == 0
    assert server.queries["DELETE /flows/orders"] == {"purge": "true"}


def test_retry_one_with_another_body(server: Server, capsys: Out) -> None:
    server.answers["POST /errors/x1/retry"] = {"error": "x1", "message": "m", "execution": "e2"}
    assert main(["retry", "x1", "--body", '{"n": 1}']) == 0
    assert server.bodies("POST /errors/x1/retry") == [{"body": {"n": 1}}]
    assert "headrace execution show e2" in capsys.readouterr().out


def test_retry_a_whole_flow_goes_on_while_there_is_more(server: Server, capsys: Out) -> None:
    retried = {"error": "x1", "message": "m", "execution": "e2"}
    answers = iter(
        [
            {"retried": [retried], "skipped": [{"error": "x2", "reason": "r", "detail": "gone"}], "more": True},
            {"retried": [retried], "skipped": [], "more": False},
        ]
    )
    server.answers["POST /errors/retry"] = lambda _request: next(answers)
    assert main(["retry", "--flow", "orders", "--step", "erp"]) == 0
    assert server.bodies("POST /errors/retry") == [{"flow": "orders", "step": "erp"}] * 2
    said = capsys.readouterr()
    assert "Running 2 messages again." in said.out
    assert "x2: gone" in said.err


@pytest.mark.parametrize("wrong", [[], ["x1", "--flow", "orders"], ["x1", "x2", "--body", "1"], ["x1", "--body", "{"]])
def test_retry_needs_to_know_what(server: Server, wrong: list[str], capsys: Out) -> None:
    assert main(["retry", *wrong]) == 2


def test_retry_all_of_a_kind(server: Server, capsys: Out) -> None:
    server.answers["POST /errors/retry"] = {"retried": [], "skipped": [], "more": False}
    assert main(["retry", "--flow", "orders", "--reason", "timeout", "--name", "TimeoutError"]) == 0
    asked = {"flow": "orders", "reason": "timeout", "name": "TimeoutError"}
    assert server.bodies("POST /errors/retry") == [asked]


def test_queues_are_shown_with_their_age(server: Server, capsys: Out) -> None:
    queue = {"step": "erp", "after": "orders", "epoch": 2, "waiting": 7, "oldest_at": 1_000}
    answer = {"at": 91_000, "waiting": 8, "queues": [queue], "delayed": [{"step": "erp", "count": 1}]}
    server.answers["GET /flows/orders/queues"] = answer
    assert main(["flow", "queue", "orders"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"erp +orders +2 +7 +1(\.5)? ?min|erp +orders +2 +7 +90", said), said
    assert re.search(r"erp +\(next attempt\) +1", said), said
    assert main(["flow", "queue", "orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_messages_of_a_queue_are_listed(server: Server, capsys: Out) -> None:
    message = {"seq": 77, "at": 1_700_000_000_000, "state": "waiting", "size": 12, "execution": "e1"}
    server.answers["GET /flows/orders/queues/erp/messages"] = page(message)
    assert main(["flow", "queue", "orders", "erp", "--after", "orders", "--recent"]) == 0
    said = capsys.readouterr().out
    assert "77" in said
    assert "e1" in said
    asked = server.queries["GET /flows/orders/queues/erp/messages"]
    assert (asked["after"], asked["which"]) == ("orders", "recent")
    assert main(["flow", "queue", "orders", "--recent"]) == 2


def test_logs_are_lines_for_people_or_programs(server: Server, capsys: Out) -> None:
    line = {"at": 1_700_000_000_000, "step": "erp", "level": "info", "text": "sold [5]", "fields": {"n": 5}}
    server.answers["GET /flows/orders/logs"] = json.dumps(line) + "\n"
    assert main(["logs", "orders", "erp", "-n", "5", "--level", "info"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("info  sold [5] n=5")
    assert server.queries["GET /flows/orders/logs"]["step"] == "erp"
    assert main(["logs", "orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == line


def test_a_token_alone_is_on_stdout(server: Server, capsys: Out) -> None:
    server.answers["POST /tokens"] = {"id": 1, "name": "ci", "token": "hr_new"}
    assert main(["token", "create", "ci"]) == 0
    assert capsys.readouterr().out == "hr_new\n"


def test_doctor_fails_when_something_needed_is_missing(server: Server, capsys: Out) -> None:
    check = {"name": "git", "state": "fail", "detail": "none", "next_step": "Install git."}
    server.answers["GET /doctor"] = {"ok": False, "checks": [check]}
    assert main(["doctor"]) == 1
    assert "Install git." in capsys.readouterr().out


def test_doctor_looks_itself_without_a_server(tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    main(["doctor", "--data", str(tmp_path), "--json"])
    names = {check["name"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert names == {"python", "git", "node", "nats-server", "sandbox", "data folder", "settings", "server"}


def settings_check(data: Path, capsys: Out) -> tuple[int, str, str]:
    """Exit code of ``doctor``, state and detail of its check of the settings."""
    code = main(["doctor", "--data", str(data), "--json"])
    [check] = [check for check in json.loads(capsys.readouterr().out)["checks"] if check["name"] == "settings"]
    return code, check["state"], check["detail"]


def test_doctor_reads_the_settings_without_a_server(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    assert settings_check(tmp_path, capsys) == (0, "ok", "no mistake in them")
    monkeypatch.setenv("HEADRACE_QUUE_LIMIT", "1")
    code, state, detail = settings_check(tmp_path, capsys)
    assert (code, state, "HEADRACE_QUEUE_LIMIT" in detail) == (0, "warn", True)
    (tmp_path / "headrace.toml").write_text("prot = 1")
    code, state, detail = settings_check(tmp_path, capsys)
    assert (code, state, "did you mean `port`?" in detail) == (1, "fail", True)


def test_status_without_a_server_is_an_error(tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    assert main(["status", "--data", str(tmp_path)]) == 1
    assert f"headrace up --data {tmp_path}" in capsys.readouterr().err


def test_one_error_is_shown_with_its_traceback_and_input(server: Server, capsys: Out) -> None:
    sent = {"id": "m1", "body": {"name": "Ada"}, "headers": {}, "stage": "mapped"}
    found = {
        **ERROR,
        "execution": "e7",
        "reason": "exception",
        "stack": "Traceback\n  File greet.py\n\x1b[2J",
        "input": sent,
    }
    server.answers["GET /errors/e1"] = lambda _request: found
    assert main(["errors", "e1"]) == 0
    said = capsys.readouterr().out
    assert "\nTraceback\n  File greet.py\n" in said
    assert "\x1b" not in said
    assert 'Input:\n{\n  "name": "Ada"\n}\n' in said
    found["input"] = {**sent, "stage": "raw"}
    assert main(["errors", "e1"]) == 0
    assert "Input, before the step's mapping:\n" in capsys.readouterr().out
    found["input"] = None
    assert main(["errors", "e1"]) == 0
    assert capsys.readouterr().out.endswith("Its input is no longer kept.\n")
    assert main(["errors", "e1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main(["errors", "e1", "--flow", "orders"]) == 2


def test_export_writes_a_file(server: Server, tmp_path: Path) -> None:
    server.answers["GET /flows/orders/export"] = DOCUMENT
    assert main(["flow", "export", "orders", "-o", str(tmp_path / "out.yaml"), "--version", "2"]) == 0
    assert (tmp_path / "out.yaml").read_text() == DOCUMENT
    assert server.queries["GET /flows/orders/export"] == {"version": "2", "format": "yaml"}
    assert main(["flow", "export", "orders", "-o", str(tmp_path / "new" / "out.yaml"), "--json"]) == 0
    assert (tmp_path / "new" / "out.yaml").exists()
    assert server.queries["GET /flows/orders/export"] == {"format": "json"}
    assert main(["flow", "export", "orders", "-o", str(tmp_path)]) == 1


def test_an_execution_is_shown_as_the_tree_it_is() -> None:
    told = [
        ("root", None, "request"), ("a", "root", "split"), ("a1", "a", "keep"), ("b", "root", "note"),
        ("a2", "a", "keep"), ("root", None, "request"), ("lost", "unknown", "after"),
    ]  # fmt: skip
    processed = [{"message": message, "parent": parent, "step": step} for message, parent, step in told]
    shown = [(depth, each["message"]) for depth, each in in_tree_order(processed)]
    assert shown == [(0, "root"), (0, "root"), (1, "a"), (2, "a1"), (2, "a2"), (1, "b"), (0, "lost")]
    chain = [{"message": str(number), "parent": str(number - 1), "step": "s"} for number in range(5000)]
    assert [depth for depth, _ in in_tree_order(chain)] == list(range(5000)), "long ones do not overflow"


def test_a_component_is_shown_with_what_its_fields_mean(server: Server, capsys: Out) -> None:
    path = {"label": "List", "note": "Keys separated by dots.", "placeholder": "order.lines", "required": True}
    folder = {"label": "Folder", "grants": "read", "default": "/srv/[in]"}
    kind = {"label": "Kind", "model": {"csv": "CSV", "json": "JSON"}}
    each = {"description": "Takes lists apart.", "help": {"description": "Nothing is emitted as nothing.\x1b[2J"}}
    offer = {**each, "fields": {"path": path, "folder": folder, "kind": kind}}
    server.answers |= {
        "GET /components/split": {
            "name": "split", "title": "Split", "description": "", "latest": 2, "flows": [], "created_at": 0,
            "git_path": "/git/split.git", "triggers": [],
            "actions": [{"name": "each", "type": None, "title": "Each"}],
        },
        "GET /components/split/versions/2": {"descriptor": {"actions": {"each": offer}}},
        "GET /components/split/variables": {"variables": []},
    }  # fmt: skip
    assert main(["component", "show", "split"]) == 0
    said = capsys.readouterr().out
    assert "\naction each\n  Takes lists apart.\n  Nothing is emitted as nothing. [2J\n" in said
    assert "  path" in said and "required" in said
    assert "Keys separated by dots; e.g. order.lines" in said
    assert "Folder; default /srv/[in]; a path that the step may read" in said
    assert "Kind; one of csv, json" in said


VARIABLES: dict[str, Any] = {
    "component": "shop",
    "variables": [
        {"name": "KEY", "is_set": False, "required": True, "declared": True, "description": "Key of it"},
        {"name": "SITE", "is_set": True, "required": False, "declared": True, "description": ""},
        {"name": "OTHER", "is_set": True, "required": False, "declared": False, "description": ""},
    ],
    "author": "ada",
    "changed_at": 1_700_000_000_000,
    "behind": ["orders"],
}


def test_a_component_is_shown_with_its_credential_and_what_is_deprecated(server: Server, capsys: Out) -> None:
    note = "from the shop's <b>settings</b>, <a href='/x'>more</a>, < 9"
    key = {"label": "Key", "viewClass": "PasswordFieldView", "required": True, "note": note}
    descriptor = {
        "deprecated": True,
        "credentials": {"fields": {"key": key, "odd": "text"}, "oauth2": {"client_id": "x"}},
        "actions": {"old": {"deprecated": True}, "new": {}},
    }
    actions = [{"name": name, "type": None, "title": name.title()} for name in ("old", "new")]
    server.answers |= {
        "GET /components/shop": {
            "name": "shop", "title": "Shop", "description": "", "latest": 1, "flows": [], "created_at": 0,
            "git_path": "/git/shop.git", "triggers": [], "actions": actions,
        },
        "GET /components/shop/versions/1": {"descriptor": descriptor},
        "GET /components/shop/variables": VARIABLES,
    }  # fmt: skip
    assert main(["component", "show", "shop"]) == 0
    said = capsys.readouterr().out
    assert "Shop (deprecated)" in said
    assert "Old (deprecated)" in said and "New (deprecated)" not in said
    assert "its credential, which gets tokens by OAuth 2" in said
    assert "from the shop's settings, more, < 9" in said and "required" in said
    assert "odd" not in said
    assert "SITE, OTHER; missing: KEY (headrace component env shop --set …)" in said


def test_variables_of_a_component_are_set_and_told_by_name(server: Server, capsys: Out, tmp_path: Path) -> None:
    server.answers |= {"GET /components/shop/variables": VARIABLES, "PATCH /components/shop/variables": VARIABLES}
    assert main(["component", "env", "shop"]) == 0
    said = capsys.readouterr().out
    assert [line.split() for line in said.splitlines()[1:4]] == [
        ["KEY", "missing", "Key", "of", "it"], ["SITE", "set"], ["OTHER", "set", "not", "in", "component.json"]
    ]  # fmt: skip
    assert "orders still run with those of before. Next: headrace component rollout shop" in said
    (tmp_path / "all.yaml").write_text("KEY: s3cret\nRETRIES: 3\nDEBUG: true\n")
    (tmp_path / "pem").write_text("line\nline\n")
    given = ["--file", str(tmp_path / "all.yaml"), "--set-file", f"PEM={tmp_path / 'pem'}", "--unset", "SITE"]
    assert main(["component", "env", "shop", *given, "--set", "A=b=c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == VARIABLES
    assert server.bodies("PATCH /components/shop/variables") == [
        {"values": {"KEY": "s3cret", "RETRIES": "3", "DEBUG": "true", "PEM": "line\nline\n", "A": "b=c", "SITE": None}}
    ]
