"""Which output is which, when a call is made a second time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.client import Bus
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.worker.frames import Frame
from headrace.worker.output import OutputIds, Outputs

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(id="s", kind="action", function="s", main="s.py", code=CODE)
SPEC = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(STEP,))
IDS = OutputIds(cast(Bus, None), SPEC, "s")
V7 = "01926f8e-4c1b-7d2a-9f3e-0123456789ab"

Emitted = tuple[Any, str | int | None]


def frame(body: Any, id_: str | int | None = None, **more: Any) -> Frame:
    return Frame("emit", event="data", body=msgspec.Raw(msgspec.json.encode(body)), id=id_, **more)


def ids(*emitted: Emitted, message: str = "m") -> list[str]:
    """Ids of what one call emits."""
    outputs = Outputs(IDS, message)
    return [outputs.add(frame(body, id_)) for body, id_ in emitted]


@pytest.mark.parametrize("make", [uuid.uuid1, uuid.uuid4, lambda: str(uuid.uuid4()).upper()])
def test_an_id_made_by_chance_does_not_make_the_second_attempt_another_output(make: Callable[[], Any]) -> None:
    bodies = [{"n": 1}, {"n": 2}, {"n": 1}]
    first, second = (ids(*((body, str(make())) for body in bodies)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 3
    assert ids(*((body, str(make())) for body in bodies), message="other") != first


def test_what_is_emitted_in_another_order_is_recognised_by_its_content() -> None:
    bodies = [{"n": number} for number in range(5)]
    first = ids(*((body, str(uuid.uuid4())) for body in bodies))
    second = ids(*((body, str(uuid.uuid4())) for body in [{"n": 9}, *reversed(bodies)]))
    assert second[1:] == list(reversed(first))


def test_of_one_call_two_with_the_same_id_are_one_whatever_the_id() -> None:
    for own in ("order-7", 7, str(uuid.uuid4())):
        outputs = Outputs(IDS, "m")
        one, two = frame({"n": 1}, own), frame({"n": 2}, own)
        assert outputs.add(one) == outputs.add(two)
        assert [outputs.keep(each, outputs.add(each)) for each in (one, two)] == [True, False]


def test_two_without_an_id_are_two() -> None:
    outputs = Outputs(IDS, "m")
    found = [outputs.add(frame(1)) for _ in range(2)]
    assert found[0] != found[1]
    assert [outputs.keep(frame(1), each) for each in found] == [True, True]


@pytest.mark.parametrize("own", ["order-7", 7, str(uuid.uuid5(uuid.NAMESPACE_URL, "x")), V7.replace("-", ""), f"x{V7}"])
def test_every_other_id_names_the_output_wherever_it_comes_and_whatever_it_holds(own: str | int) -> None:
    assert ids(({"n": 1}, own))[0] == ids(({"n": 0}, None), ({"n": 2}, own))[1]


def test_what_differs_in_headers_attachments_or_metadata_is_another_output() -> None:
    differing: list[dict[str, Any]] = [{}, {"headers": {"a": 1}}, {"attachments": {"a": {}}}, {"metadata": {"a": 1}}]
    found = [Outputs(IDS, "m").add(frame({}, V7, **more)) for more in differing]
    assert len(set(found)) == 4


bodies = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "b", "uuid"])), max_size=8)


@given(bodies, bodies)
def test_outputs_that_differ_are_never_taken_for_one(before: list[tuple[int, str]], now: list[tuple[int, str]]) -> None:
    """Loss would be that: of what the second attempt emits, each that is taken for an earlier one holds the same."""

    def attempt(emitted: list[tuple[int, str]]) -> dict[str, int]:
        chosen = [(body, str(uuid.uuid4()) if own == "uuid" else None) for body, own in emitted]
        return {made: body for made, (body, _) in zip(ids(*chosen), chosen, strict=True)}

    first, second = attempt(before), attempt(now)
    assert len(second) == len(now)
    assert all(first[made] == body for made, body in second.items() if made in first)
