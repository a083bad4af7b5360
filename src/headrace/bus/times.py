"""How long messages took at a step, as a histogram that two lookers can subtract and add.

Buckets are numbered: one for each microsecond up to 15, then eight for each doubling, so a bucket is never wider than
an eighth of what it counts, and an hour is bucket 237. Counts only grow; what came between two looks is the difference.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Counts", "bucket", "edge", "noted", "quantile", "since"]

Counts = dict[int, int]
"""Messages by bucket; buckets with none are left out."""

_EXACT = 16
_BITS = 3


def bucket(us: int) -> int:
    """The bucket of a time in microseconds."""
    if us < _EXACT:
        return max(us, 0)
    shift = us.bit_length() - _BITS - 1
    return (shift << _BITS) + (us >> shift)


def edge(number: int) -> int:
    """The time in microseconds at which a bucket begins."""
    if number < _EXACT:
        return number
    shift = (number >> _BITS) - 1
    return (number - (shift << _BITS)) << shift


def noted(counts: Counts, us: int) -> None:
    """One more message that took so long."""
    number = bucket(us)
    counts[number] = counts.get(number, 0) + 1


def since(before: Mapping[int, int], now: Mapping[int, int]) -> Counts:
    """What came between two looks at the same counts."""
    return {number: count - before.get(number, 0) for number, count in now.items() if count > before.get(number, 0)}


def quantile(counts: Mapping[int, int], share: float) -> int | None:
    """The time, in microseconds, that ``share`` of the messages did not exceed: the middle of its bucket; `None`
    without messages."""
    total = sum(counts.values())
    wanted = max(1.0, share * total)
    seen = 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            return (edge(number) + edge(number + 1) - 1) // 2
    return None
