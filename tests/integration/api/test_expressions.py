"""Expressions tried out: the worker's engine, its mistakes and its limits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.api.conftest import Served

MESSAGE = {"body": {"lines": [{"price": 2, "qty": 3}, {"price": 1, "qty": 4}]}, "headers": {"x": "y"}}


async def evaluated(served: Served, expression: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await served.post(
        "/expressions/evaluate", {"expression": expression, "message": MESSAGE, **more}
    )
    return found


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('{"total": $sum(body.lines.(price * qty)), "by": headers.x}', {"total": 10, "by": "y"}),
        ("body.lines[0].price = 2", True),
        ("$steps.first.body.name", "ada"),
        ("null", None),
    ],
)
async def test_an_expression_is_tried_on_a_message(served: Served, expression: str, result: Any) -> None:
    found = await evaluated(served, expression, steps={"first": {"body": {"name": "ada"}}})
    assert found == {"defined": True, "result": result, "mistake": None, "misfits": []}


async def test_finding_nothing_is_no_mistake(served: Served) -> None:
    assert await evaluated(served, "body.nothing") == {"defined": False, "result": None, "mistake": None, "misfits": []}


@pytest.mark.parametrize("expression", ["body.(", "$sum('a')", "", "body ++ 1"])
async def test_a_mistake_is_told(served: Served, expression: str) -> None:
    found = await evaluated(served, expression)
    assert (found["defined"], found["result"]) == (False, None)
    assert found["mistake"]["message"]


async def test_a_mistake_names_its_place(served: Served) -> None:
    assert (await evaluated(served, "body.a + + 1"))["mistake"]["position"] == 9


async def test_an_expression_without_an_end_is_stopped(served: Served) -> None:
    found = await evaluated(served, "($f := function($n) { $f($n + 1) }; $f(0))")
    assert found["mistake"]["message"]


async def test_what_is_no_trial_is_refused(served: Served) -> None:
    assert (await served.refused("POST", "/expressions/evaluate", {"expression": "1"}))[0] == 422


async def test_the_result_is_checked_against_what_the_step_takes(served: Served) -> None:
    takes = {"properties": {"total": {"type": "number", "required": True}, "by": {"type": "string"}}}
    found = await evaluated(served, '{"total": headers.x, "bye": 1}', takes=takes)
    assert [(each["path"], each["severity"]) for each in found["misfits"]] == [("total", "error"), ("bye", "warning")]
    assert (await evaluated(served, "body.nothing", takes=takes))["misfits"][0]["path"] == "total"
    assert (await evaluated(served, '{"total": 1}', takes=takes))["misfits"] == []


async def test_what_is_read_is_looked_up_in_what_steps_before_give(served: Served) -> None:
    more = {"gives": {"shop": {"properties": {"lines": {}}}, "crm": {"properties": {"name": {}}}}, "after": ["shop"]}
    found = await evaluated(served, "body.lnes & $steps.crm.body.nam", **more)
    assert [(each["path"], each["suggestion"]) for each in found["misfits"]] == [
        ("body.lnes", "did you mean `lines`?"),
        ("$steps.crm.body.nam", "did you mean `name`?"),
    ]
