from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from headrace.flows.redaction import Redaction

PEM = "-----BEGIN KEY-----\nMIIEvAIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"


def test_a_value_is_replaced_by_its_name() -> None:
    redaction = Redaction({"login": {"password": "s3cr3t-word"}, "token": "abcdef123"})
    assert redaction.text("GET /?t=abcdef123 with s3cr3t-word") == "GET /?t=[token] with [login.password]"


def test_addresses_short_words_and_kinds_of_tokens_stay() -> None:
    redaction = Redaction({"url": "https://api.example.com/v1", "region": "eu", "oauth": {"token_type": "Bearer"}})
    text = "Bearer to https://api.example.com/v1 in eu"
    assert redaction.text(text) == text


def test_short_passwords_and_addresses_with_passwords_go() -> None:
    redaction = Redaction({"password": "abc", "url": "https://me:word@example.com/"})
    assert redaction.text("abc https://me:word@example.com/") == "[password] [url]"


def test_a_line_of_a_key_is_enough() -> None:
    assert Redaction({"key": PEM}).text("read MIIEvAIBADANBg from it") == "read [key] from it"


def test_old_values_stay_known() -> None:
    redaction = Redaction({"token": "first-token"})
    redaction.learn({"token": "other-token"})
    assert redaction.value({"a": ["first-token", 1], "other-token": None}) == {"a": ["[token]", 1], "[token]": None}


secrets = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=6)


@given(secrets, secrets, st.sampled_from([str, json.dumps, lambda text: quote(text, safe="")]))
def test_no_form_of_a_value_is_left(one: str, other: str, form: Any) -> None:
    text = Redaction({"one": one, "other": other}).text(f"<<{form(one)}>> {form(other)}")
    cleaned = text.replace("[one]", "").replace("[other]", "")
    assert one not in cleaned
    assert other not in cleaned
