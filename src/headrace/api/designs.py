"""What components say while a flow is designed: what a step takes and gives, and what can be chosen for a field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request as HttpRequest

from headrace.api.hangup import while_connected
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer, ComponentName, CredentialName, Request, Text
from headrace.components.descriptor import Descriptor, main_file
from headrace.components.oauth2 import token_field
from headrace.control.design import WroteBack
from headrace.errors import Invalid, NotFound, Refused
from headrace.flows.catalog import Offer
from headrace.store import components
from headrace.store.components import ComponentVersion

__all__ = ["router"]

router = APIRouter(prefix="/components", tags=["components"])

LARGEST_SCHEMA = 1024 * 1024


class StepOf(Request):
    """A step as far as it is filled in."""

    kind: Literal["trigger", "action"]
    function: Annotated[Text, Field(min_length=1, max_length=100, description="Name of the trigger or action.")]
    version: Annotated[Text, Field(min_length=1, max_length=100)] | int = Field(
        default="latest", description="As in flow documents."
    )
    fields: dict[Text, Any] = Field(default_factory=dict, max_length=500)
    credential: CredentialName | None = None


class ChoicesOf(StepOf):
    field: Annotated[Text, Field(min_length=1, max_length=200, description="The field to choose a value for.")]


class MetaModel(Answer):
    """JSON Schemas of what a step takes and gives; null: it says nothing of that."""

    takes: dict[str, Any] | None
    gives: dict[str, Any] | None
    dynamic: bool = Field(description="The component's code has made it, from fields and credential.")


class Choices(Answer):
    choices: dict[str, Any] = Field(description="Value → what it is called.")


@router.post("/{name}/meta-model", operation_id="getMetaModel")
async def get_meta_model(parts: PartsOf, request: HttpRequest, name: ComponentName, step: StepOf) -> MetaModel:
    """What a step takes and gives. Where the component works it out, its code is run, for a while only."""
    version, offer = await _found(parts, name, step)
    written = Descriptor(version.descriptor).document[f"{offer.kind}s"][offer.name]
    dynamic = written.get("dynamicMetadata")
    if not dynamic:
        sides = _sides(version, offer.metadata)
        return MetaModel(takes=sides["in"], gives=sides["out"], dynamic=False)
    cfg, secrets, wrote_back = await _cfg(parts, name, step)
    asking = parts.design.meta_model(version, offer.kind, offer.name, cfg, secrets=secrets, wrote_back=wrote_back)
    with _advising(version, step, secrets):
        found = await while_connected(request, asking)
    return MetaModel(takes=found["in"], gives=found["out"], dynamic=True)


@router.post("/{name}/choices", operation_id="getChoices")
async def get_choices(parts: PartsOf, request: HttpRequest, name: ComponentName, step: ChoicesOf) -> Choices:
    """What can be chosen for a field. Where a function of the component tells, it is run, for a while only."""
    version, offer = await _found(parts, name, step)
    field = offer.fields.get(step.field)
    if field is None or field.model is None:
        told = f"`{name}/{offer.name}` has no field `{step.field}` with choices"
        raise NotFound("no-choices", told, next_step=f"see `headrace component show {name}`")
    if isinstance(field.model, Mapping):
        return Choices(choices=dict(field.model))
    cfg, secrets, wrote_back = await _cfg(parts, name, step)
    asking = parts.design.choices(
        version, offer.kind, offer.name, field.model, cfg, secrets=secrets, wrote_back=wrote_back
    )
    with _advising(version, step, secrets):
        return Choices(choices=await while_connected(request, asking))


async def _found(parts: Parts, name: str, step: StepOf) -> tuple[ComponentVersion, Offer]:
    async with parts.db.read() as conn:
        version = await components.resolve(conn, name, step.version)
    language = (version.build or {}).get("language", "python")
    offer = Descriptor(version.descriptor).offers(language).get((step.kind, step.function))
    if offer is None:
        told = f"revision {version.revision} of component `{name}` has no {step.kind} `{step.function}`"
        raise NotFound("no-such-offer", told, next_step=f"see `headrace component show {name}`")
    return version, offer


async def _cfg(
    parts: Parts, component: str, step: StepOf
) -> tuple[dict[str, Any], Mapping[str, Any], WroteBack | None]:
    """What the code gets, the secrets in there, and what to do with those it changes."""
    if step.credential is None:
        return step.fields, {}, None
    credential, values = await parts.credentials.values_for(step.credential, component)

    async def write_back(keys: Mapping[str, Any]) -> None:
        await parts.credentials.write_back(credential, keys)

    return {**step.fields, **values, "_account": credential.id}, values, write_back


@contextmanager
def _advising(version: ComponentVersion, step: StepOf, secrets: Mapping[str, Any]) -> Iterator[None]:
    """Code that fails without its credential says so in words of its own: add what to do."""
    try:
        yield
    except Refused as error:
        if error.reason == "component-failed":
            error.next_step = _advice(Descriptor(version.descriptor), step.credential, secrets)
        raise


def _advice(descriptor: Descriptor, credential: str | None, secrets: Mapping[str, Any]) -> str:
    if credential is None:
        return "name the step's credential: --credential NAME" if descriptor.has_credentials else ""
    if descriptor.oauth2 is None or secrets.get(token_field(descriptor.credential_fields)):
        return ""
    return f"it is not connected yet: headrace credential connect {credential}"


def _sides(version: ComponentVersion, metadata: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Static metadata: inline, or in files of the component."""
    whole = _schema(version, metadata) or {}
    return {side: _schema(version, whole.get(side)) for side in ("in", "out")}


def _schema(version: ComponentVersion, written: object) -> Mapping[str, Any] | None:
    if not isinstance(written, str):
        return written if isinstance(written, Mapping) else None
    root = Path((version.build or {})["root"]).resolve()
    file = (root / main_file(written, "node")).resolve()
    try:
        if not file.is_relative_to(root) or file.stat().st_size > LARGEST_SCHEMA:
            raise Refused("bad-schema", f"{written} is outside of the component, or too large")
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused("bad-schema", f"the schema {written} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise Invalid("bad-schema", f"the schema {written} is no JSON object")
    return found
