"""A small catalog that tests share: a shop trigger, other triggers, and actions with all kinds of fields."""

from __future__ import annotations

from headrace.flows.catalog import Described, Field, Listing, Offer, Variable
from headrace.flows.deployment import Code


def fields(*given: Field) -> dict[str, Field]:
    return {field.name: field for field in given}


SHOP = Described(
    "shop",
    3,
    has_credentials=True,
    offers={
        ("trigger", "new-order"): Offer(
            "trigger",
            "new-order",
            "triggers/new_order.py",
            trigger_type="polling",
            fields=fields(
                Field("region", "SelectView", model={"eu": "Europe", "us": "America"}),
                Field("shop", required=True, default="main"),
            ),
        ),
        ("trigger", "stream"): Offer("trigger", "stream", "triggers/stream.py", trigger_type="listener"),
        ("trigger", "hook"): Offer("trigger", "hook", "triggers/hook.py", trigger_type="webhook"),
        ("action", "find-order"): Offer("action", "find-order", "actions/find_order.py"),
    },
)
FILES = Described(
    "files",
    1,
    version="1.0.0",
    offers={
        ("trigger", "watch"): Offer(
            "trigger",
            "watch",
            "watch.py",
            trigger_type="listener",
            fields=fields(Field("folder", required=True, grants="read")),
        ),
        ("action", "append"): Offer(
            "action",
            "append",
            "append.py",
            fields=fields(
                Field("path", required=True, grants="write"),
                Field("format", "SelectView", model={"json": "JSON", "csv": "CSV"}, default="json"),
                Field("columns", require=("format", "header")),
                Field("header"),
                Field("tags", "MultiSelectView", model={"a": "A", "b": "B"}),
                Field("account", "SelectView", model="getAccounts"),
            ),
        ),
        ("action", "copy"): Offer("action", "copy", "copy.py", deprecated=True),
    },
)
VAULT = Described(
    "vault",
    1,
    has_credentials=True,
    credential_fields=fields(Field("token", "PasswordFieldView", required=True)),
    offers={("action", "store"): Offer("action", "store", "store.py")},
)
CRM = Described(
    "crm",
    1,
    variables={name: Variable(name, required=name != "CRM_SITE") for name in ("CRM_ID", "CRM_KEY", "CRM_SITE")},
    offers={("action", "find"): Offer("action", "find", "find.py")},
)
CATALOG = Listing(
    names=("shop", "files", "vault", "crm", "slow", "broken", "empty"),
    found={
        ("shop", "latest"): SHOP,
        ("shop", 3): SHOP,
        ("files", "latest"): FILES,
        ("files", "1.0.0"): FILES,
        ("vault", "latest"): VAULT,
        ("crm", "latest"): CRM,
    },
    given={"crm": frozenset({"CRM_ID", "OTHER"})},
    secrets={"shop-prod": "shop", "shop-test": "shop", "vault-prod": "vault"},
    doubtful={"shop-test": "wrong password"},
    states={("shop", 4): "building", ("slow", "latest"): "pushed", ("broken", "latest"): "failed"},
)


def code(component: str = "shop", revision: int = 3) -> Code:
    return Code(
        component=component, revision=revision, commit="c0ffee", root="/srv/code", interpreter="/usr/bin/python3"
    )
