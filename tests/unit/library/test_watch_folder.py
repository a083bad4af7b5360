from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.library.parts import Platform, load

from headrace_sdk import EmitError

formats = load("watch-folder", "formats")
watching = load("watch-folder", "watch")


def read(tmp_path: Path, name: str, content: str | bytes, encoding: str = "utf-8-sig") -> list[Any]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(formats.records(path, formats.format_of(name), encoding))


def test_a_json_array_has_a_record_per_element(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '[{"n": 1}, {"n": 2}]') == [{"n": 1}, {"n": 2}]


def test_a_json_object_is_one_record(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"n": 1}') == [{"n": 1}]


def test_json_lines_may_be_blank(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", '{"n": 1}\n\n{"n": 2}') == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters_are_recognised(tmp_path: Path, delimiter: str) -> None:
    rows = [["number", "name"], ["007", "Ada"]]
    assert read(tmp_path, "a.csv", "\n".join(delimiter.join(row) for row in rows)) == [{"number": "007", "name": "Ada"}]


def test_csv_values_stay_text_and_may_hold_delimiters_and_lines(tmp_path: Path) -> None:
    text = 'a,"b, c"\r\n1,"two\r\nlines"\r\n2\r\n'
    assert read(tmp_path, "a.csv", text) == [{"a": "1", "b, c": "two\r\nlines"}, {"a": "2", "b, c": ""}]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", b"\xef\xbb\xbfname\nAda") == [{"name": "Ada"}]


def test_another_encoding_is_read_when_named(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "name\nZoë".encode("cp1252"), "windows-1252") == [{"name": "Zoë"}]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_an_empty_file_has_no_records(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, "") == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{"n": 1', "line 1: Expecting"),
        ("a.json", '"text"', "neither an array nor an object"),
        ("a.json", '{"n": NaN}', "NaN is not JSON"),
        ("a.json", f"[{'9' * 5000}]", "line 1"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.jsonl", '{"n": 1}\nnonsense', "line 2"),
        ("a.csv", "a,b\n1,2,3", "line 2 has 3 values for 2 columns"),
        ("a.csv", "a,a\n1,2", "two columns are called 'a'"),
        ("a.csv", 'a,b\n"1"x,2', "line 2"),
        ("a.csv", b"a\n\xff\xfe", "set the field `encoding`"),
        ("a.xml", "<a/>", "has no ending"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(formats.Broken, match=said):
        read(tmp_path, name, content)


def file(name: str, size: int = 1, modified: int = 1) -> Any:
    return watching.File(name, size, modified, 7)


def test_a_file_is_due_when_it_has_stopped_growing() -> None:
    watch = watching.Watch(settle=0.4)
    assert watch.due([file("a", 1)], 0.0) == []
    assert watch.due([file("a", 2)], 0.5) == []
    assert watch.due([file("a", 2)], 0.8) == []
    assert watch.due([file("a", 2)], 0.9) == [file("a", 2)]


def test_a_finished_file_is_due_again_only_when_it_changes() -> None:
    watch = watching.Watch(settle=0)
    watch.finish(file("a"))
    assert watch.due([file("a")], 9.0) == []
    assert watch.due([file("a", modified=2)], 9.0) == [file("a", modified=2)]


def test_older_files_come_first() -> None:
    watch = watching.Watch(settle=0)
    assert [each.name for each in watch.due([file("b", 1, 5), file("a", 1, 9)], 1.0)] == ["b", "a"]


def test_files_that_are_gone_are_forgotten() -> None:
    watch = watching.Watch(settle=0, done={"a": "x", "b": "y"})
    assert watch.forget_all_but(["a"])
    assert watch.done == {"a": "x"}
    assert not watch.forget_all_but(["a"])


def test_looking_leaves_unfinished_and_foreign_names_alone(tmp_path: Path) -> None:
    for name in ("a.json", "B.CSV", "c.txt", ".d.json", "e.json.tmp", "f.json~"):
        (tmp_path / name).touch()
    (tmp_path / "folder.json").mkdir()
    assert sorted(each.name for each in watching.look(str(tmp_path))) == ["B.CSV", "a.json"]


def test_patterns_are_separated_by_commas() -> None:
    assert watching.patterns(" *.txt, orders-* ,") == ("*.txt", "orders-*")
    assert watching.patterns(None) == watching.PATTERNS


async def listening(platform: Platform, folder: Path, until: Callable[[], bool], **snapshot: Any) -> None:
    """Run the trigger until a condition holds."""
    module = load("watch-folder", "records")
    module.PAUSE = 0.01
    task = asyncio.create_task(module.listen(platform, {"folder": str(folder), "settle": 0.03}, snapshot))
    try:
        async with asyncio.timeout(10):
            while not until() and not task.done():  # noqa: ASYNC110 - the double has no events
                await asyncio.sleep(0.005)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_record_is_an_event_with_an_id_that_comes_out_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("n\n1\n2\n")
    first, second = Platform(), Platform()
    await listening(first, tmp_path, lambda: bool(first.snapshots))
    await listening(second, tmp_path, lambda: bool(second.snapshots))
    assert [message.body["record"] for message in first.emitted] == [{"n": "1"}, {"n": "2"}]
    assert [message.body["index"] for message in first.emitted] == [0, 1]
    assert first.emitted[0].body["file"]["name"] == "orders.csv"
    assert [message.id for message in first.emitted] == [message.id for message in second.emitted]


async def test_done_files_are_not_read_again_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"n": 1}')
    first, second = Platform(), Platform()
    await listening(first, tmp_path, lambda: bool(first.snapshots))
    (tmp_path / "b.json").write_text('{"n": 2}')
    await listening(second, tmp_path, lambda: bool(second.snapshots), **first.snapshots[-1])
    assert [message.body["record"] for message in second.emitted] == [{"n": 2}]
    assert set(second.snapshots[-1]["done"]) == {"a.json", "b.json"}


async def test_vanished_files_leave_the_snapshot(tmp_path: Path) -> None:
    platform = Platform()
    await listening(platform, tmp_path, lambda: bool(platform.snapshots), done={"gone.json": "x"})
    assert platform.snapshots[-1] == {"done": {}}


async def test_a_broken_file_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{')
    os.utime(tmp_path / "a.jsonl", (1, 1))
    (tmp_path / "b.json").write_text('{"n": 2}')
    platform = Platform()
    await listening(platform, tmp_path, lambda: len(platform.emitted) == 1 and bool(platform.snapshots))
    assert [message.body["record"] for message in platform.emitted] == [{"n": 2}]
    assert len(platform.errors) == 1
    assert "a.jsonl was not read: line 2" in platform.errors[0]
    assert "a.jsonl" in platform.snapshots[-1]["done"]


async def test_a_record_that_is_too_large_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"n": 1}, {"n": 2}, {"n": 3}]')
    identity = watching.look(str(tmp_path))[0].identity
    platform = Platform()
    platform.refuse[f"{identity}-1"] = EmitError("too-large", "over 1 MiB")
    await listening(platform, tmp_path, lambda: bool(platform.snapshots))
    assert [message.body["record"]["n"] for message in platform.emitted] == [1, 3]
    assert platform.errors == ["a.json, record 1: too-large: over 1 MiB"]


async def test_any_other_refusal_leaves_the_file_for_later(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"n": 1}')
    platform = Platform()
    platform.refuse[f"{watching.look(str(tmp_path))[0].identity}-0"] = EmitError("not-live")
    with pytest.raises(EmitError):
        await listening(platform, tmp_path, lambda: bool(platform.snapshots))
    assert platform.snapshots == []


async def test_a_folder_that_cannot_be_read_ends_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await listening(Platform(), tmp_path / "nowhere", lambda: False)
