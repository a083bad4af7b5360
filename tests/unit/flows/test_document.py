"""Flow documents: parsed, refused with every problem, written back."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
from hypothesis import given
from tests.unit.flows.strategies import documents

from headrace.errors import Invalid, Problem
from headrace.flows.deployment import Retry
from headrace.flows.document import Document, Journal, Step, named, parse, to_json, to_value, to_yaml
from headrace.flows.schema import FLOW_KEYS, STEP_KEYS

ORDERS = """
flow: orders-to-erp
type: real-time
journal: {max_bytes: 512MB, keep: 2h}
steps:
  - id: orders
    trigger: shop/new-order            # component/trigger
    credential: shop-prod
    fields: {region: eu, on: yes, zip: 01234}
  - id: customer
    after: orders
    action: crm/find-customer
    version: 3
    input: '{"email": body.customer.email}'
  - id: invoice
    after: [customer, orders]
    when: 'body.blocked = false'
    action: erp/create-invoice
    version: 1.4.0
    input: |
      {"customer": body.id, "total": $sum($steps.orders.body.lines.(price * qty))}
    concurrency: 4
    retry: {attempts: 5, first: 250ms, factor: 2, max: 5m}
    timeout: 1.5m
    memory: 256MB
    paths: {read: /srv/in, write: [/srv/out, /srv/log]}
