"""The components of trials and benchmarks: the same in both languages, in versions that differ in code."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from headrace.testing.versions import FOLDERS, Language, good

SUFFIXES: dict[Language, str] = {"node": ".js", "python": ".py"}


@pytest.mark.parametrize("step", FOLDERS)
def test_both_languages_offer_the_same(step: str) -> None:
    offers = []
    for language in get_args(Language):
        descriptor = good(step, 1, language)["component.json"]
        offers.append(json.loads(descriptor.replace(f'{SUFFIXES[language]}"', '.*"')))
    assert offers[0] == offers[1]


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("step", FOLDERS)
def test_versions_differ_in_their_code_alone(step: str, language: Language) -> None:
    first, second = good(step, 1, language), good(step, 2, language)
    changed = {name for name in first if first[name] != second[name]}
    assert first.keys() == second.keys()
    assert changed == {name for name in first if name.endswith(SUFFIXES[language])}


@pytest.mark.parametrize("language", get_args(Language))
def test_the_sink_marks_what_it_saw_with_its_number(language: Language) -> None:
    assert any("MARK = 7" in text for text in good("sink", 7, language).values())
