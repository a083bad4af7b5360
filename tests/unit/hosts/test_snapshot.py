from __future__ import annotations

from typing import Any

from headrace_host.snapshot import Snapshot, copied


def test_nothing_given_or_taken_is_shared() -> None:
    given: dict[str, Any] = {"list": [1]}
    snapshot = Snapshot({})
    snapshot.replace(given)
    given["list"].append(2)
    snapshot.copy()["list"].append(3)
    patch: dict[str, Any] = {"more": {"deep": []}}
    snapshot.update(patch)
    patch["more"]["deep"] = [4]
    assert snapshot.copy() == {"list": [1], "more": {"deep": []}}


def test_an_update_is_shallow() -> None:
    snapshot = Snapshot({"a": {"x": 1}, "b": 1})
    snapshot.update({"a": {"y": 2}})
    assert snapshot.copy() == {"a": {"y": 2}, "b": 1}


def test_a_copy_is_equal_and_apart() -> None:
    value = {"a": [1, {"b": None}], "t": (1,)}
    twin = copied(value)
    assert twin == {"a": [1, {"b": None}], "t": [1]}
    assert twin["a"] is not value["a"]
