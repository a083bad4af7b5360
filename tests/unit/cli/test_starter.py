"""Components to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.starter import Language, write
from headrace.components.lint import lint
from headrace.errors import Refused


@pytest.mark.parametrize("language", Language)
def test_a_starter_is_a_component_without_fault(tmp_path: Path, language: Language) -> None:
    write(tmp_path / "crm", "crm", language)
    files = [str(path.relative_to(tmp_path / "crm")) for path in (tmp_path / "crm").rglob("*") if path.is_file()]
    assert ("package.json" in files) == (language == "node")
    assert lint((tmp_path / "crm/component.json").read_bytes(), files) == ()
    written = "".join((tmp_path / "crm" / name).read_text() for name in files)
    assert '"crm"' in written and "starter" not in written


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(Refused) as caught:
        write(tmp_path, "crm", Language.node)
    assert caught.value.reason == "folder-in-use"
    assert [each.name for each in tmp_path.iterdir()] == ["notes"]


def test_a_fresh_repository_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, "crm", Language.python)
    assert (tmp_path / "component.json").is_file()
