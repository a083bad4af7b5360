"""Every host does what the fixtures of `protocol/` say, frame by frame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conversation import Conversation
from tests.contract.frame_schema import FRAME_TYPES, PROTOCOL, complete, faults, matches
from tests.contract.host_under_test import HOSTS, HostUnderTest

FIXTURES = {path.stem: json.loads(path.read_text()) for path in sorted((PROTOCOL / "fixtures").glob("*.json"))}
LANGUAGES = {host.language for host in HOSTS}
CASES = [
    pytest.param(host, name, id=f"{host.language}-{name}", marks=pytest.mark.needs(*host.needs))
    for host in HOSTS
    for name, fixture in FIXTURES.items()
    if host.language in fixture["files"]
]


@pytest.mark.parametrize(("host", "name"), CASES)
def test_host_follows(host: HostUnderTest, name: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name]
    with Conversation(host, fixture["files"][host.language], tmp_path) as conversation:
        for turn in fixture["turns"]:
            conversation.play(turn)


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture_is_for_every_language_or_says_why_not(name: str) -> None:
    fixture = FIXTURES[name]
    only = fixture.get("only", dict.fromkeys(LANGUAGES, "one of all"))
    assert fixture["files"].keys() == only.keys()
    assert only.keys() <= LANGUAGES
    assert all(only.values())
    for reason in only.values():
        for named in re.findall(r"see ([a-z-]+)", reason):
            assert named in FIXTURES


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture_sends_valid_frames(name: str) -> None:
    for turn in FIXTURES[name]["turns"]:
        if not turn.get("newer"):
            for frame in _sent(turn):
                assert not faults(complete(frame)), frame


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture_expects_frames_that_exist(name: str) -> None:
    for frame in _expected(FIXTURES[name]["turns"]):
        known = json.loads((PROTOCOL / "schema" / f"{frame['type']}.json").read_text())["properties"]
        assert frame.keys() <= known.keys()


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture_says_how_the_host_ends(name: str) -> None:
    assert any("exit" in turn for turn in FIXTURES[name]["turns"])


def test_fixtures_show_every_frame_type() -> None:
    shown = set()
    for fixture in FIXTURES.values():
        shown |= {frame["type"] for frame in _expected(fixture["turns"])}
        shown |= {frame["type"] for turn in fixture["turns"] for frame in _sent(turn)}
    assert shown >= set(FRAME_TYPES)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": 0}, False),
        ({"a": "*"}, {"a": [1]}, True),
        ({"a": "x*z"}, {"a": "x\ny z"}, True),
        ({"a": "x*z"}, {"a": "xzy"}, False),
        ({"a": [1, "*"]}, {"a": [1, 2]}, True),
        ({"a": 1}, {"a": True}, False),
    ],
)
def test_matching(expected: Any, actual: Any, same: bool) -> None:
    assert matches(expected, actual) is same


def _sent(turn: dict[str, Any]) -> list[dict[str, Any]]:
    return [turn["send"]] if "send" in turn else turn.get("frames", [])


def _expected(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    for turn in turns:
        frames += [turn["expect"]] if "expect" in turn else turn.get("expect_any_order", [])
    return frames
