"""Commands given what makes no sense, or what a terminal should not obey."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.double import Refusal, Server, page
from tests.unit.cli.test_commands import ERROR, Out

from headrace.cli import main


@pytest.mark.parametrize("content", [b"\xff\xfeflow: x", b"flow: \x80"])
def test_a_file_that_is_no_text_is_a_plain_error(server: Server, tmp_path: Path, content: bytes, capsys: Out) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    for command in ("lint", "apply"):
        assert main(["flow", command, str(tmp_path / "x.yaml")]) == 1
        assert "is not text in UTF-8" in capsys.readouterr().err
        assert main(["flow", command, str(tmp_path)]) == 1
        assert "Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["flow: x\nat: 2024-13-45", '{"flow": "../x"}', "[" * 9000, "a: &a [*a]", "flow: a?b", "flow: 3"]
)
def test_a_document_that_makes_no_sense_is_for_lint_to_explain(
    server: Server, tmp_path: Path, text: str, capsys: Out
) -> None:
    (tmp_path / "x.yaml").write_text(text)
    problem = {"path": "", "reason": "r", "message": "this and that", "severity": "error"}
    server.answers["POST /flows/lint"] = {"problems": [problem], "flow": None}
    server.answers["PUT /flows/x/draft"] = Refusal(422, "flow-document", problems=[problem])
    assert main(["flow", "apply", str(tmp_path / "x.yaml")]) == 1
    assert "this and that" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../flows", "a/b", "a?b=c", "a#b", "%2e%2e", "ü"])
def test_a_name_is_a_name_whatever_it_is_made_of(server: Server, name: str, capsys: Out) -> None:
    server.answers["GET /flows"] = page()
    assert main(["component", "show", name]) == 1
    [(asked, _)] = server.asked
    assert asked == f"GET /components/{name}"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_can_be_no_name_is_not_asked_for(server: Server, name: str, capsys: Out) -> None:
    assert main(["flow", "show", name]) == 1
    assert "reason: bad-name" in capsys.readouterr().err
    assert server.asked == []


def test_brackets_and_control_characters_are_shown_and_not_obeyed(server: Server, capsys: Out) -> None:
    line = {"at": 1_700_000_000_000, "step": "erp", "level": "info", "text": "\x1b[2J [/red] \x85 \u2028 end"}
    server.answers |= {
        "GET /flows/orders/logs": json.dumps(line, ensure_ascii=False) + "\n",
        "GET /components/erp": {
            "name": "erp", "title": "[/b] \x1b[31m", "description": "[bold]", "latest": None, "flows": ["[x]"],
            "created_at": 0, "git_path": "/git/erp.git", "triggers": [], "actions": [],
        },
        "GET /components/erp/variables": {"variables": []},
    }  # fmt: skip
    assert main(["logs", "orders"]) == 0
    assert "[2J [/red]     end" in capsys.readouterr().out
    assert main(["component", "show", "erp"]) == 0
    said = capsys.readouterr().out
    assert "[/b]  [31m" in said
    assert "http://headrace.test/git/erp.git" in said


def test_a_long_message_of_an_error_is_one_line(server: Server, capsys: Out) -> None:
    server.answers["GET /errors"] = page({**ERROR, "message": "first\nsecond " + "e" * 100_000})
    assert main(["errors"]) == 0
    said = capsys.readouterr().out
    assert "first second" in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    ("url", "token", "reason"),
    [
        ("http://[::", "hr_x", "bad-url"),
        ("headrace.test", "hr_x", "bad-url"),
        ("http://headrace.test?x=1", "hr_x", "bad-url"),
        ("http://headrace.test", "ü", "bad-token"),
        ("http://headrace.test", "a\nb", "bad-token"),
    ],
)
def test_an_address_or_token_that_makes_no_sense_is_told(  # noqa: PLR0917 - the case and the fixtures
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str, token: str, reason: str, capsys: Out
) -> None:
    monkeypatch.setenv("HEADRACE_URL", url)
    monkeypatch.setenv("HEADRACE_TOKEN", token)
    assert main(["status"]) == 1
    assert f"reason: {reason}" in capsys.readouterr().err


def test_an_answer_of_somebody_else_is_told(server: Server, capsys: Out) -> None:
    server.answers["GET /status"] = "<html>welcome</html>"
    assert main(["status"]) == 1
    assert "is no Headrace" in capsys.readouterr().err


def test_a_build_log_is_lines_or_json(server: Server, capsys: Out) -> None:
    server.answers["GET /components/erp/versions/2/log"] = "one\x0ctwo\nready\n"
    assert main(["component", "log", "erp", "2"]) == 0
    assert capsys.readouterr().out == "one two\nready\n"
    assert main(["component", "log", "erp", "2", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"revision": 2, "text": "one\x0ctwo"}, {"revision": 2, "text": "ready"}]


def test_a_refusal_without_a_next_step_points_to_the_page_of_reasons(server: Server, capsys: Out) -> None:
    server.answers["GET /executions/x"] = Refusal(409, "in-use")
    assert main(["execution", "show", "x"]) == 1
    assert "next:   docs/reference/errors.md" in capsys.readouterr().err


def test_nothing_to_run_again_is_told(server: Server, capsys: Out) -> None:
    server.answers["POST /errors/retry"] = {"retried": [], "skipped": [], "more": False}
    assert main(["retry", "--flow", "orders"]) == 0
    assert "no open errors" in capsys.readouterr().out
