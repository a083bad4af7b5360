"""Tokens for objects: the same for everybody who reads the key, worthless to everybody else."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from headrace.control.object_token import Holder, ObjectTokens

TOKENS = ObjectTokens(b"k" * 32)
FLOWS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)


@given(FLOWS, FLOWS)
def test_each_flow_has_a_cipher_of_its_own_which_stays(flow: str, other: str) -> None:
    password, vector = TOKENS.cipher(flow)
    assert (password, vector) == ObjectTokens(b"k" * 32).cipher(flow) != ObjectTokens(b"l" * 32).cipher(flow)
    assert (len(password), len(vector.encode())) == (24, 16)
    assert (TOKENS.cipher(other) == (password, vector)) == (flow == other)


@given(FLOWS, st.integers(min_value=0, max_value=10**9))
def test_a_token_says_whose_it_is(flow: str, epoch: int) -> None:
    token = TOKENS.issue(flow, epoch)
    assert TOKENS.check(token) == Holder(flow, epoch)
    assert ObjectTokens(b"other" * 8).check(token) is None


@given(st.text())
def test_what_is_no_token_is_refused(text: str) -> None:
    assert TOKENS.check(text) is None
    assert TOKENS.check(f"hro_{text}") is None


@given(FLOWS, FLOWS)
def test_a_signature_does_not_carry_over(flow: str, other: str) -> None:
    query = TOKENS.sign("GET", flow, "obj~1", 1_000)
    assert TOKENS.signed("GET", "obj~1", query, now=999.0) == flow
    assert TOKENS.signed("GET", "obj~1", query, now=1_001.0) is None
    assert TOKENS.signed("PUT", "obj~1", query, now=999.0) is None
    if other != flow:
        assert TOKENS.signed("GET", "obj~1", query | {"flow": other}, now=999.0) is None


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "object-key"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ObjectTokens.kept_in(path).issue("f", 1), range(40)))
    assert len(set(made)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["object-key"]
