"""From a document and resolved component versions to the spec a worker runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from headrace.errors import Refused
from headrace.flows import grants
from headrace.flows.catalog import Described, Offer
from headrace.flows.deployment import Code, DeploymentSpec, Retry, StepSpec
from headrace.flows.disabled import running
from headrace.flows.document import Document, Step
from headrace.flows.graph import Graph, References, carry
from headrace.flows.mapping import Expression

__all__ = ["LISTENER_PAUSE", "POLL_INTERVAL", "Resolved", "compile_deployment", "for_test", "references"]

POLL_INTERVAL = 60.0
"""Seconds between the calls of a ``polling`` trigger."""
LISTENER_PAUSE = 1.0
"""The same for a ``listener``, whose call usually does not end."""
TEST_STOPS_WITHIN = 2.0
"""Seconds that a call gets to end when a test is given up."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The component version a step runs, frozen for the life of the deployment."""

    code: Code
    described: Described
    variables: str = ""
    """Under which id the component's environment variables are kept; empty: it has none."""


def compile_deployment(
    document: Document,
    resolved: Mapping[str, Resolved],
    *,
    flow_id: str,
    version: int,
    epoch: int,
    journal_bytes: int,
    journal_keep: float,
    message_limit: int,
    queue_limit: int,
    step_memory: int,
    credentials: Mapping[str, str] = MappingProxyType({}),
    ready_within: float,
    stop_within: float,
    runtime_folder: str,
) -> DeploymentSpec:
    """Settle everything a worker would otherwise have to decide. ``resolved`` has an entry for each step that runs;
    what is disabled is left out.

    The document is one that lint accepts. ``credentials`` gives the id of each it names. Times are seconds, sizes
    bytes; what a document says goes before what the arguments say. Raises `Refused` (``offer-not-found``) when a
    resolved component version no longer offers what a step uses (``credential-not-found``: when a credential is
    gone), and `MappingError` for an expression that does not compile.
    """
    document = running(document)
    graph = Graph.of({step.id: step.after for step in document.steps})
    carried = carry(graph, {step.id: references(step) for step in document.steps})
    steps = tuple(
        _step(
            step,
            resolved[step.id],
            after=step.after,
            carry=carried[step.id],
            successors=graph.successors[step.id],
            queue_limit=_or(step.queue_limit, queue_limit),
            memory=_or(step.memory, step_memory),
            credential=_credential(step, credentials),
        )
        for step in document.steps
    )
    return DeploymentSpec(
        flow_id=flow_id,
        flow=document.flow,
        version=version,
        epoch=epoch,
        steps=steps,
        journal_bytes=_or(document.journal.max_bytes, journal_bytes),
        journal_keep=_or(document.journal.keep, journal_keep),
        message_limit=message_limit,
        leak_guard=document.leak_guard,
        ready_within=ready_within,
        stop_within=stop_within,
        runtime_folder=runtime_folder,
    )


def for_test(spec: DeploymentSpec) -> DeploymentSpec:
    """The same to try a draft with: what fails is tried once, a trigger is called often, and nobody waits for an answer
    or a long stop."""
    steps = tuple(
        msgspec.structs.replace(
            step, retry=Retry(), reply="none", poll_interval=min(step.poll_interval, LISTENER_PAUSE)
        )
        for step in spec.steps
    )
    stop_within = min(spec.stop_within, TEST_STOPS_WITHIN)
    return msgspec.structs.replace(spec, steps=steps, rebound=Retry(), stop_within=stop_within)


def references(step: Step) -> References:
    """Ids of the steps that its condition and mapping read; `None` when that cannot be told."""
    known: frozenset[str] = frozenset()
    for source in (step.when, step.input):
        read = Expression(source).references if source is not None else frozenset()
        if read is None:
            return None
        known |= read
    return known


def _step(step: Step, resolved: Resolved, **settled: Any) -> StepSpec:
    offer = _offer(step, resolved.described)
    defaults = StepSpec(id="", kind="action", function="", main="", code=resolved.code)
    return StepSpec(
        id=step.id,
        kind=step.kind,
        function=step.function,
        main=offer.main,
        code=resolved.code,
        variables=resolved.variables,
        trigger_type=offer.trigger_type or "webhook" if step.kind == "trigger" else None,
        fields=grants.filled(step, offer),
        when=step.when,
        input=step.input,
        concurrency=step.concurrency,
        order=step.order,
        retry=step.retry,
        timeout=_or(step.timeout, defaults.timeout),
        grants=grants.compiled(grants.step_grants(step, offer)),
        log_level=step.log_level,
        poll_interval=_or(step.poll_interval, POLL_INTERVAL if offer.trigger_type == "polling" else LISTENER_PAUSE),
        quiet_after=_or(step.quiet_after, defaults.quiet_after),
        call_max=_or(step.call_max, defaults.call_max),
        reply=step.reply,
        **settled,
    )


def _credential(step: Step, ids: Mapping[str, str]) -> str:
    if step.credential is None:
        return ""
    if step.credential not in ids:
        raise Refused(
            "credential-not-found",
            f"Step `{step.id}` uses the credential `{step.credential}`, which does not exist (any more)",
            next_step=f"headrace credential create {step.credential} --component {step.component}",
        )
    return ids[step.credential]


def _offer(step: Step, described: Described) -> Offer:
    offer = described.offer(step.kind, step.function)
    if offer is None:
        raise Refused(
            "offer-not-found",
            f"Step `{step.id}` uses the {step.kind} `{step.function}`, which revision {described.revision} of "
            f"component `{described.component}` does not have",
            next_step="name another one in the flow, or a component version that has it under `version`",
        )
    return offer


def _or(written: Any, otherwise: Any) -> Any:
    return otherwise if written is None else written
