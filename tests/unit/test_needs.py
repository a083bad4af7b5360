from __future__ import annotations

import pytest
from tests import needs


def test_every_part_says_how_to_get_it() -> None:
    assert all(part.get for part in needs.PARTS.values())


def test_a_missing_part_gives_one_line_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needs.PARTS, "abacus", needs.Part("abacus", "make one", lambda: False))
    assert needs.missing("abacus") == "needs abacus: make one"


def test_a_present_part_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needs.PARTS, "quill", needs.Part("quill", "pluck a goose", lambda: True))
    assert needs.missing("quill") is None


def test_parts_are_required_only_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_TEST_REQUIRE", raising=False)
    assert not needs.required()
    monkeypatch.setenv("HEADRACE_TEST_REQUIRE", "all")
    assert needs.required()


@pytest.mark.parametrize(("require", "outcome"), [("", "skipped"), ("all", "failed")])
def test_marked_tests_are_skipped_or_failed(require: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import conftest

    monkeypatch.setenv("HEADRACE_TEST_REQUIRE", require)
    monkeypatch.setitem(needs.PARTS, "abacus", needs.Part("abacus", "make one", lambda: False))

    class Item:
        def iter_markers(self, _name: str) -> list[pytest.Mark]:
            return [pytest.mark.needs("abacus").mark]

    expected = pytest.skip.Exception if outcome == "skipped" else pytest.fail.Exception
    with pytest.raises(expected, match="needs abacus: make one"):
        conftest.pytest_runtest_setup(Item())  # type: ignore[arg-type]
