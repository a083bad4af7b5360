"""Credentials as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.double import Refusal, Server, page

from headrace.cli import main

CREDENTIAL: dict[str, Any] = {
    "name": "prod",
    "component": "shop",
    "author": "ada",
    "created_at": 1_700_000_000_000,
    "changed_at": 1_700_000_000_000,
    "state": "verified",
    "reason": "",
    "checked_at": 1_700_000_000_000,
    "fields": [
        {"name": "user", "label": "User", "view_class": "TextFieldView", "required": True, "is_set": True, "note": ""},
        {"name": "pin", "label": "", "view_class": "PasswordFieldView", "required": False, "is_set": False, "note": ""},
    ],
    "others": [],
    "connects": False,
    "connected": False,
    "token_until": None,
    "token_due_at": None,
    "flows": ["orders"],
}
FAILED = CREDENTIAL | {"state": "failed", "reason": "wrong password"}
DESCRIPTOR = {"credentials": {"fields": {"user": {"label": "User"}, "pin": {"viewClass": "PasswordFieldView"}}}}
Out = pytest.CaptureFixture[str]


def test_values_come_from_a_file_from_single_files_and_from_options(server: Server, tmp_path: Path) -> None:
    server.answers = {"POST /credentials": CREDENTIAL}
    (tmp_path / "all.yaml").write_text("user: file\npin: file\nkey: file\n")
    (tmp_path / "key.pem").write_text("line\nline\n")
    given = ["--file", str(tmp_path / "all.yaml"), "--set-file", f"key={tmp_path / 'key.pem'}", "--set", "pin=a=b"]
    assert main(["credential", "create", "prod", "-c", "shop", *given]) == 0
    assert server.bodies("POST /credentials") == [
        {
            "name": "prod",
            "component": "shop",
            "values": {"user": "file", "pin": "a=b", "key": "line\nline\n"},
            "verify": True,
        }
    ]


def test_values_are_read_from_standard_input(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    server.answers = {"PATCH /credentials/prod": CREDENTIAL}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"pin": "1234"}')))
    assert main(["credential", "edit", "prod", "--file", "-", "--unset", "user", "--no-verify"]) == 0
    body = {"values": {"pin": "1234", "user": None}, "verify": False}
    assert server.bodies("PATCH /credentials/prod") == [body]


@pytest.mark.parametrize("text", ["pin: [", "just text", "- a\n- b", "1: x"])
def test_a_file_without_names_and_values_is_told_without_its_text(
    server: Server, tmp_path: Path, capsys: Out, text: str
) -> None:
    (tmp_path / "values").write_text(text)
    assert main(["credential", "edit", "prod", "--file", str(tmp_path / "values")]) == 1
    said = capsys.readouterr().err
    assert "bad-file" in said and "just text" not in said
    assert server.asked == []


@pytest.mark.parametrize("pair", ["pin", "=x"])
def test_a_value_needs_a_name(server: Server, pair: str) -> None:
    assert main(["credential", "edit", "prod", "--set", pair]) == 2


def test_without_values_a_person_is_asked_and_passwords_are_not_seen(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(label: str, *, hide_input: bool, **_: Any) -> str:
        asked.append((label, hide_input))
        return "" if label.startswith("User") else "1234"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("headrace.cli.values.typer.prompt", prompt)
    server.answers = {
        "GET /components/shop": {"latest": 3},
        "GET /components/shop/versions/3": {"descriptor": DESCRIPTOR},
        "POST /credentials": CREDENTIAL,
        "GET /credentials/prod": CREDENTIAL,
        "PATCH /credentials/prod": CREDENTIAL,
    }
    assert main(["credential", "create", "prod", "-c", "shop"]) == 0
    assert main(["credential", "edit", "prod"]) == 0
    assert asked == [("User [none]", False), ("pin [none]", True), ("User [kept]", False), ("pin [none]", True)]
    assert server.bodies("POST /credentials")[0]["values"] == {"pin": "1234"}
    assert server.bodies("PATCH /credentials/prod")[0]["values"] == {"pin": "1234"}


def test_one_that_is_not_good_is_told_and_the_command_fails(server: Server, capsys: Out) -> None:
    server.answers = {"POST /credentials": FAILED, "POST /credentials/prod/verify": FAILED}
    assert main(["credential", "create", "prod", "-c", "shop", "--set", "user=x"]) == 1
    said = capsys.readouterr()
    assert "Created prod, but it is not good: wrong password" in said.err
    assert main(["credential", "verify", "prod", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == FAILED


def test_lists_and_pages_say_what_is_set(server: Server, capsys: Out) -> None:
    server.answers = {
        "GET /credentials": page(CREDENTIAL, FAILED | {"name": "test"}),
        "GET /credentials/prod": CREDENTIAL,
    }
    assert main(["credential", "list", "--component", "shop"]) == 0
    assert server.queries["GET /credentials"] == {"component": "shop"}
    said = capsys.readouterr().out
    assert "prod        shop       verified" in said and "wrong password" in said
    assert main(["credential", "show", "prod"]) == 0
    said = capsys.readouterr().out
    assert "user   set" in said and "orders" in said
    assert main(["credential", "show", "prod", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == CREDENTIAL


def test_what_is_next_after_one_that_connects(server: Server, capsys: Out) -> None:
    server.answers = {
        "POST /credentials": CREDENTIAL
        | {"connects": True, "state": "unverified", "reason": "it is not connected yet"},
        "POST /credentials/prod/connect": {"url": "https://provider/authorize?x=y"},
    }
    assert main(["credential", "create", "prod", "-c", "shop", "--set", "user=x"]) == 0
    said = capsys.readouterr().out
    assert "not verified (it is not connected yet)" in said and "headrace credential connect prod" in said
    assert main(["credential", "connect", "prod"]) == 0
    assert capsys.readouterr().out == "https://provider/authorize?x=y\n"


def test_removing_asks_first_and_refusals_are_told(server: Server, capsys: Out) -> None:
    server.answers = {"DELETE /credentials/prod": Refusal(409, "in-use", "credential `prod` is used by orders")}
    assert main(["credential", "remove", "prod", "--yes"]) == 1
    assert "used by orders" in capsys.readouterr().err


def test_a_new_key_is_told(server: Server, capsys: Out) -> None:
    server.answers = {"POST /credentials/rotate-key": {"credentials": 2}}
    assert main(["credential", "rotate-key"]) == 0
    assert "2 credentials" in capsys.readouterr().out


def test_a_step_s_schema_and_choices_are_asked_of_the_component(server: Server, capsys: Out) -> None:
    server.answers = {
        "GET /components/shop": {"triggers": [{"name": "new"}], "actions": [{"name": "find"}]},
        "POST /components/shop/meta-model": {"takes": None, "gives": {}, "dynamic": True},
        "POST /components/shop/choices": {"choices": {"eu": "Europe"}},
    }
    assert main(["component", "schema", "shop/new", "--set", "a=b", "--version", "3"]) == 0
    assert server.bodies("POST /components/shop/meta-model") == [
        {"kind": "trigger", "function": "new", "version": 3, "fields": {"a": "b"}}
    ]
    assert json.loads(capsys.readouterr().out)["dynamic"] is True
    assert main(["component", "choices", "shop/find", "region", "--credential", "prod"]) == 0
    assert server.bodies("POST /components/shop/choices") == [
        {
            "kind": "action",
            "function": "find",
            "version": "latest",
            "fields": {},
            "credential": "prod",
            "field": "region",
        }
    ]
    assert "Europe" in capsys.readouterr().out
    assert main(["component", "schema", "shop"]) == 2
