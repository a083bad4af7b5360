"""Expressions are JSONata: the language's public test suite, with every difference named."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
from tests.needs import JSONATA_SUITE

from headrace.flows.mapping import Expression, MappingError

NO_INPUT = "expects undefined of an input that is undefined, which a message never is"
OUR_LIMITS = "sets limits of its own; ours are the constants of headrace.flows.mapping"
OUR_CODE = "is refused with our own code: half of a surrogate pair is no text"
ENGINE = "the engine says where the number went out of range, not where it was used"

KNOWN = {
    "descendent-operator/case016": NO_INPUT,
    "encoding/case001": NO_INPUT,
    "encoding/case003": NO_INPUT,
    "function-encodeUrl/case002": OUR_CODE,
    "function-encodeUrlComponent/case002": OUR_CODE,
    "function-string/case019": ENGINE,
    "function-string/case022": NO_INPUT,
    "function-trim/case002": NO_INPUT,
    "range-operator/case021": OUR_LIMITS,
    "range-operator/case024": OUR_LIMITS,
    "tail-recursion/case002": OUR_LIMITS,
    "tail-recursion/case005": OUR_LIMITS,
    "tail-recursion/case006": OUR_LIMITS,
    "transform/case022": NO_INPUT,
}

Outcome = tuple[str, Any]
"""``("result", value)``, ``("undefined", None)`` or ``("error", code)``."""


class Suite:
    """The suite as its archive holds it: texts by path below ``jsonata-test-suite``."""

    def __init__(self) -> None:
        self._texts: dict[PurePosixPath, str] = {}
        (archive,) = JSONATA_SUITE.glob("*.tar.gz")
        with tarfile.open(archive) as members:
            for member in members:
                _, found, path = member.name.partition("/jsonata-test-suite/")
                content = members.extractfile(member) if found else None
                if content is not None:
                    self._texts[PurePosixPath(path)] = content.read().decode()

    def cases(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each case with its name, its expression and its input in place."""
        for path, text in sorted(self._texts.items()):
            if path.parts[0] == "groups" and path.suffix == ".json":
                content = json.loads(text)
                name = f"{path.parent.name}/{path.stem}"
                if isinstance(content, dict):
                    yield name, self._complete(path, content)
                else:
                    yield from ((f"{name}/{number}", self._complete(path, each)) for number, each in enumerate(content))

    def _complete(self, path: PurePosixPath, case: dict[str, Any]) -> dict[str, Any]:
        expression = case["expr"] if "expr" in case else self._texts[path.parent / case["expr-file"]]
        values = "".join(f"${name} := {json.dumps(value)}; " for name, value in (case.get("bindings") or {}).items())
        dataset = case.get("dataset")
        data = json.dumps(case.get("data"))
        given = data if dataset is None else self._texts[PurePosixPath(f"datasets/{dataset}.json")]
        return case | {"source": f"({values}{expression})" if values else expression, "input": given}


def wanted(case: dict[str, Any]) -> Outcome:
    if "code" in case or "error" in case:
        return "error", case.get("code") or case["error"]["code"]
    return ("undefined", None) if case.get("undefinedResult") else ("result", case["result"])


def outcome(case: dict[str, Any]) -> Outcome:
    try:
        result = Expression(case["source"]).evaluate(case["input"])
    except MappingError as error:
        return "error", error.code
    return ("undefined", None) if result is None else ("result", json.loads(result))


def same(one: Any, other: Any, *, unordered: bool = False) -> bool:
    """Equality of JSON values, where ``true`` is not 1 although Python says so."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        first, second = (sorted(one, key=json.dumps), sorted(other, key=json.dumps)) if unordered else (one, other)
        return len(first) == len(second) and all(map(same, first, second))
    return bool(one == other)


@pytest.mark.needs("jsonata-suite")
def test_expressions_give_what_the_public_suite_says() -> None:
    cases = dict(Suite().cases())
    assert len(cases) > 1_600
    differences = {}
    for name, case in cases.items():
        (kind, value), (wanted_kind, wanted_value) = outcome(case), wanted(case)
        if kind != wanted_kind or not same(value, wanted_value, unordered=case.get("unordered", False)):
            differences[name] = f"{case['source']}: {kind} {value}, not {wanted_kind} {wanted_value}"
    assert {name: why for name, why in differences.items() if name not in KNOWN} == {}
    assert KNOWN.keys() - differences.keys() == set(), "these are as the suite says now"
