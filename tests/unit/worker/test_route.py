from __future__ import annotations

from typing import Any

import pytest

from headrace.errors import Refused
from headrace.flows.deployment import Code, StepSpec
from headrace.worker.route import routed

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(id="s", kind="action", function="s", main="s.py", code=CODE, successors=("erp", "log"))


@pytest.mark.parametrize("name", ["x-eio-routing-key", "X-EIO-Routing-Key"])
@pytest.mark.parametrize(("value", "to"), [("erp", "erp"), ("log", "log"), ("", ""), (None, "")])
def test_the_header_names_one_of_the_steps_that_follow_and_is_taken_out(name: str, value: Any, to: str) -> None:
    assert routed({name: value, "h": 1}, STEP) == (to, {"h": 1})


def test_without_it_all_of_them_get_the_message() -> None:
    assert routed({"routing-key": "erp"}, STEP) == ("", {"routing-key": "erp"})


@pytest.mark.parametrize("value", ["crm", "s", "ERP", 7, ["erp"]])
def test_what_does_not_follow_is_refused_and_what_does_is_told(value: Any) -> None:
    with pytest.raises(Refused, match="no step after `s`; after it: `erp`, `log`") as caught:
        routed({"x-eio-routing-key": value}, STEP)
    assert caught.value.reason == "no-such-step"
