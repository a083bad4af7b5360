"""Envelopes with references: whatever leaves one comes back, and nobody else is touched."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.bus import message as envelope
from headrace.bus.large import SMALLEST, lacking, shed, whole
from headrace.bus.message import Message, Output
from headrace.bus.objects import MOST_LISTED, REFERENCES, new_object_id, reference_headers, references, referred

LIMIT = 4 * SMALLEST


def text(size: int) -> msgspec.Raw:
    return msgspec.Raw(b'"' + b"x" * size + b'"')


SIZES = st.sampled_from([0, 10, SMALLEST - 3, SMALLEST, 2 * SMALLEST, LIMIT, 3 * LIMIT])
BODIES = SIZES.map(text)
OUTPUTS = st.builds(Output, body=BODIES, headers=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))
MESSAGES = st.builds(
    Message,
    id=st.just("m"),
    execution=st.just("e"),
    step=st.just("s"),
    body=BODIES,
    at=st.just(1),
    headers=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    passthrough=st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), OUTPUTS),
)


@given(MESSAGES)
def test_what_left_comes_back(message: Message) -> None:
    data, bodies = shed(message, LIMIT)
    light = envelope.decode(data)
    stored = {each.object: bytes(each.data) for each in bodies}
    assert envelope.encode(whole(light, stored)) == envelope.encode(message)
    assert sorted(each.object for each in lacking(light)) == sorted(stored)
    for each in lacking(light):
        assert each.size == len(stored[each.object])
    assert set(references(data)) == set(stored)


@given(MESSAGES)
def test_it_gets_small_enough_and_no_smaller(message: Message) -> None:
    before = len(envelope.encode(message))
    data, bodies = shed(message, LIMIT)
    assert len(data) <= max(LIMIT, 5 * (SMALLEST + 200))
    if before <= LIMIT:
        assert not bodies
    if bodies:
        last = min(len(memoryview(each.data)) for each in bodies)
        assert len(data) + last > LIMIT - 500, "the smallest that left had to"


@given(MESSAGES)
def test_a_message_with_references_can_shed_more(message: Message) -> None:
    """As it is carried on: what is outside already stays the object it is."""
    first, out = shed(message, LIMIT)
    second, more = shed(envelope.decode(first), LIMIT // 2)
    assert {each.object for each in out} <= set(references(second))
    stored = {each.object: bytes(each.data) for each in (*out, *more)}
    assert envelope.encode(whole(envelope.decode(second), stored)) == envelope.encode(message)


@given(st.lists(st.builds(new_object_id), max_size=5), st.text())
def test_references_are_found_wherever_they_stand(names: list[str], noise: str) -> None:
    value: Any = {noise + name: [f"http://x/{name}?{noise}"] for name in names}
    data = msgspec.json.encode(value)
    assert set(references(data)) >= set(names)
    headers = reference_headers(data)
    if names:
        assert headers is not None
        assert (referred(headers) or frozenset()) >= set(names)


def test_without_references_there_is_no_header() -> None:
    assert reference_headers(b'{"a": "obj~short", "b": "~"}') is None
    assert referred({}) == frozenset()


def test_too_many_references_are_read_from_the_message() -> None:
    data = msgspec.json.encode([new_object_id() for _ in range(MOST_LISTED + 1)])
    headers = reference_headers(data)
    assert headers == {REFERENCES: "*"} and referred(headers) is None
