from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.components.variables import is_settable, problems
from headrace.sandbox import ENVIRONMENT

RESERVED = [
    "ELASTICIO_API_KEY", "HEADRACE_STORAGE_TOKEN", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PATH", "HOME",
    "PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "LOG_LEVEL", "GLIBC_TUNABLES", "USER",
]  # fmt: skip


@pytest.mark.parametrize("name", [*RESERVED, *ENVIRONMENT])
def test_what_is_the_platforms_cannot_be_set(name: str) -> None:
    (found,) = problems({name: "x"})
    assert (found.path, found.reason, is_settable(name)) == (f"values.{name}", "reserved", False)


@pytest.mark.parametrize(
    "name", ["CRM_KEY", "crm_key", "_x", "NODE_ENV", "HTTPS_PROXY", "EIO_REQUIRED_RAM_MB", "LANGUAGE"]
)
def test_anything_else_can(name: str) -> None:
    assert (list(problems({name: "x"})), list(problems({name: None})), is_settable(name)) == ([], [], True)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "ÄRGER", "A\n", "A" * 201])
def test_a_name_is_one_that_every_shell_knows(name: str) -> None:
    assert [each.reason for each in problems({name: "x"})] == ["bad-name"]
    assert not is_settable(name)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(7, "bad-value"), (True, "bad-value"), ({}, "bad-value"), ("a\0b", "bad-value"), ("\ud800", "bad-value"),
     ("ä" * 40_000, "too-large")],
)  # fmt: skip
def test_values_are_text_that_an_environment_holds(value: object, reason: str) -> None:
    (found,) = problems({"A": value})
    assert found.reason == reason
    assert str(value)[:5] not in found.message


@given(st.dictionaries(st.text(), st.text() | st.none() | st.integers()))
def test_nothing_that_passes_can_harm_the_start_of_a_process(changes: dict[str, object]) -> None:
    wrong = {each.path for each in problems(changes)}
    for name, value in changes.items():
        if f"values.{name[:200]}" not in wrong:
            assert is_settable(name)
            assert value is None or (isinstance(value, str) and "\0" not in value)
