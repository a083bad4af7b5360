"""Values of credentials in the real bucket: of changes at once none is lost, nothing is stored in clear."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bus.secrets import LARGEST, Secret, Secrets, merged
from headrace.errors import HeadraceError, NotFound, Refused, TooLarge
from headrace.keyring import Keyring
from headrace.testing.plane import Plane, until

keys = st.dictionaries(st.sampled_from("abcd"), st.integers() | st.text(max_size=3) | st.none(), max_size=4)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


@pytest.fixture
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@given(keys, st.lists(keys, max_size=5))
def test_merging_sets_what_is_given_and_leaves_the_rest(values: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    secret, expected = Secret(values, edition=3, revision=7), dict(values)
    for change in changes:
        before = dict(secret.values)
        secret = merged(change)(secret)
        expected |= change
        assert {key: each for key, each in secret.values.items() if key not in change} == {
            key: each for key, each in before.items() if key not in change
        }
    assert secret.values == expected
    assert (secret.edition, secret.revision) == (3, 7)


@given(keys, keys)
def test_merging_twice_is_merging_once(values: dict[str, Any], change: dict[str, Any]) -> None:
    once = merged(change)(Secret(values))
    assert merged(change)(once) == once


def test_a_token_that_is_written_back_keeps_the_refresh_token_it_does_not_repeat() -> None:
    held = Secret({"oauth": {"access_token": "a1", "refresh_token": "r1", "scope": "x"}, "user": {"name": "ada"}})
    assert merged({"oauth": {"access_token": "a2"}})(held).values["oauth"] == {
        "access_token": "a2",
        "refresh_token": "r1",
    }
    both = {"access_token": "a2", "refresh_token": "r2"}
    assert merged({"oauth": both})(held).values["oauth"] == both
    assert merged({"oauth": None})(held).values["oauth"] is None
    assert merged({"user": {"id": 1}})(held).values["user"] == {"id": 1}


def kept(plane: Plane) -> list[str]:
    """The keys there are."""
    return Path(plane.access["keys"]).read_text().split()


async def test_changes_at_once_all_count(plane: Plane) -> None:
    await plane.secrets.create("c", {"kept": True})
    writers = [Secrets(plane.bus, Keyring(Path(plane.access["keys"]))) for _ in range(4)]
    changes = [writers[number % 4].change("c", merged({f"k{number}": number})) for number in range(24)]
    await asyncio.gather(*changes, *(writer.renew_key() for writer in writers))
    await plane.secrets.renew_key()
    assert len(kept(plane)) == 1
    values = (await plane.secrets.get("c")).values
    assert values == {"kept": True} | {f"k{number}": number for number in range(24)}


async def test_watching_tells_the_present_and_every_later_value(plane: Plane) -> None:
    await plane.secrets.create("c", {"n": 0})
    seen: list[Any] = []

    async def watch() -> None:
        watching = cast("Any", plane.secrets.watch("c"))
        async with aclosing(watching) as changes:
            async for change in changes:
                told = change.reason if isinstance(change, HeadraceError) else change.values["n"]
                seen.append(told)

    task = asyncio.create_task(watch())
    await until(lambda: seen == [0])
    await plane.secrets.change("c", merged({"n": 1}))
    await until(lambda: seen == [0, 1])
    await plane.secrets.delete("c")
    await until(lambda: seen == [0, 1, "no-values"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_values_of_one_credential_are_not_taken_for_another_s(plane: Plane) -> None:
    await plane.secrets.create("mine", {"token": "x"})
    entry = await plane.bus.last("KV_credentials", "$KV.credentials.mine")
    assert entry is not None
    await plane.bus.store("$KV.credentials.yours", entry.data)
    with pytest.raises(Refused) as caught:
        await plane.secrets.get("yours")
    assert caught.value.reason == "wrong-key"


async def test_what_is_not_there_or_too_large_is_told(plane: Plane) -> None:
    with pytest.raises(NotFound):
        await plane.secrets.get("nothing")
    with pytest.raises(TooLarge):
        await plane.secrets.create("c", {"x": "y" * LARGEST})
    await plane.secrets.create("c", {})
    with pytest.raises(Refused):
        await plane.secrets.create("c", {})


async def test_keys_are_kept_when_something_cannot_be_read(plane: Plane, scratch: Path) -> None:
    """A rotation that cannot re-encrypt everything must not throw away what might open it."""
    await plane.secrets.create("c", {"token": "x"})
    foreign = Secrets(plane.bus, Keyring(scratch / "other"))
    await foreign.create("d", {"token": "y"})
    with pytest.raises(Refused):
        await plane.secrets.renew_key()
    assert (await plane.secrets.get("c")).values == {"token": "x"}
