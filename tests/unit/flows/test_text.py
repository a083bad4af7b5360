"""Reading YAML and JSON: JSON's types only, every mistake with its place, nothing that blows up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.flows.strategies import texts, values

from headrace.errors import Problem
from headrace.flows.findings import Findings
from headrace.flows.text import MAX_BYTES, MAX_DEPTH, Unreadable, lines, read, write


def value(text: str | bytes) -> Any:
    findings = Findings()
    result = read(text, findings)
    assert not findings
    return result


def problems(text: str | bytes) -> list[Problem]:
    findings = Findings()
    try:
        read(text, findings)
    except Unreadable:
        assert findings
    return findings.found


def only(text: str | bytes) -> tuple[str, str]:
    (problem,) = problems(text)
    return problem.path, problem.reason


class TestTypes:
    @pytest.mark.parametrize(
        "word",
        [
            "on",
            "off",
            "yes",
            "No",
            "y",
            "2024-01-01",
            "12:30",
            "0x1F",
            "1_000",
            "012",
            "+1",
            ".5",
            ".inf",
            ".nan",
            "1.",
            "nan",
            "=",
            "tRUE",
        ],
    )
    def test_what_only_yaml_takes_for_something_else_is_text(self, word: str) -> None:
        assert value(f"a: {word}") == {"a": word}

    @pytest.mark.parametrize(
        ("word", "meaning"),
        [
            ("true", True),
            ("False", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("-7", -7),
            ("1.50", 1.5),
            ("1e3", 1000.0),
            ("0", 0),
        ],
    )
    def test_words_and_numbers_of_json(self, word: str, meaning: Any) -> None:
        assert value(f"a: {word}") == {"a": meaning}
        assert value(f"a: '{word}'") == {"a": word}

    def test_keys_are_text(self) -> None:
        assert value("on: 1\n200: 2\nnull: 3") == {"on": 1, "200": 2, "null": 3}

    def test_anchors_repeat_a_value(self) -> None:
        assert value("a: &x {n: [1]}\nb: *x\nc: [*x]") == {"a": {"n": [1]}, "b": {"n": [1]}, "c": [{"n": [1]}]}

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": [1, "\\ud83d\\ude00"]}',
            '{\t"a":\n\t[1, "😀"]}',
            "{a: [1, 😀]}",
            '{"a": [1, "😀"],}',
            "\ufeff{\"a\": [1, '😀']}",
        ],
    )
    def test_json_and_flow_style(self, text: str) -> None:
        assert value(text) == value(text.encode()) == {"a": [1, "😀"]}


class TestMistakes:
    def test_a_repeated_key(self) -> None:
        assert only("a: {b: 1, c: 2, b: 3}") == ("a.b", "duplicate-key")
        assert only('{"a": [{"b": 1, "b": 2}]}') == ("a[0].b", "duplicate-key")

    def test_all_are_found_at_once(self) -> None:
        found = problems("<<: 1\na: &x [*x]\nc: *d\n? [1]\n: !!python/object:os.system x\nn: 1" + "0" * 400)
        assert [problem.reason for problem in found] == ["merge-key", "alias", "alias", "key", "tag", "number"]

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9223372036854775808", "1" + "0" * 5000])
    def test_numbers_beyond_64_bits(self, number: str) -> None:
        assert only(f'{{"a": {number}}}') == ("a", "number")

    def test_half_a_character(self) -> None:
        assert only('{"a": "\\ud800"}') == ("a", "encoding")
        assert [problem.reason for problem in problems('{"\\udc00": 1}')] == ["encoding"]
        assert only("a: \ud800") == ("", "encoding")

    @pytest.mark.parametrize(
        ("text", "reason", "says"),
        [
            ("", "empty", "empty"),
            ("# only a comment\n", "empty", "empty"),
            (b"flow: \xff", "encoding", "Byte 6"),
            (b"\xff\xfef\0", "encoding", "UTF-8"),
            ("a: b: c", "syntax", "Line 1, column 5"),
            ("a:\n\t- b", "syntax", "Line 2, column 1"),
            ("a: 'b", "syntax", "end of stream"),
            ('{"a": 1', "syntax", "Line 1, column 8"),
            ('{"a" 1}', "syntax", "Line 1, column 6"),
            ("[1", "syntax", "flow sequence"),
            ("a: \0", "syntax", "control characters"),
            ("--- 1\n--- 2", "syntax", "more than one document"),
            ("a: *x", "alias", "not defined"),
        ],
    )
    def test_text_that_cannot_be_read(self, text: str | bytes, reason: str, says: str) -> None:
        (problem,) = problems(text)
        assert problem.reason == reason
        assert says in problem.message


class TestBombs:
    @pytest.mark.parametrize(
        "text",
        [
            "[" * 400_000,
            '{"a":' * 100_000,
            "{a: " * 100_000,
            "- " * 100_000,
            "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 300)),
        ],
    )
    def test_deep_nesting(self, text: str) -> None:
        (problem,) = problems(text)
        assert problem.reason == "too-deep"

    def test_the_deepest_that_is_allowed(self) -> None:
        assert problems("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH) == []
        assert problems("[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1))

    def test_aliases_of_aliases(self) -> None:
        bomb = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
        assert only(bomb) == ("", "too-large")

    def test_aliases_do_not_hide_depth(self) -> None:
        tower = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} {'[' * 20}*a{n - 1}{']' * 20}\n" for n in range(1, 9))
        (problem,) = problems(tower)
        assert problem.reason == "too-deep"

    def test_size(self) -> None:
        assert only("x" * (MAX_BYTES + 1)) == ("", "too-large")
        assert only(b"x" * (MAX_BYTES + 1)) == ("", "too-large")
        assert only("é" * (MAX_BYTES // 2 + 1)) == ("", "too-large")
        assert only("[" + "1," * 60_000 + "1]") == ("", "too-large")

    def test_a_thousand_mistakes_are_counted_not_listed(self) -> None:
        findings = Findings()
        read("- {a: 1, a: 2}\n" * 1000, findings)
        assert len(findings.problems) == 501
        assert "500 more" in findings.problems[-1].message


@given(st.text() | st.binary() | st.text("[]{}:,-&*!|>'\"%@ \t\nab1?#<~"))
@example("%YAML 9.9\n---\na")
@example("? \n")
def test_anything_is_read_or_explained(text: str | bytes) -> None:
    problems(text)
    if isinstance(text, str):
        lines(text)


@given(st.dictionaries(texts, values, max_size=4))
@example(
    {"a": "1e5", "b": "=", "c": "<<", "d": "\x85", "e": " x\n\n y\n", "f": "\n", "g": "\u2028\ufeff\0\x7f", "h": "- a"}
)
def test_what_is_written_reads_back(members: dict[str, Any]) -> None:
    assert value(write(members)) == members
    assert value(json.dumps(members)) == members


def test_lines_of_each_path() -> None:
    text = "flow: f\nsteps:\n  - id: a\n    fields:\n      x: 1\n  - id: b\n"
    found = lines(text)
    assert (found["flow"], found["steps[0].fields.x"], found["steps[1]"], found["steps[1].id"]) == (1, 5, 6, 6)
    assert lines("flow: f\na: b: c")["flow"] == 1
