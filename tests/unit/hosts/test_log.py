from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from headrace_host.log import Log, current_call, take_over_logging
from headrace_sdk.logger import filled_in


class Lines(list[dict[str, Any]]):
    congested = False

    def __init__(self) -> None:
        self.log = Log(lambda **keys: self.append(keys), lambda: self.congested)


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.root
    handlers, level = root.handlers[:], root.level
    yield Lines()
    root.handlers[:], root.level = handlers, level


def test_lines_are_dropped_and_counted_while_the_worker_is_slow(lines: Lines) -> None:
    lines.congested = True
    lines.log.write("info", "a")
    lines.log.write("info", "b")
    lines.congested = False
    lines.log.write("info", "c")
    assert [line["text"] for line in lines] == ["2 log lines were dropped: the worker is too slow for them", "c"]


def test_fields_become_json(lines: Lines) -> None:
    lines.log.logger(1).info("x", n=float("nan"), deep=[[[[[[1]]]]]], error=ValueError("v"), half="\ud800", b=b"1")
    fields = lines[0]["fields"]
    assert fields == {"n": "nan", "deep": [[[["[[1]]"]]]], "error": "ValueError: v\n", "half": "\\ud800", "b": "b'1'"}


def test_long_lines_are_cut(lines: Lines) -> None:
    lines.log.write("info", "x" * 100_000)
    assert lines[0]["text"].endswith("… (100000 characters)")
    assert len(lines[0]["text"]) < 65_000


def test_levels_below_the_threshold_cost_nothing(lines: Lines) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise AssertionError

    lines.log.logger(1).debug(Unprintable())
    assert not lines


def test_children_add_fields_and_inherit(lines: Lines) -> None:
    lines.log.logger(1).child(a=1, b=1).child(b=2).warn("x", c=3)
    assert lines[0]["fields"] == {"a": 1, "b": 2, "c": 3}


def test_a_warning_may_be_called_as_python_calls_it(lines: Lines) -> None:
    lines.log.logger(1).warning("%d left", 2)
    assert (lines[0]["level"], lines[0]["text"]) == ("warn", "2 left")


def test_logging_is_taken_over_with_its_levels_and_the_call(lines: Lines) -> None:
    take_over_logging(lines.log, "debug")
    token = current_call.set(7)
    try:
        logging.getLogger("lib").critical("x %(a)s", {"a": 1})
        logging.getLogger("lib").log(1, "never")
        logging.getLogger("lib").log(15, "between")
        try:
            raise KeyError("k")
        except KeyError:
            logging.getLogger("lib").exception("y")
    finally:
        current_call.reset(token)
    assert [(line["level"], line["text"], line["call"]) for line in lines] == [
        ("fatal", "x 1", 7),
        ("debug", "between", 7),
        ("error", "y", 7),
    ]
    assert "KeyError: 'k'" in lines[2]["fields"]["stack"]
    assert lines[0]["fields"] == {"logger": "lib"}


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("100%", (), "100%"),
        ("%s!", ("a",), "a!"),
        ("%(a)s", ({"a": 1},), "1"),
        ("%d", ("a",), "%d a"),
        ("no place", (1, 2), "no place 1 2"),
        ({"a": 1}, (), "{'a': 1}"),
    ],
)
def test_texts_are_filled_in(text: object, arguments: tuple[object, ...], expected: str) -> None:
    assert filled_in(text, arguments) == expected
