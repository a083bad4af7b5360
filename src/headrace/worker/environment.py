"""What component code finds in its environment: Headrace's own names, and those that elastic.io components read."""

from __future__ import annotations

import re

from headrace.flows.deployment import DeploymentSpec, StepSpec

__all__ = ["environment"]

TEST_RUN = re.compile(r"-test-\d+$")
"""End of a flow id under which a draft is tried."""


def environment(spec: DeploymentSpec, step: StepSpec) -> dict[str, str]:
    """The variables of a step's host, without the minimal ones that every sandbox has."""
    return {
        "HEADRACE_FLOW": spec.flow,
        "HEADRACE_FLOW_ID": spec.flow_id,
        "HEADRACE_STEP": step.id,
        "HEADRACE_COMPONENT": step.code.component,
        "HEADRACE_REVISION": str(step.code.revision),
        **_elasticio(spec, step),
        **_webhook(spec),
        **_server(spec),
    }


def _elasticio(spec: DeploymentSpec, step: StepSpec) -> dict[str, str]:
    """Identity, as public components read it. ``ELASTICIO_FLOW_TYPE`` is that platform's name for a real-time flow."""
    deployment = f"{spec.flow_id}-{spec.epoch}"
    return {
        "ELASTICIO_FLOW_ID": spec.flow_id,
        "ELASTICIO_FLOW_VERSION": str(spec.version),
        "ELASTICIO_FLOW_TYPE": "debug" if TEST_RUN.search(spec.flow_id) else "long_running",
        "ELASTICIO_STEP_ID": step.id,
        "ELASTICIO_EXEC_ID": deployment,
        "ELASTICIO_CONTAINER_ID": f"{deployment}-{step.id}",
        "ELASTICIO_COMP_ID": step.code.component,
        "ELASTICIO_COMP_NAME": step.code.component,
        "ELASTICIO_FUNCTION": step.function,
        "ELASTICIO_WORKSPACE_ID": spec.workspace,
        "ELASTICIO_USER_ID": spec.workspace,
        "LOG_LEVEL": step.log_level,
    }


def _webhook(spec: DeploymentSpec) -> dict[str, str]:
    """What a component tells a system that is to call the flow, as a rule in its ``startup``."""
    url = spec.webhook_url
    return {"HEADRACE_WEBHOOK_URL": url, "ELASTICIO_FLOW_WEBHOOK_URI": url} if url else {}


def _server(spec: DeploymentSpec) -> dict[str, str]:
    """How the component's code reaches its flow's objects; under the names that public components know, too."""
    url, token = spec.storage_url, spec.storage_token
    if not url:
        return {}
    return {
        "HEADRACE_STORAGE_URL": url,
        "HEADRACE_STORAGE_TOKEN": token,
        "ELASTICIO_OBJECT_STORAGE_URI": url,
        "ELASTICIO_OBJECT_STORAGE_TOKEN": token,
        "ELASTICIO_API_URI": url.removesuffix("/storage"),
        "ELASTICIO_API_USERNAME": f"task-{spec.flow_id}",
        "ELASTICIO_API_KEY": token,
    }
