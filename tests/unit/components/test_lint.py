"""What is wrong with a component is found at once, said in words, and never by an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.components.descriptor import Descriptor, parse
from headrace.components.lint import LARGEST, language, lint
from headrace.errors import Problem

GOOD: dict[str, Any] = {
    "title": "Shop",
    "version": "1.2.3",
    "triggers": {"new-order": {"title": "New order", "main": "./triggers/new_order", "type": "polling"}},
    "actions": {
        "create": {
            "main": "actions/create.py",
            "fields": {
                "region": {"label": "Region", "viewClass": "SelectView", "model": {"eu": "Europe"}},
                "file": {"label": "File", "viewClass": "TextFieldView", "grants": "write", "require": ["region"]},
            },
        }
    },
}
FILES = ("component.json", "triggers/new_order.py", "actions/create.py")


def problems(document: object, files: tuple[str, ...] = FILES) -> list[Problem]:
    return list(lint(json.dumps(document), files))


def only(document: object, files: tuple[str, ...] = FILES) -> Problem:
    found = problems(document, files)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]


def changed(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def action(**changes: Any) -> dict[str, Any]:
    return changed(actions={"create": {"main": "actions/create.py", **changes}})


def field(**changes: Any) -> dict[str, Any]:
    return action(fields={"f": {"label": "F", "viewClass": "TextFieldView", **changes}})


OAUTH2 = {"client_id": "{{ID}}", "token_uri": "https://shop.example/token"}


def oauth2(**changes: Any) -> dict[str, Any]:
    token = {"label": "O", "viewClass": "OAuthFieldView"}
    return changed(credentials={"fields": {"oauth": token}, "oauth2": {**OAUTH2, **changes}})


def test_a_good_component_has_no_problems() -> None:
    assert problems(GOOD) == []


def test_the_whole_vendor_vocabulary_is_known() -> None:
    document = changed(
        description="d",
        docsUrl="https://docs",
        help={"description": "h", "link": "/l"},
        buildType="docker",
        credentials={
            "fields": {"auth": {"label": "A", "viewClass": "OAuthFieldView", "required": True, "order": 3, "help": {}}},
            "oauth2": {"client_id": "{{ID}}", "token_uri": "https://x", "prompt": "consent", "scopes": ["a"]},
        },
        authClientTypes=["oauth2", "basic", "api_key", "noauth"],
        deprecated=False,
        consumesRawData=False,
        envVars={"CRM_KEY": {"required": True, "description": "Key"}},
        service="mapper",
        language="nodejs",
        sailor_version="2.7.8",
    )
    document["actions"]["create"] |= {"metadata": {"in": {"type": "object"}, "out": {}}, "order": 1, "help": {}}
    assert problems(document) == []


def test_every_mistake_is_told_at_once() -> None:
    document = {
        "title": 7,
        "triggers": {"new order": {"main": "triggers/new_oder", "type": "poling"}},
        "actions": {"a": {}, "b": [], "c": {"main": "../x.py", "fields": {"f": {"grants": "all", "require": ["g"]}}}},
    }
    found = {(each.path, each.reason) for each in problems(document) if each.severity == "error"}
    assert found == {
        ("triggers.new order", "bad-name"),
        ("triggers.new order.main", "main-not-found"),
        ("triggers.new order.type", "unknown-type"),
        ("actions.a.main", "no-main"),
        ("actions.b", "wrong-type"),
        ("actions.c.main", "bad-main"),
        ("actions.c.fields.f.grants", "unknown-grant"),
    }
    told = {(each.path, each.reason) for each in problems(document) if each.severity == "warning"}
    assert {("title", "wrong-type"), ("actions.c.fields.f.require", "unknown-field")} <= told


@pytest.mark.parametrize(
    ("text", "path", "reason", "words"),
    [
        ('{\n  "a": 1,\n}', "line 3, column 1", "bad-json", "remove the comma"),
        ("{'a': 1}", "line 1, column 2", "bad-json", "double quotes"),
        ('{"a": 1 // note\n}', "line 1, column 9", "bad-json", "no comments"),
        ("", "line 1, column 1", "bad-json", "the file is empty"),
        ('{"a": {\n', "line 2, column 1", "bad-json", "ends too early"),
        ('{"a": NaN}', "", "bad-json", "NaN"),
        ("[" * 100_000, "", "bad-json", "nested"),
        ("[]", "", "not-an-object", "a list"),
        ("null", "", "not-an-object", "null"),
        ('{"actions": {}, "a": {"b": 1, "b": 2}}', "b", "duplicate-key", "twice"),
        ('{"title": "\\u0000"}', "title", "bad-text", "u0000"),
        ('{"actions": {"\\ud800": {}}}', "actions", "bad-text", "half a pair"),
        ('{"x": 1e999}', "x", "bad-number", "too large"),
    ],
)
def test_mistakes_of_the_text(text: str, path: str, reason: str, words: str) -> None:
    found = lint(text, FILES)[0]
    assert (found.path, found.reason) == (path, reason)
    assert words in str(found)


def test_bytes_that_are_no_text() -> None:
    assert lint(b"{\xff}", FILES)[0].reason == "not-utf-8"
    assert [each.severity for each in lint(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), FILES)] == []


def test_a_missing_descriptor() -> None:
    assert lint(None, ("README.md",))[0].reason == "no-descriptor"
    assert lint(None, ("Component.json",))[0].suggestion == "did you mean Component.json?"


def test_a_huge_descriptor() -> None:
    assert lint(b" " * (LARGEST + 1), FILES)[0].reason == "too-large"


def test_no_offers() -> None:
    assert only({"title": "x"}).reason == "no-offers"
    assert only({"triggers": {}, "actions": {}}).reason == "no-offers"


def test_a_missing_type_is_a_webhook_with_a_hint() -> None:
    found = only(changed(triggers={"t": {"main": "triggers/new_order"}}))
    assert (found.severity, found.reason) == ("warning", "no-type")
    assert "webhook" in found.message


def test_unknown_keys_are_warnings_with_a_suggestion() -> None:
    found = only(changed(descripton="x"))
    assert (found.path, found.severity) == ("descripton", "warning")
    assert found.suggestion == "did you mean description?"
    assert only(action(man="x")).path == "actions.create.man"


def test_main_is_looked_for_in_the_commit() -> None:
    found = only(action(main="./actions/creat"))
    assert str(found) == (
        "actions.create.main: there is no file actions/creat.py in this commit (did you mean actions/create.py?)"
    )


def test_main_of_a_node_component_may_come_from_its_build() -> None:
    files = ("package.json", "triggers/new_order.js", "src/create.ts")
    found = only(action(main="./lib/create"), files)
    assert (found.severity, found.reason) == ("warning", "main-not-found")
    assert language(files) == "node"


def test_so_may_its_schemas() -> None:
    files = ("package.json", "triggers/new_order.js", "actions/create.py")
    found = only(action(metadata={"in": "./lib/in.json"}), files)
    assert (found.severity, found.reason) == ("warning", "schema-not-found")


@pytest.mark.parametrize(
    ("document", "reason", "severity"),
    [
        (changed(version="v1"), "bad-version", "warning"),
        (changed(actions=[]), "wrong-type", "error"),
        (changed(authClientTypes=["oauth3"]), "unknown-value", "warning"),
        (changed(envVars=["A"]), "wrong-type", "error"),
        (changed(envVars={"ELASTICIO_API_KEY": {"required": True}}), "no-effect", "warning"),
        (changed(envVars={"A": {"needed": True}}), "unknown-key", "warning"),
        (changed(envVars={"A": "text"}), "wrong-type", "warning"),
        (changed(consumesRawData=True), "no-effect", "warning"),
        (changed(credentials={"oauth1": {"auth_uri": "x"}}), "no-effect", "warning"),
        (changed(credentials={"verifier": "x.Y"}), "no-effect", "warning"),
        (changed(credentials={"oauth2": "x"}), "wrong-type", "error"),
        (changed(credentials={"fields": {"o": {"label": "O", "viewClass": "OAuthFieldView"}}}), "missing", "warning"),
        (oauth2(token_uri=""), "missing", "warning"),
        (oauth2(token_uri=7), "wrong-type", "error"),
        (changed(credentials={"oauth2": OAUTH2}), "no-token-field", "warning"),
        (changed(help=["x"]), "wrong-type", "warning"),
        (changed(help={"links": "x"}), "unknown-key", "warning"),
        (action(autoResolveObjectReferences=False), "no-effect", "warning"),
        (changed(credentials={"fields": {"k": 1}}), "wrong-type", "error"),
        (action(metadata="schemas/x.json"), "schema-not-found", "error"),
        (action(metadata={"in": "schemas/x.json"}), "schema-not-found", "error"),
        (action(metadata={"in": 1}), "wrong-type", "error"),
        (action(metadata={"inn": {}}), "unknown-key", "warning"),
        (action(metadata={"in": {}}, dynamicMetadata=True), "two-metadata", "warning"),
        (action(deprecated="true"), "wrong-type", "warning"),
        (field(viewClass="TextView"), "unknown-view", "warning"),
        (field(viewClass="SelectView"), "no-model", "warning"),
        (field(model=3), "wrong-type", "error"),
        (field(required="true"), "wrong-type", "warning"),
        (field(order="3"), "wrong-type", "warning"),
        (field(require="g"), "unknown-field", "warning"),
        (field(require={"g": 1}), "wrong-type", "warning"),
        (field(grants="exec"), "unknown-grant", "error"),
        (field(grants=True), "wrong-type", "error"),
        (field(label=None), "no-label", "warning"),
    ],
)
def test_each_kind_of_mistake(document: dict[str, Any], reason: str, severity: str) -> None:
    found = only(document)
    assert (found.reason, found.severity) == (reason, severity)


def test_a_wrong_type_says_what_to_write() -> None:
    assert only(field(required="true")).suggestion == "write true without quotes"
    assert only(field(order="3")).suggestion == "write 3 without quotes"
    assert only(changed(title=3)).suggestion == 'write "3"'


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)
keys = st.sampled_from(["title", "triggers", "actions", "credentials", "envVars", "authClientTypes", "version", "help"])
offer_keys = st.sampled_from(
    ["main", "type", "fields", "metadata", "dynamicMetadata", "deprecated", "oauth1", "oauth2", "verifier", "help", "x"]
)
field_keys = st.sampled_from(["label", "viewClass", "model", "require", "grants", "order", "default"])
fields = st.dictionaries(st.text(max_size=5), json_values | st.dictionaries(field_keys, json_values), max_size=3)
offers = st.dictionaries(offer_keys, json_values | fields)
documents = st.dictionaries(keys, json_values | st.dictionaries(st.text(max_size=5), json_values | offers, max_size=3))


@unhurried
@given(documents | json_values, st.frozensets(st.text(max_size=10), max_size=5))
def test_never_raises_on_any_json(document: object, files: frozenset[str]) -> None:
    for problem in lint(json.dumps(document), files):
        assert problem.reason
        assert problem.message
        str(problem).encode(errors="surrogatepass")


@unhurried
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_never_raises_on_any_text(data: bytes | str) -> None:
    lint(data, ())


@unhurried
@given(documents)
def test_what_lint_passes_is_read_and_stored(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    if any(problem.severity == "error" for problem in lint(text, ("a.py",))):
        return
    read, _ = parse(text)
    assert read is not None
    json.dumps(read, ensure_ascii=False).encode()
    described = Descriptor(read).described("c", 1)
    assert described.offers


REAL = {
    "title": "Old", "version": "2.1.0", "buildType": "docker", "docsUrl": "https://docs",
    "credentials": {"fields": {"key": {"label": "Key", "viewClass": "PasswordFieldView", "required": True}}},
    "triggers": {"poll": {"title": "Poll", "main": "./lib/poll.js", "type": "polling", "dynamicMetadata": True}},
    "actions": {"act": {"title": "Act", "main": "./lib/act.js", "metadata": {"in": "./schemas/in.json", "out": {}}}},
}  # fmt: skip


@unhurried
@given(st.data())
def test_words_for_people_never_refuse_a_push(data: st.DataObject) -> None:
    """Whatever a repository has under keys that are only shown, or that Headrace has never heard of."""
    document: dict[str, Any] = json.loads(json.dumps(REAL))
    places = [
        document,
        document["credentials"]["fields"]["key"],
        document["triggers"]["poll"],
        document["actions"]["act"],
    ]
    shown = [*SHOWN, "somethingNew"]
    for place in data.draw(st.lists(st.sampled_from(places), max_size=4)):
        place[data.draw(st.sampled_from(shown))] = data.draw(storable)
    files = ("package.json", "schemas/in.json")
    assert [str(each) for each in lint(json.dumps(document), files) if each.severity == "error"] == []
    assert len(Descriptor(document).described("old", 1, "node").offers) == 2


SHOWN = ("title", "description", "label", "note", "placeholder", "prompt", "order", "required", "deprecated", "help")
storable = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "true", "ü", "3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=5,
)
