"""Component code finds who and where it is in its environment."""

from __future__ import annotations

from typing import Any

from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.flows.environment import of_design, of_step

CODE = Code(component="shop", revision=3, commit="0" * 40, root="/build", interpreter="/usr/bin/node", language="node")
STEP = StepSpec(id="orders", kind="trigger", function="new-order", main="orders.js", code=CODE, log_level="debug")


def of(flow_id: str = "f1", **options: Any) -> dict[str, str]:
    return of_step(DeploymentSpec(flow_id=flow_id, flow="orders", version=2, epoch=7, steps=(STEP,), **options), STEP)


def test_names_of_headrace() -> None:
    found = of()
    assert {name: found[name] for name in found if name.startswith("HEADRACE_")} == {
        "HEADRACE_FLOW": "orders",
        "HEADRACE_FLOW_ID": "f1",
        "HEADRACE_STEP": "orders",
        "HEADRACE_COMPONENT": "shop",
        "HEADRACE_REVISION": "3",
    }


def test_names_that_public_components_read() -> None:
    found = of()
    assert found["ELASTICIO_FLOW_ID"] == "f1"
    assert found["ELASTICIO_STEP_ID"] == "orders"
    assert found["ELASTICIO_FUNCTION"] == "new-order"
    assert found["ELASTICIO_COMP_ID"] == "shop"
    assert found["ELASTICIO_EXEC_ID"] == "f1-7"
    assert found["ELASTICIO_CONTAINER_ID"] == "f1-7-orders"
    assert found["ELASTICIO_WORKSPACE_ID"] == found["ELASTICIO_USER_ID"] == "default"
    assert found["LOG_LEVEL"] == "debug"


def test_a_test_run_says_debug() -> None:
    assert of()["ELASTICIO_FLOW_TYPE"] == "long_running"
    assert of(flow_id="f1-test-4")["ELASTICIO_FLOW_TYPE"] == "debug"
    assert of(flow_id="f1-test-bench")["ELASTICIO_FLOW_TYPE"] == "long_running"


def test_flows_with_a_webhook_know_its_address() -> None:
    assert not any("WEBHOOK" in name for name in of())
    found = of(webhook_url="https://example.com/hooks/orders")
    assert found["HEADRACE_WEBHOOK_URL"] == found["ELASTICIO_FLOW_WEBHOOK_URI"] == "https://example.com/hooks/orders"


def test_addresses_and_keys_are_there_when_the_server_is_known() -> None:
    server = ("ELASTICIO_API_", "ELASTICIO_OBJECT_", "ELASTICIO_MESSAGE_", "HEADRACE_STORAGE_")
    assert not any(name.startswith(server) for name in of())
    found = of(storage_url="http://127.0.0.1:7475/storage", storage_token="hro_1", storage_cipher=("word", "vector"))
    assert found["ELASTICIO_OBJECT_STORAGE_URI"] == found["HEADRACE_STORAGE_URL"] == "http://127.0.0.1:7475/storage"
    assert found["ELASTICIO_OBJECT_STORAGE_TOKEN"] == found["HEADRACE_STORAGE_TOKEN"] == "hro_1"
    assert found["ELASTICIO_API_URI"] == "http://127.0.0.1:7475"
    assert (found["ELASTICIO_API_USERNAME"], found["ELASTICIO_API_KEY"]) == ("task-f1", "hro_1")
    assert found["ELASTICIO_MESSAGE_CRYPTO_PASSWORD"] == "word"
    assert found["ELASTICIO_MESSAGE_CRYPTO_IV"] == "vector"


def test_a_host_that_no_flow_has_is_told_who_it_is_and_where_the_server_is() -> None:
    found = of_design("shop", 3, "new-order", workspace="default", storage_url="http://h/storage", storage_token="hro_")
    in_a_flow = of(storage_url="http://h/storage", storage_token="hro_")
    assert found["ELASTICIO_API_USERNAME"] == "design"
    assert {name: each for name, each in found.items() if in_a_flow.get(name) != each} == {
        "ELASTICIO_API_USERNAME": "design",
        "LOG_LEVEL": "info",
    }
    assert set(in_a_flow) - set(found) == {
        "HEADRACE_FLOW", "HEADRACE_FLOW_ID", "HEADRACE_STEP", "ELASTICIO_FLOW_ID", "ELASTICIO_FLOW_VERSION",
        "ELASTICIO_FLOW_TYPE", "ELASTICIO_STEP_ID", "ELASTICIO_EXEC_ID", "ELASTICIO_CONTAINER_ID",
    }  # fmt: skip