"""


def problems(text: str | bytes) -> dict[str, Problem]:
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert caught.value.reason == "flow-document"
    assert str(caught.value.problems[0]) in caught.value.message
    assert all(problem.severity == "error" for problem in caught.value.problems)
    return {problem.path: problem for problem in caught.value.problems}


def step_problems(keys: str) -> dict[str, Problem]:
    step = "- id: a\n  trigger: x/y\n" + textwrap.indent(keys, "  ")
    found = problems(f"flow: f\nsteps:\n{step}")
    return {path.removeprefix("steps[0]."): problem for path, problem in found.items()}


class TestParse:
    def test_the_example(self) -> None:
        document = parse(ORDERS)
        assert (document.flow, document.type) == ("orders-to-erp", "real-time")
        assert document.journal == Journal(max_bytes=512 << 20, keep=7200)
        orders, customer, invoice = document.steps
        assert orders == Step(
            "orders",
            "trigger",
            "shop",
            "new-order",
            credential="shop-prod",
            fields={"region": "eu", "on": "yes", "zip": "01234"},
        )
        assert (customer.after, customer.version, customer.input) == (("orders",), 3, '{"email": body.customer.email}')
        assert invoice.after == ("customer", "orders")
        assert invoice.retry == Retry(attempts=5, first=0.25, factor=2, max=300)
        assert (invoice.version, invoice.timeout, invoice.memory) == ("1.4.0", 90, 256 << 20)
        assert (invoice.read, invoice.write) == (("/srv/in",), ("/srv/out", "/srv/log"))

    def test_json_spells_the_same(self) -> None:
        document = parse(ORDERS)
        assert parse(json.dumps(to_value(document)).encode()) == document

    def test_a_key_without_a_value_counts_as_not_given(self) -> None:
        assert parse("flow: f\nsteps:\n- id: a\n  trigger: x/y\n  when:\n  fields: ~") == Document(
            "f", steps=(Step("a", "trigger", "x", "y"),)
        )

    def test_a_revision_in_quotes_is_a_revision(self) -> None:
        assert parse("flow: f\nsteps: [{id: a, trigger: x/y, version: '3'}]").steps[0].version == 3

    def test_no_steps_is_a_document(self) -> None:
        assert parse("flow: f\nsteps: []") == Document("f")


class TestProblems:
    def test_every_one_is_found(self) -> None:
        found = problems(
            "flow: my flow\nflow: x y\ntype: realtime\nstesp: 1\n"
            "steps:\n- 7\n- {action: c}\n- {id: b, trigger: a/b, action: a/c}"
        )
        assert {path: problem.reason for path, problem in found.items()} == {
            "flow": "name",
            "type": "choice",
            "stesp": "unknown-key",
            "steps[0]": "type",
            "steps[1].id": "missing",
            "steps[1].action": "offer",
            "steps[2].action": "both",
        }

    @pytest.mark.parametrize(
        ("written", "meant"),
        [("stesp", "steps"), ("Title", "title"), ("jurnal", "journal"), ("nodes", "steps"), ("name", "flow")],
    )
    def test_unknown_flow_keys_are_guessed(self, written: str, meant: str) -> None:
        found = problems(f"flow: f\nsteps: []\n{written}: 1")
        assert found[written].suggestion == f"did you mean `{meant}`?"

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("conditon", "when"),
            ("inputs", "input"),
            ("config", "fields"),
            ("depends_on", "after"),
            ("pollInterval", "poll_interval"),
        ],
    )
    def test_unknown_step_keys_are_guessed(self, written: str, meant: str) -> None:
        assert step_problems(f"{written}: 1")[written].suggestion == f"did you mean `{meant}`?"

    def test_unknown_keys_like_nothing_list_what_is_known(self) -> None:
        assert "concurrency" in step_problems("zzz: 1")["zzz"].suggestion

    @pytest.mark.parametrize(
        ("keys", "path", "reason"),
        [
            ("input: {a: body.b}", "input", "type"),
            ("when: true", "when", "type"),
            ("fields: [1]", "fields", "type"),
            ("after: 1", "after", "type"),
            ("after: [a, 1]", "after[1]", "type"),
            ("after: [a, a]", "after[1]", "repeated"),
            ("concurrency: true", "concurrency", "type"),
            ("concurrency: 1.5", "concurrency", "type"),
            ("concurrency: 0", "concurrency", "range"),
            ("order: loose", "order", "choice"),
            ("order: 1", "order", "choice"),
            ("timeout: 5 parsecs", "timeout", "type"),
            ("timeout: 0", "timeout", "range"),
            ("timeout: 2000d", "timeout", "range"),
            ("memory: 1MB", "memory", "range"),
            ("memory: lots", "memory", "type"),
            ("version: 1.4", "version", "version"),
            ("version: newest", "version", "version"),
            ("version: 0", "version", "version"),
            ("version: true", "version", "version"),
            ("retry: 5", "retry", "type"),
            ("retry: {attempts: 0}", "retry.attempts", "range"),
            ("retry: {atempts: 5}", "retry.atempts", "unknown-key"),
            ("paths: {write: {}}", "paths.write", "type"),
            ("paths: {exec: /}", "paths.exec", "unknown-key"),
            ("log_level: loud", "log_level", "choice"),
            ("name: 5", "name", "type"),
            ("credential: [a]", "credential", "type"),
        ],
    )
    def test_of_a_step(self, keys: str, path: str, reason: str) -> None:
        found = step_problems(keys)
        assert {path: problem.reason for path, problem in found.items()} == {path: reason}

    @pytest.mark.parametrize("name", ["1a", "a b", "a.b", "ä", "", "a" * 65, "-a", "a>", "*"])
    def test_names_are_legal_everywhere(self, name: str) -> None:
        text = f"flow: {json.dumps(name)}\nsteps: [{{id: {json.dumps(name)}, trigger: x/y}}]"
        assert {path: problem.reason for path, problem in problems(text).items()} == {
            "flow": "name",
            "steps[0].id": "name",
        }

    def test_a_name_is_mended(self) -> None:
        assert problems("flow: Orders to ERP!\nsteps: []")["flow"].suggestion == "write `Orders-to-ERP`"

    @pytest.mark.parametrize("root", ["[]", "5", '"text"', "null", "- flow: f"])
    def test_the_root_is_a_mapping(self, root: str) -> None:
        assert problems(root)[""].reason == "type"

    @pytest.mark.parametrize("text", [b"\xff", "", "a: b: c", "[" * 100_000, "x" * 2_000_000])
    def test_text_that_cannot_be_read(self, text: str | bytes) -> None:
        assert list(problems(text)) == [""]

    def test_too_many_steps(self) -> None:
        steps = ", ".join(f"{{id: s{n}, action: x/y}}" for n in range(501))
        assert problems(f"flow: f\nsteps: [{steps}]")["steps"].reason == "too-many-steps"

    def test_ten_thousand_mistakes_are_counted(self) -> None:
        with pytest.raises(Invalid) as caught:
            parse("flow: f\nsteps: []\n" + "".join(f"k{n}: 1\n" for n in range(10_000)))
        assert "9500 more" in caught.value.problems[-1].message


class TestWrite:
    @given(documents)
    def test_yaml_and_json_read_back(self, document: Document) -> None:
        assert parse(to_yaml(document)) == document
        assert parse(to_json(document)) == document

    @given(documents)
    def test_canonical_text_is_stable(self, document: Document) -> None:
        text = to_yaml(document)
        assert to_yaml(parse(text)) == text

    def test_reads_like_a_person_wrote_it(self) -> None:
        text = to_yaml(parse(ORDERS))
        assert text.startswith("flow: orders-to-erp\ntype: real-time\njournal:\n  max_bytes: 512MB\n  keep: 2h\n")
        assert "  - id: invoice\n    action: erp/create-invoice\n    version: 1.4.0\n" in text
        assert "    input: |\n      {" in text

    def test_every_key_can_be_written(self) -> None:
        document = Document(
            "f",
            type="ordinary",
            title="t",
            description="d",
            redeploy="on-push",
            leak_guard="stop",
            journal=Journal(1 << 20, 1.0),
            steps=(
                Step(
                    "a", "action", "x", "y", 2, True, "n", "n", "c", {"f": 1}, ("b",), "1", "1", 2, "strict",
                    Retry(attempts=2), 1, 1, 1, 1, 1, 16 << 20, ("/r",), ("/w",), "wait", "debug",
                ),
            ),
        )  # fmt: skip
        value: dict[str, Any] = to_value(document)
        assert set(value) == set(FLOW_KEYS)
        assert set(value["steps"][0]) == set(STEP_KEYS) - {"trigger"}
        assert parse(to_yaml(document)) == document


def test_mappers_count_as_steps() -> None:
    assert parse(ORDERS).step_count == 5


def test_names_the_component_versions_it_needs() -> None:
    assert named(parse(ORDERS)) == {("shop", "latest"), ("crm", 3), ("erp", "1.4.0")}
