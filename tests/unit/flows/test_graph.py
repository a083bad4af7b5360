"""Order, cycles, and which outputs travel along."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.deployment import CARRY_ALL
from headrace.flows.graph import Edges, Graph, References, carry, cycles, reachable

DIAMOND = {"t": (), "a": ("t",), "b": ("t",), "z": ("a", "b")}


@st.composite
def dags(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """A trigger ``s0`` and up to seven steps, each after some of the steps before it."""
    after: dict[str, tuple[str, ...]] = {"s0": ()}
    for index in range(1, draw(st.integers(1, 8))):
        before = st.lists(st.integers(0, index - 1), min_size=1, max_size=3, unique=True)
        after[f"s{index}"] = tuple(f"s{number}" for number in draw(before))
    return after


@st.composite
def flows(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], dict[str, References]]:
    """A graph and what the expressions of each step read: anything, sensible or not."""
    after = draw(dags())
    some = st.frozensets(st.sampled_from([*after, "ghost"]), max_size=3)
    reads = st.one_of(some, some, some, st.none())
    return after, {step: draw(reads) if after[step] else frozenset() for step in after}


def journeys(graph: Graph, start: str) -> Iterator[list[str]]:
    """Every way a message can take from ``start``, at every length."""
    waiting = [[start]]
    while waiting:
        way = waiting.pop()
        yield way
        waiting += [[*way, step] for step in graph.successors[way[-1]]]


def sent(way: list[str], carried: dict[str, tuple[str, ...]]) -> set[str]:
    """Follow a message: the outputs that lie in what the last step of ``way`` emits, beside its own."""
    bag: set[str] = set()
    for emitter, step in itertools.pairwise(way):
        at_hand = bag | {emitter}
        bag = at_hand if CARRY_ALL in carried[step] else at_hand & set(carried[step])
    return bag


class TestCarry:
    @given(flows())
    def test_what_an_expression_reads_is_there_if_that_step_ran(
        self, flow: tuple[Edges, dict[str, References]]
    ) -> None:
        after, references = flow
        graph = Graph.of(after)
        carried = carry(graph, references)
        for way in journeys(graph, "s0"):
            *before, step = way
            if before:
                reads = references[step]
                ran = set(before) if reads is None else set(before) & reads
                assert ran <= sent(before, carried) | {before[-1]}

    @given(flows())
    def test_nothing_is_carried_that_no_later_step_reads(self, flow: tuple[Edges, dict[str, References]]) -> None:
        after, references = flow
        graph = Graph.of(after)
        for step, names in carry(graph, references).items():
            later = [references[way[-1]] for way in journeys(graph, step) if len(way) > 1]
            assert (CARRY_ALL in names) is (None in later and bool(after[step]))
            if CARRY_ALL not in names:
                read = frozenset[str]().union(*(reads for reads in later if reads is not None))
                ran_before = {one for way in journeys(graph, "s0") if way[-1] == step for one in way[:-1]}
                assert set(names) == read & ran_before

    def test_along_a_line(self) -> None:
        graph = Graph.of({"t": (), "a": ("t",), "b": ("a",), "c": ("b",)})
        reads: dict[str, References] = {
            "t": frozenset(),
            "a": frozenset({"t"}),
            "b": frozenset({"a"}),
            "c": frozenset({"t"}),
        }
        assert carry(graph, reads) == {"t": (), "a": ("t",), "b": ("t",), "c": ()}

    def test_a_diamond_carries_on_both_sides(self) -> None:
        reads: dict[str, References] = {
            "t": frozenset(),
            "a": frozenset(),
            "b": frozenset(),
            "z": frozenset({"t", "a"}),
        }
        assert carry(Graph.of(DIAMOND), reads) == {"t": (), "a": ("t",), "b": ("t",), "z": ()}

    def test_all_before_an_expression_that_cannot_be_analysed(self) -> None:
        graph = Graph.of({"t": (), "a": ("t",), "b": ("a",), "c": ("b",), "d": ("t",)})
        reads: dict[str, References] = {step: frozenset() for step in "tabd"} | {"c": None}
        assert carry(graph, reads) == {"t": (), "a": (CARRY_ALL,), "b": (CARRY_ALL,), "c": (), "d": ()}


class TestGraph:
    def test_some_ways_and_all_ways(self) -> None:
        graph = Graph.of(DIAMOND)
        assert graph.order == ("t", "a", "b", "z")
        assert graph.successors["t"] == ("a", "b")
        assert graph.earlier["z"] == {"t", "a", "b"}
        assert graph.always["z"] == {"t"}

    @given(dags())
    def test_always_is_what_every_way_has(self, after: Edges) -> None:
        graph = Graph.of(after)
        for step in after:
            ways = [set(way[:-1]) for way in journeys(graph, "s0") if way[-1] == step]
            assert graph.earlier[step] == set().union(*ways)
            assert graph.always[step] == ways[0].intersection(*ways[1:])

    def test_a_cycle_has_no_order(self) -> None:
        with pytest.raises(ValueError, match="cycle"):
            Graph.of({"a": ("b",), "b": ("a",)})

    def test_a_long_line_is_no_matter(self) -> None:
        steps = [f"s{number}" for number in range(500)]
        graph = Graph.of({step: (before,) if before else () for before, step in zip(["", *steps], steps, strict=False)})
        assert len(graph.always["s499"]) == 499


class TestCycles:
    def test_none(self) -> None:
        assert cycles(DIAMOND) == []

    def test_named_in_running_order(self) -> None:
        after = {"t": (), "a": ("t", "c"), "b": ("a",), "c": ("b",), "behind": ("c",)}
        (cycle,) = cycles(after)
        assert sorted(cycle) == ["a", "b", "c"]
        for step, following in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            assert step in after[following]

    def test_a_step_after_itself(self) -> None:
        assert cycles({"t": (), "a": ("t", "a")}) == [["a"]]

    def test_several(self) -> None:
        after = {"a": ("b",), "b": ("a",), "c": ("d", "a"), "d": ("c",)}
        assert sorted(map(sorted, cycles(after))) == [["a", "b"], ["c", "d"]]

    def test_no_more_than_asked_for(self) -> None:
        assert len(cycles({f"s{number}": (f"s{number}",) for number in range(500)})) == 10

    @given(st.dictionaries(st.integers(0, 7).map(str), st.lists(st.integers(0, 7).map(str), max_size=3, unique=True)))
    def test_found_exactly_when_there_is_no_order(self, after: dict[str, list[str]]) -> None:
        edges = {step: tuple(one for one in before if one in after) for step, before in after.items()}
        found = cycles(edges)
        for cycle in found:
            assert all(step in edges[later] for step, later in zip(cycle, cycle[1:] + cycle[:1], strict=True))
        if found:
            with pytest.raises(ValueError, match="cycle"):
                Graph.of(edges)
        else:
            assert set(Graph.of(edges).order) == set(edges)


def test_reachable() -> None:
    after = {"t": (), "a": ("t",), "x": (), "y": ("x", "a")}
    assert reachable(after, ["t"]) == {"t", "a", "y"}
    assert reachable(after, []) == set()
