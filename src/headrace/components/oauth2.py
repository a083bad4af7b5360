"""OAuth 2.0 as a component's ``credentials.oauth2`` block asks for it: what to send, and what an answer means. Pure.

RFC 6749 (authorization code, client credentials, refresh), RFC 7636 (PKCE, always S256). The block is elastic.io's:
``client_id``, ``client_secret``, ``auth_uri``, ``token_uri``, ``scopes``, ``client_auth: basic`` and whatever else the
provider wants in the authorization URL. Without ``auth_uri``, or with ``grant_type: client_credentials``, no person
is asked. ``{{NAME}}`` stands for a value of the credential, else for an environment variable of the component.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from headrace.errors import Invalid, Problem, Refused
from headrace.flows.catalog import Field

__all__ = [
    "Provider",
    "Request",
    "Token",
    "challenge",
    "due_at",
    "names",
    "provider",
    "token",
    "token_field",
    "verifier",
]

KNOWN = frozenset(
    {"client_id", "client_secret", "auth_uri", "token_uri", "scopes", "scope", "client_auth", "grant_type"}
)
STANDARD = frozenset({"access_token", "token_type", "expires_in", "refresh_token", "scope"})
"""Keys of a token (RFC 6749, 5.1)."""
FURTHER = "undefined_params"
PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")
LIKELY_FIELD = "oauth"
EARLIEST = 60_000
"""Milliseconds before its end at which a token is renewed, at least; of a short life, half."""


@dataclass(frozen=True, slots=True)
class Request:
    """A form to post to ``url``, with a user and password for HTTP basic where the provider wants these."""

    url: str
    form: Mapping[str, str]
    basic: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Token:
    """What the provider gave. ``until``: when it expires, milliseconds since the epoch; `None`: it did not say."""

    values: Mapping[str, Any]
    until: int | None


@dataclass(frozen=True, slots=True)
class Provider:
    """The block with everything filled in. ``field`` is the key of the credential under which tokens are kept."""

    field: str
    grant: Literal["authorization_code", "client_credentials"]
    client_id: str
    client_secret: str
    auth_uri: str
    token_uri: str
    scope: str
    basic: bool
    extras: Mapping[str, str]

    def consent_url(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Where a browser has to go so that a person can agree."""
        asked = {
            **self.extras,
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        if self.scope:
            asked["scope"] = self.scope
        joint = "&" if urlsplit(self.auth_uri).query else "?"
        return f"{self.auth_uri}{joint}{urlencode(asked)}"

    def exchange(self, code: str, *, redirect_uri: str, code_verifier: str) -> Request:
        """Code for token."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self._request(form | {"code_verifier": code_verifier})

    def refresh(self, held: Mapping[str, Any]) -> Request:
        """A fresh token in place of the one held; `Refused` (``not-connected``) when that has no refresh token."""
        if self.grant == "client_credentials":
            return self._request({"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {}))
        refresh_token = held.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise Refused("not-connected", "the provider gave no refresh token: connect the credential again")
        return self._request({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def _request(self, form: dict[str, str]) -> Request:
        if self.basic:
            # RFC 6749, 2.3.1: both are form-encoded first.
            return Request(self.token_uri, form, (quote(self.client_id, safe=""), quote(self.client_secret, safe="")))
        who = {"client_id": self.client_id} | ({"client_secret": self.client_secret} if self.client_secret else {})
        return Request(self.token_uri, form | who, None)


def token_field(fields: Mapping[str, Field]) -> str:
    """The field under which tokens are kept."""
    return next((name for name, field in fields.items() if field.view_class == "OAuthFieldView"), LIKELY_FIELD)


def names(block: Mapping[str, Any]) -> frozenset[str]:
    """The values that the block refers to."""
    written = json.dumps(dict(block), default=str)
    return frozenset(PLACEHOLDER.findall(written))


def provider(
    block: Mapping[str, Any],
    fields: Mapping[str, Field],
    values: Mapping[str, Any],
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Provider:
    """The block, filled in from a credential's values and the component's environment variables; the former win.

    `Invalid` (``bad-oauth2``) with what is missing.
    """
    values = {**variables, **{name: value for name, value in values.items() if _plain(value)}}
    missing = [name for name in sorted(names(block)) if not _plain(values.get(name))]
    problems = [
        Problem(f"values.{name}", "field-missing", "is needed for the connection", _how(name, fields))
        for name in missing
    ]
    made = {key: _filled(each, values) for key, each in block.items()}
    asks = made.get("auth_uri") and made.get("grant_type") != "client_credentials"
    problems += [
        Problem(f"credentials.oauth2.{key}", "missing", "is missing in the component's descriptor")
        for key in ("client_id", "token_uri")
        if not block.get(key)
    ]
    problems += [
        Problem(f"credentials.oauth2.{key}", "bad-url", "is no http or https URL")
        for key in ("auth_uri", "token_uri")
        if made.get(key) and not missing and urlsplit(str(made[key])).scheme not in ("http", "https")
    ]
    if problems:
        raise Invalid("bad-oauth2", f"the credential cannot get tokens: {problems[0]}", problems=problems)
    return Provider(
        field=token_field(fields),
        grant="authorization_code" if asks else "client_credentials",
        client_id=_plain(made.get("client_id")),
        client_secret=_plain(made.get("client_secret")),
        auth_uri=_plain(made.get("auth_uri")),
        token_uri=_plain(made.get("token_uri")),
        scope=_scope(made.get("scopes", made.get("scope"))),
        basic=made.get("client_auth") == "basic",
        extras={key: _plain(each) for key, each in made.items() if key not in KNOWN and _plain(each)},
    )


def _how(name: str, fields: Mapping[str, Field]) -> str:
    """What sets it: a value of the credential, or, for what is none of its fields, one for all of them."""
    return f"--set {name}=…" + ("" if name in fields else f", or headrace component env COMPONENT --set {name}=…")


def verifier() -> str:
    """A new PKCE code verifier."""
    return secrets.token_urlsafe(48)


def challenge(code_verifier: str) -> str:
    """What the authorization URL says of it."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).decode().rstrip("=")


def token(status: int, content_type: str, body: bytes, held: Mapping[str, Any], now_ms: int) -> Token:
    """The token in an answer of the token endpoint; a refresh token it does not repeat stays.

    What the answer has beyond the standard's keys is there once more under ``undefined_params``, where public
    components look for it, and stays there when a later answer does not repeat it.

    `Refused` (``token-refused``) with the provider's own words when there is none.
    """
    answer = _answer(content_type, body)
    error = answer.get("error")
    if error or not 200 <= status < 300:
        told = answer.get("error_description") or (error if isinstance(error, str) else "") or f"status {status}"
        code = f"{error}: " if isinstance(error, str) and error != told else ""
        raise Refused("token-refused", f"the provider gave no token: {code}{str(told)[:500]}")
    access = answer.get("access_token")
    if not isinstance(access, str) or not access:
        raise Refused("token-refused", "the provider's answer has no access_token")
    kept = {"refresh_token": held["refresh_token"]} if held.get("refresh_token") else {}
    given = {key: each for key, each in answer.items() if each is not None and each != ""}
    before = held.get(FURTHER)
    further = {
        **(before if isinstance(before, Mapping) else {}),
        **{key: each for key, each in given.items() if key not in STANDARD},
    }
    return Token({**kept, **given, **({FURTHER: further} if further else {})}, _until(answer.get("expires_in"), now_ms))


def due_at(until: int | None, now_ms: int) -> int | None:
    """When to get the next token: ahead of the end of this one by a minute or a tenth of its life; `None`: never."""
    if until is None:
        return None
    life = max(0, until - now_ms)
    return until - min(max(EARLIEST, life // 10), life // 2)


def _until(expires_in: object, now_ms: int) -> int | None:
    """Some providers write the number as text, some leave it out, some say 0 for ever."""
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return None
    return now_ms + int(seconds * 1000) if 0 < seconds < 1e9 else None


def _answer(content_type: str, body: bytes) -> dict[str, Any]:
    """JSON, or a form, as some providers still answer."""
    text = body.decode(errors="replace")
    if "x-www-form-urlencoded" in content_type:
        return dict(parse_qsl(text))
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _filled(written: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(written, str):
        return PLACEHOLDER.sub(lambda found: _plain(values.get(found[1])), written)
    if isinstance(written, list):
        return [_filled(each, values) for each in written]
    return written


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _scope(written: Any) -> str:
    if isinstance(written, list):
        return " ".join(_plain(each) for each in written if _plain(each))
    return _plain(written)
