"""What component code finds in its environment: Headrace's own names, and those that elastic.io components read."""

from __future__ import annotations

from headrace.flows.deployment import DeploymentSpec, StepSpec

__all__ = ["of_design", "of_step"]


def of_step(spec: DeploymentSpec, step: StepSpec) -> dict[str, str]:
    """The variables of a step's host, without the minimal ones that every sandbox has.

    ``ELASTICIO_FLOW_TYPE`` is that platform's name for a real-time flow.
    """
    deployment = f"{spec.flow_id}-{spec.epoch}"
    return {
        "HEADRACE_FLOW": spec.flow,
        "HEADRACE_FLOW_ID": spec.flow_id,
        "HEADRACE_STEP": step.id,
        "ELASTICIO_FLOW_ID": spec.flow_id,
        "ELASTICIO_FLOW_VERSION": str(spec.version),
        "ELASTICIO_FLOW_TYPE": "debug" if spec.test else "long_running",
        "ELASTICIO_STEP_ID": step.id,
        "ELASTICIO_EXEC_ID": deployment,
        "ELASTICIO_CONTAINER_ID": f"{deployment}-{step.id}",
        "LOG_LEVEL": step.log_level,
        **_code(step.code.component, step.code.revision, step.function, spec.workspace),
        **_webhook(spec),
        **_server(spec.storage_url, spec.storage_token, f"task-{spec.flow_id}"),
        **_cipher(spec),
    }


def _webhook(spec: DeploymentSpec) -> dict[str, str]:
    """What a component tells a system that is to call the flow, as a rule in its ``startup``."""
    url = spec.webhook_url
    return {"HEADRACE_WEBHOOK_URL": url, "ELASTICIO_FLOW_WEBHOOK_URI": url} if url else {}


def _cipher(spec: DeploymentSpec) -> dict[str, str]:
    """With what public components encrypt the objects that they want encrypted."""
    password, vector = spec.storage_cipher
    return {"ELASTICIO_MESSAGE_CRYPTO_PASSWORD": password, "ELASTICIO_MESSAGE_CRYPTO_IV": vector} if password else {}


def of_design(
    component: str, revision: int, function: str, *, workspace: str, storage_url: str, storage_token: str
) -> dict[str, str]:
    """The same for a host that no flow has: it says nothing of flow, step and execution."""
    return {
        "LOG_LEVEL": "info",
        **_code(component, revision, function, workspace),
        **_server(storage_url, storage_token, "design"),
    }


def _code(component: str, revision: int, function: str, workspace: str) -> dict[str, str]:
    return {
        "HEADRACE_COMPONENT": component,
        "HEADRACE_REVISION": str(revision),
        "ELASTICIO_COMP_ID": component,
        "ELASTICIO_COMP_NAME": component,
        "ELASTICIO_FUNCTION": function,
        "ELASTICIO_WORKSPACE_ID": workspace,
        "ELASTICIO_USER_ID": workspace,
    }


def _server(url: str, token: str, user: str) -> dict[str, str]:
    """How the component's code reaches its flow's objects; under the names that public components know, too."""
    if not url:
        return {}
    return {
        "HEADRACE_STORAGE_URL": url,
        "HEADRACE_STORAGE_TOKEN": token,
        "ELASTICIO_OBJECT_STORAGE_URI": url,
        "ELASTICIO_OBJECT_STORAGE_TOKEN": token,
        "ELASTICIO_API_URI": url.removesuffix("/storage"),
        "ELASTICIO_API_USERNAME": user,
        "ELASTICIO_API_KEY": token,
    }
