"""Hypothesis strategies for flow documents."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from headrace.flows.deployment import Retry
from headrace.flows.document import Document, Journal, Step

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
durations = st.one_of(
    st.integers(1, 366 * 86_400).map(float),
    st.floats(0.001, 1e6, allow_nan=False),
    st.integers(1, 5000).map(lambda n: n / 1000),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), texts
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
expressions = st.sampled_from(
    [
        "body",
        '{"id": body.id}',
        "$sum(body.lines.(price * qty))",
        "body.ok = true\n",
        '{\n  "a": "x: y",\n\t"b": 1\n}',
        "/* é */ 1 ",
    ]
)
retries = st.builds(
    Retry,
    attempts=st.integers(1, 1000),
    first=durations,
    factor=st.floats(1, 100),
    max=durations,
)
optional: dict[str, st.SearchStrategy[Any]] = {
    "concurrency": st.integers(1, 1000),
    "order": st.sampled_from(["relaxed", "strict"]),
    "retry": retries,
    "timeout": durations,
    "poll_interval": durations,
    "quiet_after": durations,
    "call_max": durations,
    "queue_limit": st.integers(1, 10_000_000),
    "memory": st.integers(16 << 20, 1 << 40),
    "read": st.lists(texts, max_size=2, unique=True).map(tuple),
    "write": st.lists(texts, max_size=2, unique=True).map(tuple),
    "reply": st.sampled_from(["none", "wait"]),
    "log_level": st.sampled_from(["trace", "debug", "info", "warn", "error", "fatal"]),
    "version": st.one_of(st.integers(1, 999), st.sampled_from(["latest", "1.2.3", "0.1.0-rc.1+x"])),
    "disabled": st.booleans(),
    "name": texts,
    "note": texts,
    "credential": st.none() | texts,
    "fields": st.dictionaries(texts, values, max_size=3),
    "after": st.lists(texts, max_size=3, unique=True).map(tuple),
    "when": st.none() | expressions,
    "input": st.none() | expressions,
}


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """A step that `parse` accepts, whether or not it makes sense."""
    offer = st.from_regex(r"[a-z][a-zA-Z.-]{0,10}", fullmatch=True)
    given: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=optional))
    return Step(draw(names), draw(st.sampled_from(["trigger", "action"])), draw(offer), draw(offer), **given)


documents = st.builds(
    Document,
    flow=names,
    type=st.sampled_from(["real-time", "ordinary"]),
    title=texts,
    description=texts,
    redeploy=st.sampled_from(["manual", "on-push"]),
    leak_guard=st.sampled_from(["warn", "stop"]),
    journal=st.builds(
        Journal, max_bytes=st.none() | st.integers(1 << 20, 1 << 40), keep=st.none() | st.just(0.0) | durations
    ),
    steps=st.lists(steps(), max_size=4).map(tuple),
)
