"""How the steps of a flow follow each other, and which earlier outputs have to travel with a message.

Everything here is linear in steps and edges but for the sets of earlier steps, and never recurses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.flows.deployment import CARRY_ALL

__all__ = ["Edges", "Graph", "References", "carry", "cycles", "reachable"]

Edges = Mapping[str, Sequence[str]]
"""Step id → ids of the steps it comes after, all of them keys too."""
References = frozenset[str] | None
"""Ids of the steps that the expressions of a step read; `None` when that cannot be told."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A flow without cycles."""

    order: tuple[str, ...]
    """Every step, none before a step it comes after."""
    successors: Mapping[str, tuple[str, ...]]
    earlier: Mapping[str, frozenset[str]]
    """The steps that run before a step on some way to it."""
    always: Mapping[str, frozenset[str]]
    """… on every way to it."""

    @classmethod
    def of(cls, after: Edges) -> Graph:
        """Raises `ValueError` when there is a cycle; `cycles` names it."""
        order = _sorted(after)
        if len(order) < len(after):
            raise ValueError("the steps form a cycle")
        earlier: dict[str, frozenset[str]] = {}
        always: dict[str, frozenset[str]] = {}
        for step in order:
            before = after[step]
            earlier[step] = frozenset(before).union(*(earlier[one] for one in before))
            ways = [always[one] | {one} for one in before]
            always[step] = ways[0].intersection(*ways[1:]) if ways else frozenset()
        return cls(tuple(order), _successors(after), earlier, always)


def carry(graph: Graph, references: Mapping[str, References]) -> dict[str, tuple[str, ...]]:
    """For each step the earlier steps whose outputs its messages must carry, so that every expression later on finds
    what it reads; nothing that no later expression reads. ``references`` has an entry for each step.

    The step's own output is the message itself and never carried. Where a later expression cannot be analysed the
    answer is `CARRY_ALL`.
    """
    wanted: dict[str, References] = {}
    carried: dict[str, tuple[str, ...]] = {}
    for step in reversed(graph.order):
        later = _union(wanted[successor] for successor in graph.successors[step])
        earlier = graph.earlier[step]
        if later is None:
            carried[step] = (CARRY_ALL,) if earlier else ()
            wanted[step] = None
        else:
            carried[step] = tuple(sorted(later & earlier))
            wanted[step] = _union((references[step], later & earlier))
    return carried


def cycles(after: Edges, limit: int = 10) -> list[list[str]]:
    """Cycles, each once and as a way through its steps; at most ``limit`` of them, no step in two."""
    found: list[list[str]] = []
    rest = dict(after)
    while len(found) < limit:
        done = set(_sorted(rest))
        rest = {step: [one for one in before if one in rest and one not in done] for step, before in rest.items()}
        rest = {step: before for step, before in rest.items() if step not in done}
        if not rest:
            break
        cycle = _follow(rest)
        found.append(cycle)
        rest = {step: [one for one in before if one not in cycle] for step, before in rest.items() if step not in cycle}
    return found


def reachable(after: Edges, start: Iterable[str]) -> set[str]:
    """The steps that some way leads to from ``start``, with ``start``."""
    successors = _successors(after)
    seen = set(start)
    waiting = deque(seen)
    while waiting:
        for step in successors.get(waiting.popleft(), ()):
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return seen


def _union(parts: Iterable[References]) -> References:
    known: set[str] = set()
    for part in parts:
        if part is None:
            return None
        known |= part
    return frozenset(known)


def _successors(after: Edges) -> dict[str, tuple[str, ...]]:
    successors: dict[str, list[str]] = {step: [] for step in after}
    for step, before in after.items():
        for one in before:
            successors[one].append(step)
    return {step: tuple(later) for step, later in successors.items()}


def _sorted(after: Edges) -> list[str]:
    """Steps in an order in which they can run, stable; those in or behind a cycle are left out."""
    successors = _successors(after)
    missing = {step: len(before) for step, before in after.items()}
    waiting = deque(step for step in after if not missing[step])
    order = []
    while waiting:
        step = waiting.popleft()
        order.append(step)
        for later in successors[step]:
            missing[later] -= 1
            if not missing[later]:
                waiting.append(later)
    return order


def _follow(after: Edges) -> list[str]:
    """One cycle of a graph in which every step comes after another, in running order."""
    step = next(iter(after))
    way: dict[str, int] = {}
    while step not in way:
        way[step] = len(way)
        step = after[step][0]
    steps = list(way)[way[step] :]
    return steps[::-1]
