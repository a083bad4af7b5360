"""The three small actions: log, filter, split."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.library.parts import Platform, load

from headrace_sdk import Message

log, keep, each = load("log", "write"), load("filter", "keep"), load("split", "each")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("plain", ("info", "plain", {})),
        ({"message": "order", "n": 1}, ("info", "order", {"n": 1})),
        ({"n": 1}, ("info", '{"n": 1}', {})),
        (None, ("info", "null", {})),
        ("100 %", ("info", "100 %", {})),
    ],
)
async def test_log_writes_and_passes_on(body: Any, line: tuple[str, str, dict[str, Any]]) -> None:
    platform = Platform()
    assert await log.process(platform, Message(body), {}) == body
    assert platform.logger.lines == [line]


async def test_log_has_levels() -> None:
    platform = Platform()
    await log.process(platform, Message("x"), {"level": "warn"})
    assert platform.logger.lines[0][0] == "warn"
    with pytest.raises(ValueError, match="`level` is 'loud'"):
        log.init(platform, {"level": "loud"})


ORDER = {"total": 12, "country": "DE", "tags": ["new", "eu"], "lines": [{"qty": "3"}], "paid": True, "note": None}


@pytest.mark.parametrize(
    ("path", "test", "value", "kept"),
    [
        ("total", "equal", "12", True),
        ("total", "equal", 12.0, True),
        ("country", "equal", "de", False),
        ("country", "different", "FR", True),
        ("missing", "different", "FR", True),
        ("total", "more", "9", True),
        ("total", "less", 9, False),
        ("country", "less", "FR", True),
        ("missing", "less", 9, False),
        ("note", "more", 9, False),
        ("tags", "containing", "eu", True),
        ("country", "containing", "E", True),
        ("missing", "containing", "E", False),
        ("country", "matching", "^D.$", True),
        ("country", "in", "FR, DE", True),
        ("total", "in", [11, 12], True),
        ("lines.0.qty", "equal", 3, True),
        ("lines.1.qty", "present", None, False),
        ("lines.-1.qty", "present", None, True),
        ("note", "present", None, False),
        ("note", "absent", None, True),
        ("missing.deeper", "absent", None, True),
        ("paid", "true", None, True),
        ("paid", "equal", "true", True),
        ("total", "true", None, False),
    ],
)
async def test_filter(path: str, test: str, value: Any, kept: bool) -> None:
    message = Message(ORDER)
    passed = await keep.process(Platform(), message, {"path": path, "is": test, "value": value})
    assert passed is (message if kept else None)


@pytest.mark.parametrize("fields", [{}, {"is": "like"}, {"is": "matching", "value": "("}])
def test_filter_refuses_wrong_fields_before_the_flow_goes_live(fields: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"write one of|unterminated|missing \)"):
        keep.init(Platform(), fields)


def split(body: Any, **fields: Any) -> list[Any]:
    return [message.body for message in each.process(None, Message(body), fields)]


def test_split_emits_each_element_with_its_place() -> None:
    messages = list(each.process(None, Message(["a", "b"], headers={"x": "y"}), {}))
    assert [message.body for message in messages] == ["a", "b"]
    assert messages[1].headers == {"x": "y", "index": 1, "count": 2}


def test_split_finds_a_list_inside() -> None:
    assert split({"order": {"lines": [1, 2]}}, path="order.lines") == [1, 2]


def test_split_takes_one_value_for_one_element_and_nothing_for_none() -> None:
    assert split({"n": 1}) == [{"n": 1}]
    assert split({"n": 1}, path="missing.too") == []
    assert split([]) == []
