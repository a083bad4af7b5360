"""What a disabled step takes out of a flow: itself, and every step that nothing else leads to.

Everything that runs a document runs `running` of it, so a disabled step means one thing everywhere: as if it, and
what only it led to, were not in the document.
"""

from __future__ import annotations

from dataclasses import replace

from headrace.flows.document import Document
from headrace.flows.graph import reachable

__all__ = ["left_out", "running"]


def left_out(document: Document) -> frozenset[str]:
    """Ids of the steps that do not run: disabled ones, and those that can only be reached through them.

    The document may have any mistakes. A trigger is never left out, and what nothing leads to anyway is not counted.
    """
    disabled = {step.id for step in document.steps if step.disabled and step.kind == "action"}
    if not disabled:
        return frozenset()
    ids = {step.id for step in document.steps}
    after = {step.id: [one for one in step.after if one in ids] for step in document.steps}
    triggers = [step.id for step in document.steps if step.kind == "trigger"]
    passing = {step: [one for one in before if one not in disabled] for step, before in after.items()}
    lost = reachable(after, triggers) - reachable(passing, triggers)
    return frozenset(disabled | lost)


def running(document: Document) -> Document:
    """The document without what is left out; itself when nothing is."""
    gone = left_out(document)
    if not gone:
        return document
    steps = (
        replace(step, after=tuple(one for one in step.after if one not in gone))
        for step in document.steps
        if step.id not in gone
    )
    return replace(document, steps=tuple(steps))
