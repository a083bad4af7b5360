"""A descriptor is read into the words flows use; what is not understood is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.components.descriptor import Descriptor, main_file, read
from headrace.errors import Invalid
from headrace.flows.catalog import Help


def test_a_descriptor_is_described() -> None:
    document = {
        "title": "Shop",
        "description": "Orders",
        "version": "1.0.0-rc.1",
        "credentials": {"fields": {}},
        "triggers": {"new-order": {"main": "./triggers/new_order", "type": "listener", "title": "New order"}},
        "actions": {
            "append": {
                "main": "append.py",
                "deprecated": True,
                "metadata": {"in": {"type": "object"}},
                "fields": {
                    "path": {
                        "label": "Path",
                        "viewClass": "TextFieldView",
                        "required": True,
                        "grants": "write",
                        "require": "mode",
                        "order": 5,
                        "default": "x",
                        "note": "n",
                    },
                    "mode": {"viewClass": "SelectView", "model": "modes"},
                },
            }
        },
    }
    described = read(json.dumps(document)).described("shop", 3)
    assert (described.component, described.revision, described.title) == ("shop", 3, "Shop")
    assert (described.version, described.description, described.has_credentials) == ("1.0.0-rc.1", "Orders", True)
    trigger = described.offer("trigger", "new-order")
    assert trigger is not None
    assert (trigger.main, trigger.trigger_type, trigger.title) == ("triggers/new_order.py", "listener", "New order")
    append = described.offer("action", "append")
    assert append is not None
    assert (append.trigger_type, append.deprecated, append.metadata) == (None, True, {"in": {"type": "object"}})
    path, mode = append.fields["path"], append.fields["mode"]
    assert (path.grants, path.required, path.require, path.order) == ("write", True, ("mode",), 5.0)
    assert (path.default, path.note, path.label) == ("x", "n", "Path")
    assert (mode.model, mode.view_class) == ("modes", "SelectView")


def test_what_forms_and_hooks_need_is_described() -> None:
    text = {"prompt": "p", "placeholder": "h", "prefix": "<", "suffix": ">", "help": {"link": "/l"}}
    document = {
        "help": {"description": "more", "link": "/help"},
        "deprecated": True,
        "service": "router",
        "credentials": {"fields": {"key": {"viewClass": "PasswordFieldView", **text}}, "oauth2": {"client_id": "x"}},
        "actions": {"a": {"main": "./a", "dynamicMetadata": "getSchemas", "order": 2, "help": "see there"}},
    }
    described = Descriptor(document).described("c", 1, "node")
    assert (described.help, described.deprecated, described.service) == (Help("more", "/help"), True, "router")
    assert described.oauth2 == {"client_id": "x"}
    key = described.credential_fields["key"]
    assert (key.prompt, key.placeholder, key.prefix, key.suffix, key.help) == ("p", "h", "<", ">", Help("", "/l"))
    offer = described.offer("action", "a")
    assert offer is not None
    assert (offer.main, offer.dynamic_metadata, offer.order, offer.help) == ("a", "getSchemas", 2.0, Help("see there"))


def test_a_trigger_without_type_is_a_webhook() -> None:
    described = Descriptor({"triggers": {"t": {"main": "t"}}}).described("c", 1)
    offer = described.offer("trigger", "t")
    assert offer is not None
    assert offer.trigger_type == "webhook"


@pytest.mark.parametrize(
    ("main", "python", "node"),
    [
        ("./a/b", "a/b.py", "a/b"),
        ("a/b.py", "a/b.py", "a/b.py"),
        ("a//b.js", "a/b.js.py", "a/b.js"),
        ("", "", ""),
    ],
)
def test_main_names_a_file(main: str, python: str, node: str) -> None:
    assert main_file(main, "python") == python
    assert main_file(main, "node") == node


def test_what_is_no_descriptor_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        read("{")
    assert caught.value.problems[0].path == "line 1, column 2"


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
words = ["main", "type", "fields", "metadata", "title", "viewClass", "model", "require", "order", "grants", "required"]
parts = st.dictionaries(st.sampled_from(words), values, max_size=6)
offers = st.dictionaries(
    st.text(max_size=4),
    values | parts | st.fixed_dictionaries({"fields": st.dictionaries(st.text(max_size=4), parts, max_size=2)}),
    max_size=2,
)


@unhurried
@given(
    st.fixed_dictionaries(
        {}, optional={"triggers": values | offers, "actions": values | offers, "version": values, "title": values}
    )
)
def test_reading_never_raises(document: dict[str, Any]) -> None:
    described = Descriptor(document).described("c", 1)
    assert all(offer.name == name for (_, name), offer in described.offers.items())
