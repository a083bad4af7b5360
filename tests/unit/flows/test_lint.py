"""Lint: each mistake with its place, reason and suggestion; nothing makes it fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.flows.components import CATALOG
from tests.unit.flows.strategies import documents, values

from headrace.errors import Problem
from headrace.flows.document import Document, Step, to_json, to_value, to_yaml
from headrace.flows.lint import lint
from headrace.flows.lint.expressions import FUNCTIONS
from headrace.flows.mapping import Expression
from headrace.flows.schema import FLOW_KEYS, STEP_KEYS

LINE = """
flow: f
steps:
  - {id: t, trigger: shop/hook}
  - {id: a, after: t, action: shop/find-order}
  - {id: b, after: a, action: files/append, fields: {path: /srv/out.jsonl}}
"""


def found(text: str | bytes) -> list[Problem]:
    return list(lint(text, CATALOG))


def only(text: str) -> Problem:
    (problem,) = found(text)
    return problem


def changed(step: str, **keys: Any) -> str:
    """The line of three steps, with keys of one step replaced, or removed by `None`."""
    value = yaml.safe_load(LINE)
    one = next(one for one in value["steps"] if one["id"] == step)
    one |= {key.rstrip("_"): written for key, written in keys.items()}
    for key in [key for key in one if one[key] is None]:
        del one[key]
    return json.dumps(value)


def test_a_good_document_has_no_problems() -> None:
    assert found(LINE) == []


def test_problems_of_the_text_come_alone() -> None:
    assert {problem.reason for problem in found(LINE + "stesp: 1\ntype: x")} == {"unknown-key", "choice"}


def test_problems_are_in_the_order_of_steps() -> None:
    text = (
        LINE.replace("shop/hook", "shop/hoook")
        .replace("shop/find-order", "shop/find")
        .replace("flow: f", "flow: f\ntype: ordinary")
    )
    assert [problem.path for problem in found(text)] == ["type", "steps[0].trigger", "steps[1].action"]


class TestShape:
    def test_ordinary_flows_are_refused_with_the_reason(self) -> None:
        problem = only(f"type: ordinary\n{LINE}")
        assert (problem.path, problem.reason, problem.severity) == ("type", "ordinary", "error")
        assert "real-time" in problem.suggestion

    def test_following_pushes_needs_a_step_that_says_latest(self) -> None:
        assert found(f"redeploy: on-push\n{LINE}") == []
        pinned = re.sub(r"(shop/[a-z-]+)", r"\1, version: 3", LINE).replace("append,", "append, version: 1.0.0,")
        problem = only(f"redeploy: on-push\n{pinned}")
        assert (problem.path, problem.reason, problem.severity) == ("redeploy", "unused-key", "warning")

    def test_no_steps(self) -> None:
        assert only("flow: f\nsteps: []").reason == "no-steps"

    def test_no_trigger(self) -> None:
        problems = found("flow: f\nsteps: [{id: a, action: shop/find-order, after: a}]")
        assert [(problem.path, problem.reason) for problem in problems] == [
            ("steps", "no-trigger"),
            ("steps[0].after", "cycle"),
        ]

    def test_a_second_trigger(self) -> None:
        text = LINE + "  - {id: u, trigger: shop/hook}"
        assert [(problem.path, problem.reason) for problem in found(text)] == [("steps[3].trigger", "several-triggers")]

    def test_the_same_id_twice(self) -> None:
        problem = only(LINE + "  - {id: a, after: t, action: shop/find-order}")
        assert (problem.path, problem.reason) == ("steps[3].id", "duplicate-id")
        assert "steps[1]" in problem.message

    @pytest.mark.parametrize("key", ["after", "input", "when"])
    def test_what_a_trigger_cannot_have(self, key: str) -> None:
        assert f"steps[0].{key}" in {
            problem.path for problem in found(changed("t", **{key: "body"})) if problem.reason == "trigger-key"
        }

    def test_every_other_step_comes_after_something(self) -> None:
        problems = {problem.path: problem for problem in found(changed("b", after=None))}
        assert problems["steps[2].after"].reason == "no-after"
        assert problems["steps[2].after"].suggestion == "add `after: a`"

    def test_an_unknown_step_is_guessed(self) -> None:
        text = LINE.replace("id: a,", "id: customer,").replace("after: a,", "after: [custmer, t],")
        problem = only(text)
        assert (problem.path, problem.reason) == ("steps[2].after[0]", "unknown-step")
        assert problem.suggestion == "did you mean `customer`?"

    def test_a_cycle_is_named_from_its_first_step(self) -> None:
        problem = only(changed("a", after=["t", "b"]))
        assert (problem.path, problem.reason) == ("steps[1].after", "cycle")
        assert "a → b → a" in problem.message
        assert problem.suggestion == "remove `b` from its `after`"

    def test_steps_behind_a_cycle_cannot_be_reached(self) -> None:
        text = changed("a", after="b").replace("]}", ', {"id": "c", "action": "shop/find-order", "after": "b"}]}')
        problems = {problem.path: problem.reason for problem in found(text)}
        assert problems == {"steps[1].after": "cycle", "steps[2].after": "unreachable", "steps[3].after": "unreachable"}

    def test_a_long_cycle_is_shortened(self) -> None:
        steps = [{"id": f"s{n}", "action": "shop/find-order", "after": f"s{(n - 1) % 90}"} for n in range(90)]
        steps.append({"id": "t", "trigger": "shop/hook"})
        problem = next(one for one in found(json.dumps({"flow": "f", "steps": steps})) if one.reason == "cycle")
        assert len(problem.message) < 150

    def test_strict_order_with_many_calls_at_once(self) -> None:
        assert only(changed("a", order="strict", concurrency=2)).path == "steps[1].order"

    @pytest.mark.parametrize("name", ["in", "errors", "delay", "t-", "T", "x_1"])
    def test_names_that_subjects_allow(self, name: str) -> None:
        assert found(LINE.replace("id: a,", f"id: {name},").replace("after: a,", f"after: {name},")) == []


class TestOffers:
    @pytest.mark.parametrize(
        ("offer", "reason", "suggests"),
        [
            ("filse/append", "component-not-found", "did you mean `files`?"),
            ("zzz/append", "component-not-found", "push it first"),
            ("files/apend", "offer-not-found", "did you mean `append`?"),
            ("files/zzz", "offer-not-found", "it has files/append, files/copy"),
            ("shop/hook", "offer-not-found", "write `trigger: shop/hook`"),
            ("slow/x", "not-built", "wait for it"),
            ("broken/x", "not-built", "headrace component log broken"),
            ("empty/x", "version-not-found", "headrace component versions empty"),
        ],
    )
    def test_components_that_are_not_there(self, offer: str, reason: str, suggests: str) -> None:
        problem = only(changed("a", action=offer))
        assert (problem.path, problem.reason, problem.severity) == ("steps[1].action", reason, "error")
        assert suggests in problem.suggestion

    @pytest.mark.parametrize(
        ("version", "reason", "says"),
        [
            (4, "not-built", "Revision 4"),
            (9, "version-not-found", "no revision 9"),
            ("1.0.0", "version-not-found", "version 1.0.0"),
        ],
    )
    def test_versions_that_are_not_there(self, version: int | str, reason: str, says: str) -> None:
        problem = only(changed("a", version=version))
        assert (problem.path, problem.reason) == ("steps[1].version", reason)
        assert says in problem.message

    def test_versions_that_are_there(self) -> None:
        assert found(changed("a", version=3)) == found(changed("b", version="1.0.0")) == []

    def test_deprecated_offers_are_a_warning(self) -> None:
        assert (only(changed("a", action="files/copy")).severity) == "warning"

    def test_a_credential_where_none_is_taken(self) -> None:
        assert found(changed("a", credential="shop-prod")) == []
        assert only(changed("b", credential="x")).reason == "no-credentials"

    def test_a_credential_that_does_not_exist(self) -> None:
        problem = only(changed("a", credential="shop-prd"))
        assert (problem.path, problem.reason) == ("steps[1].credential", "credential-not-found")
        assert "shop-prod" in problem.suggestion

    def test_a_credential_that_is_not_good(self) -> None:
        problem = only(changed("a", credential="shop-test"))
        assert (problem.path, problem.reason, problem.severity) == (
            "steps[1].credential",
            "credential-not-good",
            "warning",
        )
        assert "wrong password" in problem.message
        assert problem.suggestion == "see `headrace credential show shop-test`"

    def test_an_environment_variable_that_the_component_needs(self) -> None:
        problem = only(changed("b", action="crm/find", fields={}))
        assert (problem.path, problem.reason) == ("steps[2].action", "variable-missing")
        assert "`CRM_KEY`" in problem.message
        assert problem.suggestion == "set it: headrace component env crm --set CRM_KEY=…"

    def test_a_credential_for_another_component(self) -> None:
        problem = only(changed("a", credential="vault-prod"))
        assert (problem.reason, problem.suggestion) == ("credential-of-another", "there are shop-prod, shop-test")

    def test_a_component_with_credential_fields_needs_a_credential(self) -> None:
        assert only(changed("a", action="vault/store")).reason == "credential-missing"
        assert found(changed("a", action="vault/store", credential="vault-prod")) == []

    @pytest.mark.parametrize(
        ("step", "key", "value", "severity"),
        [
            ("a", "reply", "wait", "error"),
            ("a", "poll_interval", "5s", "warning"),
            ("a", "quiet_after", "5s", "warning"),
            ("a", "call_max", "5s", "warning"),
            ("t", "poll_interval", "5s", "warning"),
        ],
    )
    def test_keys_that_do_nothing(self, step: str, key: str, value: str, severity: str) -> None:
        problem = only(changed(step, **{key: value}))
        assert (problem.path.split(".")[1], problem.reason, problem.severity) == (key, "unused-key", severity)

    def test_keys_that_do_something(self) -> None:
        assert found(changed("t", reply="wait", concurrency=4)) == []
        assert found(changed("t", trigger="shop/stream", poll_interval="5s")) == []
        assert found(changed("t", trigger="shop/new-order", poll_interval="5s", quiet_after="1s")) == []

    def test_a_polling_trigger_makes_one_call_at_a_time(self) -> None:
        assert only(changed("t", trigger="shop/new-order", concurrency=4)).reason == "unused-key"
        assert only(changed("t", trigger="shop/new-order", reply="wait")).reason == "unused-key"

    def test_the_leak_guard_is_for_triggers_that_are_called_again_and_again(self) -> None:
        problem = only(f"leak_guard: stop\n{LINE}")
        assert (problem.path, problem.reason, problem.severity) == ("leak_guard", "unused-key", "warning")
        polling = changed("t", trigger="shop/new-order")
        assert found(json.dumps(json.loads(polling) | {"leak_guard": "stop"})) == []


class TestFields:
    def problem(self, **fields: Any) -> Problem:
        return only(changed("b", fields={"path": "/srv/out.jsonl"} | fields))

    def test_required(self) -> None:
        problem = only(changed("b", fields=None))
        assert (problem.path, problem.reason) == ("steps[2].fields.path", "field-missing")

    def test_required_but_misspelt(self) -> None:
        missing, unknown = found(changed("b", fields={"paht": "/x"}))
        assert missing.suggestion == "did you mean `paht`, given under another name?"
        assert (unknown.severity, unknown.suggestion) == ("warning", "did you mean `path`?")

    def test_required_with_a_default_may_be_left_out(self) -> None:
        assert found(changed("t", trigger="shop/new-order")) == []

    def test_unknown_is_a_warning(self) -> None:
        problem = self.problem(fromat="csv")
        assert (problem.path, problem.severity) == ("steps[2].fields.fromat", "warning")
        assert problem.suggestion == "did you mean `format`?"

    def test_fields_that_need_others(self) -> None:
        problem = self.problem(columns="a,b")
        assert (problem.path, problem.reason) == ("steps[2].fields.columns", "field-requires")
        assert "`header`" in problem.message

    @pytest.mark.parametrize(
        ("fields", "path"),
        [({"format": "cvs"}, "format"), ({"format": 1}, "format"), ({"tags": ["a", "q"]}, "tags[1]")],
    )
    def test_choices(self, fields: dict[str, Any], path: str) -> None:
        problem = self.problem(**fields)
        assert (problem.path, problem.severity) == (f"steps[2].fields.{path}", "warning")

    def test_choices_that_a_function_lists_are_not_judged(self) -> None:
        assert found(changed("b", fields={"path": "/x", "account": "any"})) == []


class TestGrants:
    @pytest.mark.parametrize("path", ["out.jsonl", "./out", "../out", "~/out", 5, ["/a"]])
    def test_fields_that_grant_hold_absolute_paths(self, path: Any) -> None:
        problem = only(changed("b", fields={"path": path}))
        assert (problem.path, problem.reason, problem.severity) == ("steps[2].fields.path", "path", "error")

    def test_paths_are_absolute(self) -> None:
        assert only(changed("a", paths={"read": "in"})).path == "steps[1].paths.read"
        assert only(changed("a", paths={"write": ["/a", "b"]})).path == "steps[1].paths.write[1]"

    @pytest.mark.parametrize("path", ["/", "//", "/srv/..", "/."])
    def test_the_whole_machine_is_a_warning(self, path: str) -> None:
        assert only(changed("a", paths={"read": path})).reason == "grants-all"

    def test_judged_even_when_the_component_is_unknown(self) -> None:
        assert "path" in {problem.reason for problem in found(changed("a", action="zzz/x", paths={"read": "in"}))}


class TestExpressions:
    @pytest.mark.parametrize("key", ["input", "when"])
    def test_that_do_not_compile(self, key: str) -> None:
        problem = only(changed("a", **{key: '{\n  "a": body.\n}'}))
        assert (problem.path, problem.reason) == (f"steps[1].{key}", "expression")
        assert "line 3, column 1" in problem.message

    def test_that_are_empty(self) -> None:
        assert "leave the key out" in only(changed("a", when="  ")).suggestion

    @pytest.mark.parametrize(
        ("source", "reason", "suggests"),
        [
            ("$steps.aa.body", "unknown-step", "did you mean `a`?"),
            ("$steps.b.body", "step-not-before", "before it run: t, a"),
            ("$steps.c.body", "unknown-step", "the steps are t, a, b"),
        ],
    )
    def test_references_to_what_did_not_run(self, source: str, reason: str, suggests: str) -> None:
        problem = only(changed("b", input=source))
        assert (problem.path, problem.reason, problem.severity) == ("steps[2].input", reason, "error")
        assert suggests in problem.suggestion

    def test_references_to_what_ran(self) -> None:
        assert found(changed("b", input="$steps.a.body & $steps.t.headers.x", when="$exists($steps.t)")) == []

    def test_references_that_are_there_on_some_ways_only(self) -> None:
        problem = only(changed("b", after=["a", "t"], input="$steps.a.body"))
        assert (problem.reason, problem.severity) == ("step-not-always", "warning")

    def test_an_id_with_a_hyphen_needs_backquotes(self) -> None:
        text = LINE.replace("id: a,", "id: my-step,").replace("after: a,", "after: my-step,")
        assert only(text.replace("fields", "input: $steps.my-step.body, fields")).suggestion == "write $steps.`my-step`"
        assert found(text.replace("fields", "input: $steps.`my-step`.body, fields")) == []

    @pytest.mark.parametrize(
        ("source", "reason", "suggestion"),
        [
            ("customer.email", "unknown-name", "write body.customer"),
            ("bdy.email", "unknown-name", "did you mean `body`?"),
            ("$steps.t.id", "unknown-name", "write $steps.t.body.id"),
            ("$step.t", "unknown-variable", "did you mean `$steps`?"),
            ("$summ(body.n)", "unknown-variable", "did you mean `$sum`?"),
            ("$getPassthrough().a", "unknown-variable", "write $steps.<id>.body"),
        ],
    )
    def test_names_that_mean_nothing_are_warnings(self, source: str, reason: str, suggestion: str) -> None:
        problem = only(changed("a", input=source))
        assert (problem.reason, problem.severity, problem.suggestion) == (reason, "warning", suggestion)

    def test_functions_are_known_to_the_engine(self) -> None:
        assert {name for name in FUNCTIONS if Expression(f"${name}").variables} == set()


# Properties


@st.composite
def good(draw: st.DrawFn) -> Document:
    """A document without problems: a trigger and some actions, each after steps before it."""
    trigger = draw(st.sampled_from(["new-order", "stream", "hook"]))
    version = "latest" if draw(st.booleans()) else 3
    steps = [Step("t", "trigger", "shop", trigger, version)]
    for index in range(draw(st.integers(1, 6))):
        before = draw(st.lists(st.sampled_from([step.id for step in steps]), min_size=1, max_size=3, unique=True))
        files = draw(st.booleans())
        steps.append(
            Step(
                f"s{index}",
                "action",
                "files" if files else "shop",
                "append" if files else "find-order",
                fields={"path": "/srv/out"} if files else {},
                after=tuple(before),
                when=draw(st.sampled_from([None, "body.ok", "$exists($steps.t)"])),
                input=draw(st.sampled_from([None, "body", "$steps.t.body", '{"h": headers.x}'])),
                concurrency=draw(st.integers(1, 4)),
            )
        )
    return Document("f", steps=(steps[0], *draw(st.permutations(steps[1:]))))


@given(good())
def test_a_good_document_lints_clean(document: Document) -> None:
    assert found(to_yaml(document)) == found(to_json(document)) == []


Mutation = Callable[[dict[str, Any], int], tuple[str, str]]
"""Spoils a good document around the step of that index; returns the path and reason of the mistake."""


def step_key(key: str, written: Any, reason: str, **others: Any) -> Mutation:
    """Write a key of an action, or remove it with `None`."""

    def mutate(value: dict[str, Any], index: int) -> tuple[str, str]:
        step = value["steps"][index]
        step.pop(key, None)
        step |= others if written is None else others | {key: written}
        return f"steps[{index}].{key}", reason

    return mutate


def trigger_key(key: str, written: Any, reason: str) -> Mutation:
    return lambda value, _: step_key(key, written, reason)(value, 0)


def flow_key(key: str, written: Any, reason: str) -> Mutation:
    def mutate(value: dict[str, Any], _: int) -> tuple[str, str]:
        value.pop(key, None)
        if written is not None:
            value[key] = written
        return key, reason

    return mutate


def after_itself(value: dict[str, Any], index: int) -> tuple[str, str]:
    return step_key("after", [value["steps"][index]["id"]], "cycle")(value, index)


def own_output(value: dict[str, Any], index: int) -> tuple[str, str]:
    return step_key("input", f"$steps.{value['steps'][index]['id']}.body", "step-not-before")(value, index)


def second_trigger(value: dict[str, Any], _: int) -> tuple[str, str]:
    value["steps"].append({"id": "other", "trigger": "shop/hook"})
    return f"steps[{len(value['steps']) - 1}].trigger", "several-triggers"


def relative_path(value: dict[str, Any], index: int) -> tuple[str, str]:
    step_key("fields", {"path": "x"}, "path", action="files/append")(value, index)
    return f"steps[{index}].fields.path", "path"


def field_missing(value: dict[str, Any], index: int) -> tuple[str, str]:
    step_key("fields", None, "field-missing", action="files/append")(value, index)
    return f"steps[{index}].fields.path", "field-missing"


MUTATIONS: dict[str, Mutation] = {
    "no id": step_key("id", None, "missing"),
    "bad id": step_key("id", "a.b", "name"),
    "same id": step_key("id", "t", "duplicate-id"),
    "no action": step_key("action", None, "missing"),
    "no after": step_key("after", None, "no-after"),
    "unknown after": step_key("after", "ghost", "unknown-step"),
    "cycle": after_itself,
    "second trigger": second_trigger,
    "trigger after": trigger_key("after", "s0", "trigger-key"),
    "trigger input": trigger_key("input", "body", "trigger-key"),
    "trigger without name": trigger_key("trigger", "shop", "offer"),
    "unknown key": step_key("retries", 3, "unknown-key"),
    "unknown flow key": flow_key("stesp", [], "unknown-key"),
    "no flow": flow_key("flow", None, "missing"),
    "ordinary": flow_key("type", "ordinary", "ordinary"),
    "no steps": flow_key("steps", [], "no-steps"),
    "unknown component": step_key("action", "ghost/x", "component-not-found"),
    "unknown action": step_key("action", "shop/x", "offer-not-found"),
    "unknown version": step_key("version", 77, "version-not-found"),
    "version not built": step_key("version", 4, "not-built", action="shop/find-order"),
    "field missing": field_missing,
    "relative path": relative_path,
    "bad expression": step_key("input", "body.", "expression"),
    "unknown reference": step_key("when", "$steps.ghost.body", "unknown-step"),
    "own output": own_output,
    "reply": step_key("reply", "wait", "unused-key"),
    "wrong type": step_key("concurrency", "many", "type"),
    "out of range": step_key("timeout", 0, "range"),
}


@pytest.mark.parametrize("name", MUTATIONS)
@given(document=good(), data=st.data())
def test_each_mistake_is_found_where_it_is(name: str, document: Document, data: st.DataObject) -> None:
    value = to_value(document)
    index = data.draw(st.integers(1, len(value["steps"]) - 1))
    path, reason = MUTATIONS[name](value, index)
    errors = [(problem.path, problem.reason) for problem in found(json.dumps(value)) if problem.severity == "error"]
    assert (path, reason) in errors


keys = st.sampled_from([*FLOW_KEYS, *STEP_KEYS, "read", "path", "<<", ""])
words = st.sampled_from(
    ["f", "t", "a", "shop/hook", "files/append", "latest", "$steps.a", "body.", "real-time", "/", "1s"]
)
shapes: st.SearchStrategy[Any] = st.recursive(
    words | values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=30
)
flow_like = st.fixed_dictionaries(
    {"flow": st.just("f"), "steps": st.lists(st.dictionaries(keys, shapes, max_size=6) | shapes, max_size=4)}
)


@given(shapes | flow_like)
def test_anything_that_json_can_say_is_judged(value: Any) -> None:
    assert all(isinstance(problem, Problem) for problem in found(json.dumps(value)))


@given(st.text() | st.binary() | st.text("flowsteps:-[]{}'\"|&*<! \n\t0"))
@example("")
@example("flow: f\nsteps: [&a [*a]]")
def test_any_text_is_judged(text: str | bytes) -> None:
    assert found(text)


@given(documents)
def test_any_document_that_parses_is_judged(document: Document) -> None:
    found(to_json(document))


def test_the_largest_flow_is_judged() -> None:
    steps: list[dict[str, Any]] = [{"id": "s0", "trigger": "shop/hook"}]
    steps += [
        {"id": f"s{n}", "action": "shop/find-order", "after": f"s{n - 1}", "input": f"$steps.s{n // 2}.body"}
        for n in range(1, 500)
    ]
    assert found(json.dumps({"flow": "f", "steps": steps})) == []
