"""Editing a draft in an editor: real programs stand in for a person."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.double import Refusal, Server
from tests.unit.cli.samples import FLOW

from headrace.cli import editor, main
from headrace.errors import Problem

Out = pytest.CaptureFixture[str]
TEXT = "flow: orders\nsteps:\n  - id: hook\n    trigger: webhook/receive\n"
MISTAKE = {"path": "steps[0].trigger", "reason": "r", "message": "no such trigger", "severity": "error"}

Person = Callable[[str], None]


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Makes the editor a Python script, which finds the text in ``text``, its turn in ``turn``, and writes ``text``."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def becomes(script: str) -> None:
        program = tmp_path / "edit.py"
        turns = tmp_path / "turns"
        turns.write_text("")
        program.write_text(
            "import sys, pathlib\n"
            f"path, turns = pathlib.Path(sys.argv[-1]), pathlib.Path({str(turns)!r})\n"
            "turns.write_text(turns.read_text() + '.')\n"
            "turn, text = len(turns.read_text()), path.read_text()\n"
            f"{script}\n"
            "path.write_text(text)\n"
        )
        command = tmp_path / "my editor"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", f"'{command}' --wait")

    return becomes


@pytest.fixture
def drafted(server: Server) -> Server:
    """A flow with a draft, in which there are no mistakes."""
    server.answers |= {
        "GET /flows/orders/draft": {"document": TEXT, "tag": 5, "edited": None},
        "GET /flows/orders": FLOW,
        "POST /flows/lint": {"problems": []},
        "PUT /flows/orders/draft": {"flow": "orders", "tag": 6, "created": False, "problems": []},
    }
    return server


def kept(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("headrace-*/*"))


def saved(server: Server) -> list[Any]:
    return server.bodies("PUT /flows/orders/draft")


def test_what_was_edited_is_saved_with_the_tag_it_was_read_with(
    drafted: Server, person: Person, capsys: Out, tmp_path: Path
) -> None:
    person("text = text.replace('hook', 'receive')")
    assert main(["flow", "edit", "orders"]) == 0
    assert saved(drafted) == [{"document": TEXT.replace("hook", "receive"), "tag": 5}]
    assert "headrace flow publish orders" in capsys.readouterr().out
    assert list(tmp_path.glob("headrace-*")) == []


def test_who_edits_it_in_a_browser_is_said(drafted: Server, person: Person, capsys: Out) -> None:
    edited = {"author": "bob", "since": 1_700_000_000_000}
    drafted.answers["GET /flows/orders/draft"] = {"document": TEXT, "tag": 5, "edited": edited}
    person("text += '# mine\\n'")
    assert main(["flow", "edit", "orders"]) == 0
    assert "bob edits the draft of orders in a browser, since 2023-11-1" in capsys.readouterr().err


def test_without_a_draft_the_newest_version_is_edited(drafted: Server, person: Person) -> None:
    drafted.answers["GET /flows/orders/draft"] = Refusal(404, "no-draft")
    drafted.answers["GET /flows/orders/versions/3"] = {"document": "flow: orders # three\n"}
    person("text += 'steps: []\\n'")
    assert main(["flow", "edit", "orders"]) == 0
    assert saved(drafted) == [{"document": "flow: orders # three\nsteps: []\n", "tag": FLOW["draft_tag"]}]


def test_a_flow_with_nothing_to_edit_says_what_to_do(drafted: Server, capsys: Out) -> None:
    drafted.answers["GET /flows/orders/draft"] = Refusal(404, "no-draft")
    drafted.answers["GET /flows/orders"] = {**FLOW, "version": None}
    assert main(["flow", "edit", "orders"]) == 1
    assert "headrace flow apply FILE" in capsys.readouterr().err
    drafted.answers["GET /flows/orders/draft"] = Refusal(404, "flow-not-found", "there is no flow `orders`")
    assert main(["flow", "edit", "orders"]) == 1
    assert "there is no flow `orders`" in capsys.readouterr().err


def test_leaving_the_editor_without_a_change_saves_nothing(drafted: Server, person: Person, capsys: Out) -> None:
    person("")
    assert main(["flow", "edit", "orders"]) == 0
    assert saved(drafted) == []
    assert "Nothing was changed." in capsys.readouterr().out


def test_mistakes_open_the_editor_again_and_are_shown_in_it(drafted: Server, person: Person, tmp_path: Path) -> None:
    answers = iter([{"problems": [MISTAKE]}, {"problems": []}])
    drafted.answers["POST /flows/lint"] = lambda _request: next(answers)
    shown = tmp_path / "shown"
    person(
        "if turn == 1: text = text.replace('receive', 'recieve')\n"
        f"else: pathlib.Path({str(shown)!r}).write_text(text); text = text.replace('recieve', 'receive # mended')"
    )
    assert main(["flow", "edit", "orders"]) == 0
    lines = shown.read_text().splitlines()
    [told] = [line for line in lines if "no such trigger" in line]
    number = int(re.search(r"line (\d+)", told)[1])  # type: ignore[index]
    assert lines[number - 1].strip() == "trigger: webhook/recieve"
    assert saved(drafted)[-1]["document"] == TEXT.replace("receive", "receive # mended")


def test_giving_up_on_mistakes_keeps_the_text_and_names_the_file(
    drafted: Server, person: Person, capsys: Out, tmp_path: Path
) -> None:
    drafted.answers["POST /flows/lint"] = {"problems": [MISTAKE]}
    person("if turn == 1: text = text.replace('receive', 'recieve')")
    assert main(["flow", "edit", "orders"]) == 1
    [file] = kept(tmp_path)
    said = capsys.readouterr().err
    assert f"Your text is kept in {file}" in said and "draft-not-saved" in said
    assert editor.bare(file.read_text()) == TEXT.replace("receive", "recieve")
    drafted.answers["POST /flows/lint"] = {"problems": []}
    assert main(["flow", "edit", "orders", "--file", str(file)]) == 0
    assert saved(drafted) == [{"document": TEXT.replace("receive", "recieve"), "tag": 5}]


@pytest.mark.parametrize(
    "answer", [Refusal(503, "store-busy"), Refusal(413, "too-large"), Refusal(401, "bad-token"), "no json"]
)
def test_whatever_goes_wrong_the_text_is_kept(
    drafted: Server, person: Person, capsys: Out, tmp_path: Path, answer: Any
) -> None:
    drafted.answers["PUT /flows/orders/draft"] = answer
    person("text += '# mine\\n'")
    assert main(["flow", "edit", "orders"]) == 1
    [file] = kept(tmp_path)
    assert file.read_text() == TEXT + "# mine\n"
    assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize(("change", "left"), [("", 0), ("path.write_text(text + '#')\n", 1)])
def test_an_editor_that_fails_is_told(drafted: Server, person: Person, tmp_path: Path, change: str, left: int) -> None:
    person(f"{change}sys.exit(3)")
    assert main(["flow", "edit", "orders"]) == 1
    assert (saved(drafted), len(kept(tmp_path))) == ([], left)


def test_an_editor_that_is_not_there_is_told(
    drafted: Server, capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for command in ("/nowhere/editor", "'unbalanced"):
        monkeypatch.setenv("VISUAL", command)
        assert main(["flow", "edit", "orders"]) == 1
        assert "no-editor" in capsys.readouterr().err
    assert kept(tmp_path) == []


def test_text_that_is_not_utf_8_is_told_and_kept(drafted: Server, person: Person, tmp_path: Path) -> None:
    person("path.write_bytes(b'flow: \\xff\\n'); sys.exit(0)")
    assert main(["flow", "edit", "orders"]) == 1
    assert [file.read_bytes() for file in kept(tmp_path)] == [b"flow: \xff\n"]


# -- two people


def conflict(server: Server, theirs: str | None) -> None:
    """Saving over tag 5 is stale: the draft is ``theirs`` (None: it was published) now, with tag 7."""

    def save(request: Any) -> Any:
        import json

        sent = json.loads(request.content)
        if sent["tag"] != 7:
            draft = {"tag": 7, "author": "bob", "saved_at": 1, "theirs": theirs, "yours": sent["document"]}
            return Refusal(409, "stale-draft", "changed by bob", draft=draft)
        return {"flow": "orders", "tag": 8, "created": False, "problems": []}

    def read(_request: Any) -> Any:
        if not saved(server):
            return {"document": TEXT, "tag": 5, "edited": None}
        return {"document": theirs, "tag": 7, "edited": None} if theirs is not None else Refusal(404, "no-draft")

    server.answers["PUT /flows/orders/draft"] = save
    server.answers["GET /flows/orders/draft"] = read
    server.answers["GET /flows/orders"] = {**FLOW, "draft_tag": 7}


def test_what_somebody_else_saved_meanwhile_comes_into_the_editor_beside_ones_own(
    drafted: Server, person: Person, tmp_path: Path
) -> None:
    conflict(drafted, TEXT + "# bob\n")
    shown = tmp_path / "shown"
    person(
        "if turn == 1: text += '# mine\\n'\n"
        f"else: pathlib.Path({str(shown)!r}).write_text(text); text = ''.join(\n"
        "    line for line in text.splitlines(True) if line[:7] not in ('<<<<<<<', '=======', '>>>>>>>'))"
    )
    assert main(["flow", "edit", "orders"]) == 0
    assert "<<<<<<< yours\n# mine\n=======\n# bob\n>>>>>>> bob\n" in shown.read_text()
    assert saved(drafted)[-1] == {"document": TEXT + "# mine\n# bob\n", "tag": 7}


def test_giving_up_on_a_conflict_keeps_both(drafted: Server, person: Person, tmp_path: Path) -> None:
    conflict(drafted, TEXT + "# bob\n")
    person("if turn == 1: text += '# mine\\n'")
    assert main(["flow", "edit", "orders"]) == 1
    [file] = kept(tmp_path)
    assert "# mine" in file.read_text() and "# bob" in file.read_text()


@pytest.mark.parametrize("theirs", [TEXT, TEXT + "# mine\n"])
def test_there_is_no_conflict_where_nothing_differs(drafted: Server, person: Person, theirs: str) -> None:
    conflict(drafted, theirs)
    person("text += '# mine\\n'")
    assert main(["flow", "edit", "orders"]) == 0


def test_a_draft_that_was_published_meanwhile_is_no_conflict(drafted: Server, person: Person) -> None:
    conflict(drafted, None)
    drafted.answers["GET /flows/orders/versions/3"] = {"document": TEXT}
    person("text += '# mine\\n'")
    assert main(["flow", "edit", "orders"]) == 0
    assert saved(drafted)[-1] == {"document": TEXT + "# mine\n", "tag": 7}


def test_a_file_that_is_stale_shows_the_difference(drafted: Server, capsys: Out, tmp_path: Path) -> None:
    conflict(drafted, TEXT + "# bob\n")
    file = tmp_path / "orders.yaml"
    file.write_text(TEXT + "# mine\n")
    assert main(["flow", "edit", "orders", "--file", str(file), "--tag", "5"]) == 1
    said = capsys.readouterr().err
    assert "-# bob" in said and "+# mine" in said
    assert f"--file {file} --tag 7" in said
    assert main(["flow", "edit", "orders", "--file", str(file), "--tag", "7", "--json"]) == 0


def test_a_file_with_mistakes_is_not_saved(drafted: Server, capsys: Out, tmp_path: Path) -> None:
    drafted.answers["POST /flows/lint"] = {"problems": [MISTAKE]}
    file = tmp_path / "orders.yaml"
    file.write_text(TEXT)
    assert main(["flow", "edit", "orders", "--file", str(file)]) == 1
    assert "no such trigger" in capsys.readouterr().err
    assert saved(drafted) == []


# -- marks and comments


def test_a_mistake_within_something_is_told_at_its_line() -> None:
    problems = [Problem("steps[0].fields.region", "r", "unknown"), Problem("", "r", "everything")]
    text = editor.annotated("a\nb\n", "Told", problems, {"": 1, "steps[0]": 2})
    assert text.splitlines()[1:3] == ["#! line 6: steps[0].fields.region: unknown", "#! everything"]
    assert text.splitlines()[5] == "b"
    assert editor.bare(text) == "a\nb\n"


LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=8).map(lambda lines: "".join(f"{x}\n" for x in lines))


def side(text: str, *, yours: bool) -> str:
    """What is left of a merge when only one side is kept."""
    found, within = [], ""
    for line in text.splitlines(keepends=True):
        if line.startswith(("<<<<<<< ", "=======\n", ">>>>>>> ")):
            within = {"<": "yours", "=": "theirs", ">": ""}[line[0]]
        elif not within or (within == "yours") == yours:
            found.append(line)
    return "".join(found)


@given(LINES, LINES)
def test_a_merge_holds_all_of_both_texts(yours: str, theirs: str) -> None:
    text = editor.merged(yours, theirs, "bob")
    assert side(text, yours=True) == yours
    assert side(text, yours=False) == theirs


@given(LINES)
def test_equal_texts_need_no_marks(text: str) -> None:
    assert editor.merged(text, text, "bob") == text


# -- the rest of a draft


def test_a_draft_is_shown_and_discarded(drafted: Server, capsys: Out) -> None:
    drafted.answers["DELETE /flows/orders/draft"] = None
    assert main(["flow", "draft", "show", "orders"]) == 0
    assert capsys.readouterr().out == TEXT
    assert main(["flow", "draft", "discard", "orders"]) == 0
    assert "Discarded the draft of orders." in capsys.readouterr().out


def test_a_diff_is_shown_by_step_and_key(server: Server, capsys: Out) -> None:
    change = {"kind": "changed", "step": "erp", "path": "timeout", "before": "5s", "after": "9s", "text": ""}
    version = {"what": "version", "version": 3, "epoch": 7}
    server.answers["GET /flows/orders/diff"] = {
        "flow": "orders", "before": version, "after": {"what": "draft", "version": None, "epoch": None},
        "changes": [change],
    }  # fmt: skip
    assert main(["flow", "diff", "orders"]) == 0
    assert capsys.readouterr().out == 'version 3 (deployment 7) → draft\n  ~ step erp: timeout  "5s" → "9s"\n'
    assert server.queries["GET /flows/orders/diff"] == {}
    assert main(["flow", "diff", "orders", "2", "running", "--json"]) == 0
    assert server.queries["GET /flows/orders/diff"] == {"from": "2", "to": "running"}
