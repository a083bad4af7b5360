"""The reference page names every key, default and reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from headrace.flows import mapping, publish, text
from headrace.flows.deployment import Code, Retry, StepSpec
from headrace.flows.document import Document, Step, parse
from headrace.flows.findings import Reason
from headrace.flows.quantity import parse_duration
from headrace.flows.schema import FLOW_KEYS, JOURNAL_KEYS, MAX_STEPS, PATHS_KEYS, RETRY_KEYS, STEP_KEYS

PAGE = (Path(__file__).parents[3] / "docs/reference/flow-document.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """First cells and further cells of the table whose first column has that heading."""
    table = PAGE.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {line[0]: line[1:] for line in lines}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [("Key of `journal`", JOURNAL_KEYS), ("Key of `retry`", RETRY_KEYS)],
)
def test_groups_of_keys(heading: str, keys: dict[str, object]) -> None:
    assert list(rows(heading)) == [f"`{key}`" for key in keys]


def test_keys_of_flow_and_step() -> None:
    flow, step = PAGE.split("\n## Step\n")
    assert set(re.findall(r"^\| `(\w+)` ", flow, re.MULTILINE)) == {*FLOW_KEYS, *JOURNAL_KEYS}
    steps = step.split("\n## Expressions")[0]
    assert set(re.findall(r"^\| `(\w+)` ", steps, re.MULTILINE)) == {*STEP_KEYS, *RETRY_KEYS}
    assert all(f"`{key}`" in steps for key in PATHS_KEYS)


def test_defaults() -> None:
    spec = StepSpec(
        id="",
        kind="action",
        function="",
        main="",
        code=Code(component="", revision=1, commit="", root="", interpreter=""),
    )
    step = PAGE.split("\n## Step\n")[1].split("\n## Expressions")[0]
    given = {key: cells.split(" | ") for key, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", step, re.MULTILINE)}
    for key in ("timeout", "quiet_after", "call_max"):
        assert parse_duration(given[key][1].strip("`")) == getattr(spec, key)
    for key in ("first", "max"):
        assert parse_duration(given[key][1].strip("`")) == getattr(Retry(), key)
    for key in ("attempts", "factor"):
        assert float(given[key][1].strip("`")) == getattr(Retry(), key)
    blank = Step("", "action", "", "")
    for key in ("version", "concurrency", "order", "reply", "log_level"):
        assert given[key][1] == f"`{getattr(blank, key)}`"
    assert (
        given["poll_interval"][1] == f"`{publish.POLL_INTERVAL:.0f}s` polling, `{publish.LISTENER_PAUSE:.0f}s` listener"
    )
    for key in ("type", "redeploy", "leak_guard"):
        assert f"`{getattr(Document(''), key)}` |" in PAGE.split(f"\n| `{key}` |")[1].splitlines()[0]


def test_limits() -> None:
    said = f"{text.MAX_BYTES:,} bytes, {text.MAX_DEPTH} levels, {text.MAX_VALUES:,} values, {MAX_STEPS} steps"
    assert said in PAGE
    assert f"{mapping.TIMEOUT:.0f} second, {mapping.DEPTH} calls within calls, lists of {mapping.ITEMS:,} items" in PAGE
    assert f"results of {mapping.RESULT_BYTES >> 20} MiB" in PAGE


def test_reasons() -> None:
    named = [reason for cell in rows("Reason") for reason in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(named) == sorted(get_args(Reason))


def test_examples_are_documents() -> None:
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "steps:" in block]
    assert len(examples) == 2
    for example in examples:
        parse(example if example.startswith("flow:") else f"flow: f\n{example}")
