from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.library.parts import load

from headrace_sdk import Message

module = load("write-file", "append")


def append(path: Path, body: Any, **fields: Any) -> Any:
    return module.process(None, Message(body), {"path": str(path), **fields})


def test_each_message_is_a_json_line_and_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert append(path, {"name": "Zoë"}) == {"name": "Zoë"}
    append(path, [1, "two\nlines"])
    assert path.read_text() == '{"name": "Zoë"}\n[1, "two\\nlines"]\n'


def test_a_new_csv_file_gets_a_header(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    append(path, {"n": 1, "name": 'a, "b"'})
    append(path, {"name": None, "n": [1]})
    assert path.read_text() == 'n,name\n1,"a, ""b"""\n[1],\n'


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    append(path, {"n": 1}, columns="name, n")
    assert path.read_text() == "name,n\n,1\n"


def test_a_key_without_a_column_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    append(path, {"n": 1})
    with pytest.raises(ValueError, match="no column 'm'; its columns are n"):
        append(path, {"n": 2, "m": 3})
    assert path.read_text() == "n\n1\n"


def test_a_csv_row_needs_an_object(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an object"):
        append(tmp_path / "out.csv", [1])


def test_the_format_can_be_chosen(tmp_path: Path) -> None:
    append(tmp_path / "out.txt", {"n": 1}, format="csv")
    assert (tmp_path / "out.txt").read_text() == "n\n1\n"
    with pytest.raises(ValueError, match="`format` is 'xml'"):
        append(tmp_path / "out.txt", {}, format="xml")


def test_a_torn_last_line_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"n": 1}\n{"n":')
    append(path, {"n": 2})
    assert path.read_text() == '{"n": 1}\n{"n":\n{"n": 2}\n'


def test_lines_of_several_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"

    def write(writer: int) -> None:
        for number in range(50):
            append(path, {"writer": writer, "text": str(number) * 500})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert lines.count("writer,text") == 1
    assert len(lines) == 201


def test_a_removed_file_is_an_error_and_not_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sandbox the file is mounted: its name goes on leading to the removed file."""
    path = tmp_path / "out.jsonl"
    real = module.os.open

    def open_then_remove(*arguments: Any) -> int:
        file: int = real(*arguments)
        path.unlink()
        return file

    monkeypatch.setattr(module.os, "open", open_then_remove)
    with pytest.raises(FileNotFoundError, match="was removed"):
        append(path, {"n": 1})


def test_other_values_become_json(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    append(path, {"a": True, "b": {"c": 1.5}})
    row = path.read_text().splitlines()[1]
    assert row == 'true,"{""c"": 1.5}"'
    assert json.loads('{"c": 1.5}') == {"c": 1.5}
