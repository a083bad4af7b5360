from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.worker import frames


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.data())
def test_lines_come_out_the_same_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader = frames.Lines()
    found = [
        line
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for line in reader.feed(stream[start:end])
    ]
    assert found == lines


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    reader = frames.Lines()
    with pytest.raises(ValueError, match="longer than"):
        for _ in range(frames.LARGEST // (1 << 20) + 1):
            reader.feed(b"x" * (1 << 20))


def test_frames_of_a_newer_host_are_understood_as_far_as_they_are_known() -> None:
    frame = frames.decode(b'{"type":"end","call":3,"us":12,"colour":"blue"}')
    assert (frame.type, frame.call, frame.us, frame.error) == ("end", 3, 12, None)


def test_a_call_frame_is_one_line_of_json() -> None:
    line = frames.call_frame(
        7, shape="process", execution="e", attempt=2, msg=b'{"id":"m"}', cfg=b'{"a":"\\n"}', snapshot=b"{}"
    )
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert frames.decode(line).call == 7


def test_a_refusal_carries_its_reason() -> None:
    assert b'"ok":true' in frames.emitted_frame(1, 2)
    refused = frames.emitted_frame(1, 2, "too-large", 'the "body"')
    assert b'"ok":false' in refused and b'"too-large"' in refused
