"""Compiling a document into what a worker runs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.flows.components import FILES, SHOP, code

from headrace.errors import Refused
from headrace.flows.deployment import DeploymentSpec, Grants
from headrace.flows.document import parse
from headrace.flows.mapping import MappingError
from headrace.flows.publish import LISTENER_PAUSE, POLL_INTERVAL, Resolved, compile_deployment, for_test

DOCUMENT = """
flow: orders
steps:
  - id: orders
    trigger: shop/new-order
    fields: {region: eu}
  - id: found
    after: orders
    action: shop/find-order
    when: body.blocked = false
    concurrency: 4
    timeout: 5s
    memory: 64MB
    retry: {attempts: 3, first: 1s}
  - id: kept
    after: [found, orders]
    action: files/append
    fields: {path: /srv/out/orders.jsonl}
    paths: {read: [/etc/ssl, /srv/out/orders.jsonl], write: /srv/log}
    input: '{"id": $steps.orders.body.id, "found": body}'
"""


def compiled(text: str = DOCUMENT, **changes: Any) -> DeploymentSpec:
    document = parse(text)
    described = {"shop": SHOP, "files": FILES}
    resolved = {step.id: Resolved(code(step.component), described[step.component]) for step in document.steps}
    settings: dict[str, Any] = {
        "flow_id": "f1",
        "version": 2,
        "epoch": 7,
        "journal_bytes": 1000,
        "journal_keep": 60.0,
        "message_limit": 100,
        "queue_limit": 50,
        "step_memory": 512,
        "ready_within": 6.0,
        "stop_within": 1.0,
        "runtime_folder": "/run/f1",
    }
    return compile_deployment(document, resolved, **settings | changes)


def test_names_the_deployment() -> None:
    spec = compiled()
    assert (spec.flow_id, spec.flow, spec.version, spec.epoch) == ("f1", "orders", 2, 7)
    assert (spec.journal_bytes, spec.journal_keep, spec.message_limit) == (1000, 60, 100)
    assert (spec.ready_within, spec.stop_within, spec.runtime_folder) == (6, 1, "/run/f1")
    assert spec.trigger.id == "orders"


def test_links_steps_and_carries_what_is_read() -> None:
    spec = compiled()
    assert {step.id: (step.after, step.successors, step.carry) for step in spec.steps} == {
        "orders": ((), ("found", "kept"), ()),
        "found": (("orders",), ("kept",), ("orders",)),
        "kept": (("found", "orders"), (), ()),
    }


def test_takes_what_the_descriptor_says() -> None:
    trigger, found, kept = compiled().steps
    assert (trigger.trigger_type, trigger.main, trigger.function) == ("polling", "triggers/new_order.py", "new-order")
    assert (found.trigger_type, found.main, found.code.component) == (None, "actions/find_order.py", "shop")
    assert trigger.fields == {"region": "eu", "shop": "main"}
    assert kept.fields == {"path": "/srv/out/orders.jsonl", "format": "json"}


def test_what_is_written_goes_before_settings() -> None:
    orders, found, kept = compiled().steps
    assert (found.concurrency, found.timeout, found.memory, found.retry.attempts) == (4, 5, 64 << 20, 3)
    assert (kept.concurrency, kept.timeout, kept.memory, kept.queue_limit) == (1, 60, 512, 50)
    assert orders.when is None and found.when == "body.blocked = false"
    spec = compiled(DOCUMENT + "\njournal: {max_bytes: 2MB, keep: 0}")
    assert (spec.journal_bytes, spec.journal_keep) == (2 << 20, 0)


def test_grants_come_from_fields_and_paths() -> None:
    assert compiled().step("kept").grants == Grants(read=("/etc/ssl",), write=("/srv/out/orders.jsonl", "/srv/log"))
    assert compiled().step("orders").grants == Grants()


@pytest.mark.parametrize(
    ("trigger", "pause"), [("new-order", POLL_INTERVAL), ("stream", LISTENER_PAUSE), ("hook", LISTENER_PAUSE)]
)
def test_poll_interval_depends_on_the_trigger(trigger: str, pause: float) -> None:
    text = f"flow: f\nsteps: [{{id: t, trigger: shop/{trigger}}}]"
    assert compiled(text).trigger.poll_interval == pause
    assert compiled(text.replace("}]", ", poll_interval: 3s}]")).trigger.poll_interval == 3


def test_a_draft_is_tried_once_without_waiting_for_a_poll() -> None:
    spec = compiled(stop_within=10.0)
    assert any(step.retry.attempts == 3 for step in spec.steps)
    tried = for_test(spec)
    assert {step.retry.attempts for step in tried.steps} == {1}
    assert tried.rebound.attempts == 1
    assert tried.stop_within < spec.stop_within
    assert tried.trigger.poll_interval <= LISTENER_PAUSE
    assert {step.reply for step in tried.steps} == {"none"}


def test_survives_the_bus() -> None:
    spec = compiled()
    assert msgspec.json.decode(msgspec.json.encode(spec), type=DeploymentSpec) == spec


def test_refuses_what_the_component_no_longer_offers() -> None:
    with pytest.raises(Refused) as caught:
        compiled(DOCUMENT.replace("shop/find-order", "shop/seek"))
    assert caught.value.reason == "offer-not-found"
    assert "`found`" in caught.value.message and "revision 3" in caught.value.message


def test_an_expression_that_does_not_compile_is_an_error() -> None:
    with pytest.raises(MappingError):
        compiled(DOCUMENT.replace("body.blocked = false", "body."))
