from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.components import oauth2
from headrace.errors import Invalid, Refused
from headrace.flows.catalog import Field

BLOCK = {
    "client_id": "{{ID}}",
    "client_secret": "{{SECRET}}",
    "auth_uri": "https://{{tenant}}.example.com/authorize?audience=api",
    "token_uri": "https://{{ tenant }}.example.com/token",
    "scopes": ["read", "write"],
    "prompt": "consent",
}
VALUES = {"ID": "me", "SECRET": "se cret", "tenant": "acme"}
FIELDS = {"tenant": Field("tenant"), "connection": Field("connection", "OAuthFieldView")}
NOW = 1_700_000_000_000


def test_placeholders_are_filled_in_and_extras_go_into_the_consent() -> None:
    provider = oauth2.provider(BLOCK, FIELDS, VALUES)
    url = urlsplit(provider.consent_url(redirect_uri="http://here/back", state="s", code_challenge="c"))
    assert url.netloc == "acme.example.com"
    assert {key: value[0] for key, value in parse_qs(url.query).items()} == {
        "audience": "api",
        "prompt": "consent",
        "response_type": "code",
        "client_id": "me",
        "redirect_uri": "http://here/back",
        "state": "s",
        "scope": "read write",
        "code_challenge": "c",
        "code_challenge_method": "S256",
    }
    assert (provider.field, provider.token_uri) == ("connection", "https://acme.example.com/token")
    assert oauth2.names(BLOCK) == {"ID", "SECRET", "tenant"}


def test_environment_variables_of_the_component_stand_in_for_values() -> None:
    given = {"SECRET": "shared", "ID": "for all", "tenant": "all"}
    found = oauth2.provider(BLOCK, FIELDS, {"ID": "mine", "tenant": ""}, given)
    assert (found.client_id, found.client_secret, found.token_uri) == (
        "mine",
        "shared",
        "https://all.example.com/token",
    )
    with pytest.raises(Invalid) as caught:
        oauth2.provider(BLOCK, FIELDS, {}, {"ID": "me"})
    assert [each.suggestion for each in caught.value.problems] == [
        "--set SECRET=…, or headrace component env COMPONENT --set SECRET=…",
        "--set tenant=…",
    ]


def test_everything_that_is_missing_is_told() -> None:
    with pytest.raises(Invalid) as caught:
        oauth2.provider({**BLOCK, "token_uri": ""}, FIELDS, {"ID": "me"})
    assert [each.path for each in caught.value.problems] == [
        "values.SECRET",
        "values.tenant",
        "credentials.oauth2.token_uri",
    ]
    with pytest.raises(Invalid, match="no http"):
        oauth2.provider({**BLOCK, "token_uri": "file:///etc/passwd"}, FIELDS, VALUES)


def test_without_an_address_to_agree_at_nobody_is_asked() -> None:
    block = {key: value for key, value in BLOCK.items() if key != "auth_uri"}
    provider = oauth2.provider(block, FIELDS, VALUES)
    assert provider.grant == "client_credentials"
    assert provider.refresh({}).form == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "client_id": "me",
        "client_secret": "se cret",
    }


def test_clients_say_who_they_are_once() -> None:
    request = oauth2.provider({**BLOCK, "client_auth": "basic"}, FIELDS, VALUES).refresh({"refresh_token": "r"})
    assert request.basic == ("me", "se%20cret")
    assert request.form == {"grant_type": "refresh_token", "refresh_token": "r"}


def test_without_a_refresh_token_somebody_has_to_connect_again() -> None:
    with pytest.raises(Refused) as caught:
        oauth2.provider(BLOCK, FIELDS, VALUES).refresh({"access_token": "a"})
    assert caught.value.reason == "not-connected"


def test_the_challenge_is_the_verifier_s_digest() -> None:
    verifier = oauth2.verifier()
    assert 43 <= len(verifier) <= 128
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert oauth2.challenge(verifier) == digest


def token(answer: Any, held: dict[str, Any] | None = None, status: int = 200) -> oauth2.Token:
    return oauth2.token(status, "application/json", json.dumps(answer).encode(), held or {}, NOW)


def test_a_refresh_token_that_is_not_repeated_stays() -> None:
    got = token({"access_token": "a", "refresh_token": None}, {"refresh_token": "r", "scope": "old"})
    assert (got.values, got.until) == ({"access_token": "a", "refresh_token": "r"}, None)


def test_what_the_standard_does_not_know_is_where_public_components_look_for_it_and_stays() -> None:
    first = token({"access_token": "a", "scope": "s", "instance_url": "https://eu1", "signature": "x"})
    assert first.values == {
        "access_token": "a", "scope": "s", "instance_url": "https://eu1", "signature": "x",
        "undefined_params": {"instance_url": "https://eu1", "signature": "x"},
    }  # fmt: skip
    second = token({"access_token": "b", "signature": "y"}, dict(first.values))
    assert second.values["undefined_params"] == {"instance_url": "https://eu1", "signature": "y"}


@pytest.mark.parametrize(
    ("written", "seconds"), [(60, 60), ("60", 60), (1.5, 1.5), (0, None), ("soon", None), (-1, None), (None, None)]
)
def test_expiry_comes_in_many_spellings(written: object, seconds: float | None) -> None:
    until = None if seconds is None else NOW + int(seconds * 1000)
    assert token({"access_token": "a", "expires_in": written}).until == until


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (400, {"error": "invalid_grant"}, "invalid_grant"),
        (400, {"error": "invalid_grant", "error_description": "expired"}, "invalid_grant: expired"),
        (200, {"error": "access_denied", "access_token": "a"}, "access_denied"),
        (500, {"access_token": "a"}, "status 500"),
        (200, {}, "no access_token"),
        (200, {"access_token": 7}, "no access_token"),
    ],
)
def test_what_is_no_token_is_refused_in_the_provider_s_words(status: int, answer: Any, says: str) -> None:
    with pytest.raises(Refused, match=says):
        token(answer, status=status)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]))
def test_no_answer_is_more_than_refused(body: bytes, kind: str) -> None:
    with suppress(Refused):
        assert oauth2.token(200, kind, body, {}, NOW).values["access_token"]


@given(st.integers(min_value=1, max_value=10**9))
def test_the_next_token_is_due_within_the_life_of_this_one(life: int) -> None:
    due = oauth2.due_at(NOW + life, NOW)
    assert due is not None
    assert NOW <= due <= NOW + life
    assert NOW + life - due >= min(60_000, life // 2)
    assert oauth2.due_at(None, NOW) is None
