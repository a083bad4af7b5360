from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import Refused, Unavailable
from headrace.keyring import Keyring


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def reason(file: Path, token: bytes, owner: str = "a") -> str:
    with pytest.raises(Refused) as caught:
        Keyring(file).decrypt(owner, token)
    return caught.value.reason


def test_what_is_encrypted_comes_back_for_its_owner_only(file: Path) -> None:
    token = Keyring(file).encrypt("a", b"value")
    assert b"value" not in token
    assert Keyring(file).decrypt("a", token) == b"value"
    assert reason(file, token, "b") == "wrong-key"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_copy_that_is_open_to_others_is_closed(file: Path) -> None:
    token = Keyring(file).encrypt("a", b"value")
    file.chmod(0o644)
    Keyring(file).decrypt("a", token)
    assert file.stat().st_mode & 0o777 == 0o600


def test_others_learn_of_a_new_key_when_they_need_it(file: Path) -> None:
    server, worker = Keyring(file), Keyring(file)
    old = server.encrypt("a", b"old")
    assert worker.decrypt("a", old) == b"old"
    key = server.add()
    assert worker.decrypt("a", server.encrypt("a", b"new")) == b"new"
    assert server.decrypt("a", old) == b"old"
    written = worker.encrypt("a", b"worker")
    server.forget_before(key)
    assert server.decrypt("a", written) == b"worker"
    assert reason(file, old) == "wrong-key"


def test_a_lost_file_is_told_and_not_made_anew_by_reading(file: Path) -> None:
    token = Keyring(file).encrypt("a", b"value")
    file.unlink()
    assert reason(file, token) == "key-lost"
    assert not file.exists()


def test_an_old_key_can_be_put_back_as_a_further_line(file: Path) -> None:
    token = Keyring(file).encrypt("a", b"value")
    old = file.read_text()
    file.unlink()
    Keyring(file).encrypt("b", b"other")
    assert reason(file, token) == "wrong-key"
    file.write_text(file.read_text() + old)
    assert Keyring(file).decrypt("a", token) == b"value"


@pytest.mark.parametrize("content", ["no key", "ä", ""])
def test_a_file_that_holds_no_keys_is_told(file: Path, content: str) -> None:
    token = Keyring(file).encrypt("a", b"value")
    file.write_text(content)
    with pytest.raises((Unavailable, Refused)) as caught:
        Keyring(file).decrypt("a", token)
    assert caught.value.reason in ("key-file", "key-lost")
    assert "no key" not in content or content not in str(caught.value).replace(str(file), "")
