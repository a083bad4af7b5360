"""The OpenAPI file: ``python -m headrace.api.openapi`` writes ``docs/reference/openapi.json``.

FastAPI's own schema, with what it does not know: the two ways to prove oneself, problem documents as the form of every
error, and the webhooks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

__all__ = ["DESCRIPTION", "FILE", "main", "schema", "text"]

FILE = Path("docs/reference/openapi.json")
DESCRIPTION = """\
Every request but health checks and webhooks needs a token: `Authorization: Bearer hr_…`.
Errors are problem documents with a fixed `reason` and the `next_step`. Times are milliseconds since the epoch.
Lists are pages: ask again with `cursor` set to `next` until that is null.
"""
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
OPEN = ("/healthz", "/readyz")
VERBS = ("get", "put", "post", "patch", "delete")
REFUSALS = {
    "401": "There is no token, or it does not count.",
    "404": "There is no such thing.",
    "409": "The state of things forbids it now.",
    "422": "The request has mistakes; `problems` lists them.",
    "default": "Not carried out.",
}
TAGS = {
    "flows": "Flows: documents, drafts, versions, deployments.",
    "components": "Components and their versions.",
    "credentials": "Named secrets of components.",
    "executions": "What became of events.",
    "errors": "Messages that steps failed on.",
    "logs": "What steps wrote.",
    "live": "Events for open browsers.",
    "tokens": "Who may ask.",
    "objects": "Attachments and large bodies, for component code.",
    "operations": "The server itself.",
    "webhooks": "Events for flows, from anybody.",
}


def schema(app: FastAPI) -> dict[str, Any]:
    """The description of ``app``'s routes."""
    made: dict[str, Any] = app.openapi()
    made["tags"] = [{"name": name, "description": told} for name, told in TAGS.items()]
    made["servers"] = [{"url": "/"}]
    components = made.setdefault("components", {})
    schemas = components["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _problem_schemas()
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token made with `headrace token create`."}
    }
    for path, item in made["paths"].items():
        for verb in VERBS:
            if verb in item:
                _complete(path, item[verb])
    made["paths"]["/hooks/{flow}"] = _webhook()
    return made


def _problem_schemas() -> dict[str, Any]:
    from headrace.api.problems import ProblemDocument

    whole = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    inner = whole.pop("$defs")
    return {"ProblemDocument": whole, **inner}


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Say how an operation is refused, and that it needs a token."""
    answers = operation["responses"]
    takes_input = bool(operation.get("parameters") or operation.get("requestBody"))
    codes = {"default"}
    if path not in OPEN:
        operation["security"] = [{"token": []}]
        codes.add("401")
    if takes_input:
        codes |= {"404", "409", "422"}
    for code in sorted(codes):
        answers[code] = {"description": REFUSALS[code], "content": PROBLEM}


def _webhook() -> dict[str, Any]:
    accepted = {
        "type": "object",
        "properties": {"execution": {"type": "string"}},
        "required": ["execution"],
        "additionalProperties": False,
    }
    refusals = {
        "404": "There is no such flow.",
        "409": "The flow is stopped, failed, or has no webhook trigger.",
        "413": "The body is too large.",
        "422": "The body is not what its content type says.",
        "429": "Too much is waiting; try again after `Retry-After` seconds.",
        "503": "The flow is starting; try again after `Retry-After` seconds.",
        "504": "The flow gave no answer in time (`reply: wait`).",
    }
    operation = {
        "tags": ["webhooks"],
        "summary": "Send Event",
        "description": "An event for the flow. Any method and any content type will do. The answer comes when "
        "the event is in the journal; a trigger with `reply: wait` answers itself. No token is needed.",
        "operationId": "sendEvent",
        "parameters": [
            {"name": "flow", "in": "path", "required": True, "schema": {"type": "string"}},
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Requests with the same key are one event.",
                "schema": {"type": "string"},
            },
        ],
        "requestBody": {"required": False, "content": {"*/*": {"schema": {}}}},
        "responses": {
            "202": {
                "description": "The journal has the event.",
                "content": {"application/json": {"schema": accepted}},
            },
            **{code: {"description": told, "content": PROBLEM} for code, told in refusals.items()},
            "default": {"description": "What the flow answers (`reply: wait`), or why the event was not accepted."},
        },
    }
    return {"post": operation}


def text() -> str:
    """The file's content."""
    from headrace.api.application import routes

    return json.dumps(schema(routes()), indent=1, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file into the working tree the command is run in; with ``--check`` only say whether it is fresh."""
    if "--check" in arguments:
        fresh = FILE.is_file() and FILE.read_text(encoding="utf-8") == text()
        sys.stdout.write(f"{FILE} is {'fresh' if fresh else 'stale: run python -m headrace.api.openapi'}\n")
        return 0 if fresh else 1
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
