"""Which test deployments are to end."""

from __future__ import annotations

from headrace.control.tests import Warm, unwanted
from headrace.ids import flow_of_test, key_of_test

A, B = key_of_test("a1", 3), key_of_test("b1", 4)


def warm(key: str, used: float, busy: int = 0) -> Warm:
    return Warm(key, "flow: x", {}, used, busy)


def test_a_key_names_its_flow() -> None:
    assert (A, flow_of_test(A)) == ("a1-test-3", "a1")
    assert flow_of_test("a1") is None
    assert flow_of_test("a1-test-x") is None


def test_what_this_server_did_not_make_ends() -> None:
    assert unwanted({A, B}, [warm(B, 0)], {"a1", "b1"}, 1, 10) == {A}


def test_one_that_is_idle_for_long_enough_ends_unless_it_is_at_work() -> None:
    assert unwanted({A}, [warm(A, 0)], {"a1"}, 9.9, 10) == set()
    assert unwanted({A}, [warm(A, 0)], {"a1"}, 10, 10) == {A}
    assert unwanted({A}, [warm(A, 0, busy=1)], {"a1"}, 99, 10) == set()


def test_one_of_a_flow_that_is_gone_ends_even_at_work() -> None:
    assert unwanted({A}, [warm(A, 0, busy=1)], {"b1"}, 0, 10) == {A}
