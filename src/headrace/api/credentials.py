"""Credentials: named secrets of a component. Values go in and never come out: answers say which fields are set."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request as HttpRequest

from headrace.api.hangup import while_connected
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, ComponentName, CredentialName, Moment, Page, Paging, Request, Text, paged
from headrace.control.credentials import Shown, users
from headrace.store import credentials as store
from headrace.store.credentials import Credential

__all__ = ["router"]

router = APIRouter(prefix="/credentials", tags=["credentials"])

Values = Annotated[
    dict[Text, Any],
    Field(max_length=200, description="By the names of the component's credential fields. They are stored encrypted."),
]
Verify = Annotated[bool, Field(description="Ask the component whether they are good.")]


class CredentialField(Answer):
    """A field, and whether it has a value; never the value."""

    name: str
    label: str
    view_class: str
    required: bool
    is_set: bool
    note: str


class CredentialView(Answer):
    """A credential without its values."""

    name: str
    component: str
    author: str = Field(description="Who changed it last.")
    created_at: Moment
    changed_at: Moment = Field(description="When a person changed it last.")
    state: Literal["unverified", "verified", "failed"]
    reason: str = Field(description="Why it failed, or why it could not be verified.")
    checked_at: Moment | None = Field(description="When the component was asked last.")
    fields: list[CredentialField]
    others: list[str] = Field(description="Names of values that are none of the component's fields.")
    connects: bool = Field(description="A person has to agree at a provider (OAuth2): `connect` says where.")
    connected: bool = Field(description="It has a token.")
    token_until: Moment | None = Field(description="When its token expires; it is renewed ahead of that.")
    token_due_at: Moment | None = Field(description="When its token is renewed.")
    flows: list[str] = Field(description="Flows that run with it, or whose newest version names it.")


class Listing(Paging):
    """Which credentials, and which part of the list."""

    component: ComponentName | None = Field(default=None, description="Only those for this component.")


class NewCredential(Request):
    name: CredentialName
    component: ComponentName
    values: Values = Field(default_factory=dict)
    verify: Verify = True


class Changes(Request):
    values: Values = Field(default_factory=dict, description="Values to set; null takes one away, others stay.")
    verify: Verify = True


class ConsentView(Answer):
    """Where a person agrees."""

    url: str = Field(description="To be opened in a browser within ten minutes.")


class RenewedKey(Answer):
    credentials: int = Field(description="How many are encrypted with the new key.")


@router.get("", operation_id="listCredentials")
async def list_credentials(parts: PartsOf, page: Annotated[Listing, Query()]) -> Page[CredentialView]:
    """All credentials, by name."""
    async with parts.db.read() as conn:
        found = await store.list_(conn, component=page.component)
    items, following = paged(found, lambda each: each.name, page)
    return Page(items=[await _view(parts, each) for each in items], next=following)


@router.post("", status_code=201, operation_id="createCredential")
async def create_credential(parts: PartsOf, caller: Caller, request: HttpRequest, new: NewCredential) -> CredentialView:
    """Make a credential and verify it. One that is not good is made all the same, in state `failed`."""
    making = parts.credentials.create(new.name, new.component, new.values, author=caller, verify=new.verify)
    return await _told(parts, await while_connected(request, making))


@router.post("/rotate-key", operation_id="rotateCredentialKey")
async def rotate_credential_key(parts: PartsOf) -> RenewedKey:
    """Encrypt all values with a new key, and forget the older ones."""
    return RenewedKey(credentials=await parts.credentials.renew_key())


@router.get("/{name}", operation_id="getCredential")
async def get_credential(parts: PartsOf, name: CredentialName) -> CredentialView:
    """One credential."""
    return await _view(parts, await parts.credentials.get(name))


@router.patch("/{name}", operation_id="editCredential")
async def edit_credential(
    parts: PartsOf, caller: Caller, request: HttpRequest, name: CredentialName, changes: Changes
) -> CredentialView:
    """Set values. Steps that run use them from their next call on.

    Unless `verify` is false, nothing is changed (`not-verified`) when the component says they are not good.
    """
    editing = parts.credentials.edit(name, changes.values, author=caller, verify=changes.verify)
    return await _told(parts, await while_connected(request, editing))


@router.post("/{name}/verify", operation_id="verifyCredential")
async def verify_credential(parts: PartsOf, request: HttpRequest, name: CredentialName) -> CredentialView:
    """Ask the component's latest version whether the values are good; `state` and `reason` say what it said."""
    return await _told(parts, await while_connected(request, parts.credentials.verify(name)))


@router.post("/{name}/connect", operation_id="connectCredential")
async def connect_credential(parts: PartsOf, name: CredentialName) -> ConsentView:
    """Begin to connect it to its provider (OAuth2). The provider sends the browser back to this server."""
    return ConsentView(url=await parts.credentials.consent_url(name))


@router.delete("/{name}", status_code=204, operation_id="removeCredential")
async def remove_credential(parts: PartsOf, name: CredentialName) -> None:
    """Remove a credential and its values. Refused (`in-use`) while a flow uses it."""
    await parts.credentials.remove(name)
    parts.announce("credential", {"credential": name})


async def _told(parts: Parts, credential: Credential) -> CredentialView:
    parts.announce("credential", {"credential": credential.name})
    return await _view(parts, credential)


async def _view(parts: Parts, credential: Credential) -> CredentialView:
    shown = await parts.credentials.shown(credential)
    async with parts.db.read() as conn:
        using = await users(conn, credential.name)
    state, reason = _state(shown)
    return CredentialView(
        name=credential.name,
        component=credential.component,
        author=credential.author,
        created_at=credential.created_at,
        changed_at=credential.changed_at,
        state=state,
        reason=reason,
        checked_at=credential.checked_at,
        fields=[
            CredentialField(
                name=field.name,
                label=field.label,
                view_class=field.view_class,
                required=field.required,
                is_set=is_set,
                note=field.note,
            )
            for field, is_set in shown.fields
        ],
        others=list(shown.others),
        connects=shown.connects,
        connected=shown.connected,
        token_until=credential.token_until,
        token_due_at=credential.token_due_at,
        flows=list(using),
    )


def _state(shown: Shown) -> tuple[Literal["unverified", "verified", "failed"], str]:
    """What cannot be read, or gets no fresh token, is not good whatever was said of it before."""
    trouble = shown.trouble or shown.credential.token_error
    return ("failed", trouble) if trouble else (shown.credential.state, shown.credential.reason)
