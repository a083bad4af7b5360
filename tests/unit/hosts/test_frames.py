from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_host.frames import LARGEST, FrameError, Splitter, frame, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FRAMES = st.lists(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4), max_size=6)


@given(FRAMES, st.data())
def test_any_chunking_of_any_frames_gives_the_same_frames(frames: list[dict[str, Any]], draw: st.DataObject) -> None:
    stream = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in frames)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)))))
    splitter = Splitter()
    lines = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines += splitter.feed(stream[start:end])
    assert [parse(line) for line in lines] == frames


@given(st.dictionaries(st.sampled_from(["call", "text", "fields", "ключ"]), JSON))
def test_a_written_frame_is_read_as_it_was_without_what_is_none(keys: dict[str, Any]) -> None:
    line = frame(**keys)
    assert line.count(b"\n") == 1
    assert parse(line[:-1]) == {key: value for key, value in keys.items() if value is not None}


def test_a_line_waits_for_its_end() -> None:
    splitter = Splitter()
    assert splitter.feed(b'{"a"') == []
    assert splitter.feed(b":1}\n{}") == [b'{"a":1}']
    assert splitter.feed(b"\n\n") == [b"{}", b""]


def test_a_frame_beyond_the_limit_is_refused_while_it_arrives() -> None:
    splitter = Splitter()
    splitter.feed(b"x" * LARGEST)
    with pytest.raises(FrameError, match="larger than 67108864 bytes"):
        splitter.feed(b"x")


def test_a_frame_beyond_the_limit_is_refused_when_it_arrives_at_once() -> None:
    with pytest.raises(FrameError):
        Splitter().feed(b"x" * (LARGEST + 1) + b"\n")


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"{} {}", b'"text"', b"\xff{}", b"NaN", b"[" * 100_000])
def test_what_is_not_one_object_is_no_frame(line: bytes) -> None:
    with pytest.raises(FrameError):
        parse(line)


def test_space_around_a_frame_is_no_fault() -> None:
    assert parse(b'{"a":1} \r') == {"a": 1}
