from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from msgspec import structs

from headrace.bus.secrets import Change, Secret, Secrets
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.deployment import Code, StepSpec
from headrace.testing.plane import until
from headrace.worker import config
from headrace.worker.config import Config

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(
    id="s", kind="action", function="s", main="s.py", code=CODE, credential="c", fields={"a": 1, "token": "field"}
)


class Held:
    """Secrets in memory; the next calls raise what is in ``troubles``."""

    def __init__(self) -> None:
        self.secret = Secret({"token": "first-value"}, edition=1, revision=1)
        self.troubles: list[HeadraceError] = []
        self.changes: asyncio.Queue[Secret | HeadraceError] = asyncio.Queue()

    async def get(self, id_: str) -> Secret:
        if self.troubles:
            raise self.troubles.pop(0)
        return self.secret

    async def change(self, id_: str, change: Change) -> Secret:
        made = change(await self.get(id_))
        self.secret = Secret(made.values, made.edition, self.secret.revision + 1)
        return self.secret

    async def watch(self, id_: str) -> AsyncIterator[Secret | HeadraceError]:
        while True:
            yield await self.changes.get()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setattr(config, "AGAIN", 0.0)
    return Held()


@pytest.fixture
async def made(held: Held) -> Config:
    made = Config(cast(Secrets, held), STEP)
    await made.load()
    return made


async def write(made: Config, keys: dict[str, Any]) -> HeadraceError | None:
    done: asyncio.Future[HeadraceError | None] = asyncio.get_running_loop().create_future()
    made.write_back(keys, done.set_result)
    return await done


async def test_values_of_the_credential_go_before_those_of_fields(made: Config) -> None:
    assert made.value == {"a": 1, "token": "first-value", "_account": "c"}


async def test_writing_back_waits_for_the_broker_however_long(held: Held, made: Config) -> None:
    held.troubles = [Unavailable("no-answer") for _ in range(20)]
    assert await write(made, {"token": "written"}) is None
    assert made.value["token"] == held.secret.values["token"] == "written"
    await made.settled()


@pytest.mark.parametrize("error", [Unavailable("bus-closed"), NotFound("no-values"), Refused("wrong-key")])
async def test_what_cannot_be_written_back_is_told_and_the_next_is_tried(
    held: Held, made: Config, error: HeadraceError
) -> None:
    held.troubles = [error]
    refused, kept = await asyncio.gather(write(made, {"token": "x"}), write(made, {"more": "y"}))
    assert (refused, kept) == (error, None)
    assert held.secret.values == {"token": "first-value", "more": "y"}


async def test_only_what_a_person_changed_is_told_and_nothing_older_is_taken(held: Held, made: Config) -> None:
    edits: list[Any] = []
    following = asyncio.create_task(made.follow(lambda: edits.append(made.value["token"])))
    for change in (
        Secret({"token": "first-value"}, edition=1, revision=1),
        Secret({"token": "refreshed"}, edition=1, revision=3),
        Secret({"token": "too late"}, edition=1, revision=2),
        Refused("wrong-key"),
        Secret({"token": "edited"}, edition=2, revision=4),
        Secret({"token": "edited again"}, edition=4, revision=6),
    ):
        held.changes.put_nowait(change)
    await until(lambda: len(edits) == 2)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert edits == ["edited", "edited again"]
    assert made.redaction.text("first-value, refreshed, edited again") == "[token], [token], [token]"


async def test_variables_are_read_again_and_the_last_ones_serve_while_the_broker_is_away(held: Held) -> None:
    step = structs.replace(STEP, credential="", variables="v")
    made = Config(cast(Secrets, held), step)
    assert not made.redacts
    await made.load()
    assert (made.variables, made.value, made.redacts) == ({"token": "first-value"}, STEP.fields, True)
    held.secret = Secret({"token": "other-value"}, edition=2, revision=2)
    held.troubles = [Unavailable("no-answer")]
    await made.refresh()
    assert made.variables == {"token": "first-value"}
    await made.refresh()
    assert made.variables == {"token": "other-value"}
    assert made.redaction.text("first-value other-value") == "[token] [token]"
    held.troubles = [NotFound("no-values")]
    await made.refresh()
    assert made.variables == {}
    held.troubles = [Refused("key-lost")]
    with pytest.raises(Refused):
        await made.refresh()


async def test_without_variables_nothing_is_asked(held: Held) -> None:
    made = Config(cast(Secrets, held), structs.replace(STEP, credential=""))
    held.troubles = [Unavailable("no-answer")]
    await made.load()
    assert (made.variables, len(held.troubles)) == ({}, 1)


async def test_a_credential_that_cannot_be_read_gives_nothing_until_it_can(held: Held) -> None:
    made = Config(cast(Secrets, held), STEP)
    held.troubles = [Refused("key-lost", "there is no key")]
    await made.load()
    with pytest.raises(Refused, match="there is no key"):
        _ = made.value
    await made.load()
    assert made.value["token"] == "first-value"
