"""Where a test of a draft begins, and which steps it calls. Pure.

    step     the step alone: on an input as it is given, or on the samples of the steps before it, mapped
    up-to    from the trigger's sample through the steps before it to the step
    whole    from the trigger's sample through all steps

A trigger as the only step is called until its first event (a webhook: until somebody calls its test address).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from headrace.errors import NotFound, Refused
from headrace.flows.document import Document, Step
from headrace.flows.graph import Graph
from headrace.flows.publish import references
from headrace.store.tests import Form

__all__ = ["Content", "Entry", "begin"]


class Content(msgspec.Struct, frozen=True):
    """What a message says."""

    body: Any = None
    headers: dict[str, Any] = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The message a test begins with. ``at``: as if ``step`` had emitted it, for ``step`` alone, or by its trigger."""

    at: Literal["output", "inbox", "trigger"]
    step: str
    only: tuple[str, ...]
    content: Content = Content()
    stage: Literal["raw", "mapped"] = "raw"
    before: str = ""
    """``inbox``: the step that is taken to have emitted it."""
    passthrough: dict[str, Content] = {}


def begin(
    document: Document, form: Form, step_id: str | None, given: Content | None, samples: Mapping[str, Content]
) -> Entry:
    """Where to begin. ``given`` is the step's input, or what the trigger is taken to have emitted.

    Raises `NotFound` (``no-such-step``) and `Refused` (``no-sample``), naming the step that lacks one.
    """
    graph = Graph.of({step.id: step.after for step in document.steps})
    trigger = next(step for step in document.steps if step.kind == "trigger")
    if form == "whole":
        return _through(document.flow, trigger, graph.order, given or samples.get(trigger.id))
    step = document.step(step_id or "")
    if step is None:
        told = f"the draft has no step `{step_id}`, or has it disabled"
        raise NotFound("no-such-step", told, next_step="name one of " + ", ".join(graph.order))
    if form == "up-to" and step.kind == "action":
        steps = (*graph.earlier[step.id], step.id)
        return _through(document.flow, trigger, steps, given or samples.get(trigger.id))
    return _alone(document, graph, step, given, samples)


def _through(flow: str, trigger: Step, steps: tuple[str, ...], content: Content | None) -> Entry:
    if content is None:
        raise _no_sample(flow, trigger.id)
    only = tuple(step for step in steps if step != trigger.id)
    return Entry(at="output", step=trigger.id, only=only, content=content)


def _alone(
    document: Document, graph: Graph, step: Step, given: Content | None, samples: Mapping[str, Content]
) -> Entry:
    only = (step.id,)
    if given is not None:
        return Entry(at="inbox", step=step.id, only=only, content=given, stage="mapped")
    if step.kind == "trigger":
        return Entry(at="trigger", step=step.id, only=only)
    before = next((each for each in step.after if each in samples), step.after[0])
    needed = references(step)
    read = graph.earlier[step.id] if needed is None else needed & graph.earlier[step.id]
    for each in sorted({before, *(read if needed is not None else ())}):
        if each not in samples:
            raise _no_sample(document.flow, each)
    passthrough = {each: samples[each] for each in sorted(read - {before}) if each in samples}
    return Entry(at="inbox", step=step.id, only=only, content=samples[before], before=before, passthrough=passthrough)


def _no_sample(flow: str, step: str) -> Refused:
    fetch = f"headrace flow test {flow} --step {step} --fetch"
    return Refused(
        "no-sample",
        f"step `{step}` has no sample yet, and this test begins with one",
        next_step=f"fetch one ({fetch}), write one, or take one from an execution",
    )
