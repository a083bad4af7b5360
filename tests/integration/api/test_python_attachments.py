"""What a Python component does with files, against a real object store."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.deployed import deploy
from tests.integration.api.conftest import Served, serving

from headrace.bus.objects import Objects
from headrace.control.object_token import ObjectTokens
from headrace_host.files import HttpFiles
from headrace_sdk import AttachmentError
from headrace_sdk.attachments import CHUNK, Attachments
from headrace_sdk.testing import MemoryFiles

DATA = os.urandom(3 * CHUNK + 1000)


@pytest.fixture
async def store(served: Served) -> AsyncIterator[tuple[str, str, Objects]]:
    """Address, token, and the flow's objects."""
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    token = ObjectTokens.kept_in(served.parts.settings.object_key_file).issue(spec.flow_id, spec.epoch)
    async with serving(served.app) as url:
        yield f"{url}/storage", token, Objects(served.parts.bus, spec.flow_id, spec.object_bytes)


@pytest.fixture
def attachments(store: tuple[str, str, Objects]) -> Attachments:
    return Attachments({}, HttpFiles(*store[:2]))


async def blocking(work: Callable[[], Any]) -> Any:
    """As a host runs blocking code."""
    return await asyncio.to_thread(work)


async def parts() -> AsyncIterator[bytes]:
    for start in range(0, len(DATA), 100_000):
        yield DATA[start : start + 100_000]


async def test_async_code_stores_and_reads(attachments: Attachments, store: tuple[str, str, Objects]) -> None:
    slices = (DATA[start : start + 99_999] for start in range(0, len(DATA), 99_999))
    everything: list[Any] = [DATA, bytearray(DATA), io.BytesIO(DATA), slices, parts()]
    for given in everything:
        entry = await attachments.put(given, content_type="x/y", keep=60)
        assert (entry["content-type"], entry["size"]) == ("x/y", len(DATA))
        async with attachments.open(entry) as file:
            assert b"".join([chunk async for chunk in file]) == DATA
        async with attachments.open(entry["url"]) as file:
            assert (await file.read(10), await file.read()) == (DATA[:10], DATA[10:])
    infos = await store[2].all()
    assert len(infos) == 5
    assert {(each.metadata["content-type"], each.expires - each.created) for each in infos} == {("x/y", 60_000)}


async def test_blocking_code_stores_and_reads(attachments: Attachments) -> None:
    def work() -> bytes:
        entry = attachments.put(iter([DATA[:5], b"", DATA[5:]])).result()
        message = Attachments({"a.bin": entry}, attachments._files)
        with message.open("a.bin") as file:
            first = file.read(7)
            return first + b"".join(file)

    assert await blocking(work) == DATA


async def test_an_empty_file(attachments: Attachments) -> None:
    nothing: list[Any] = [b"", iter([])]
    for given in nothing:
        entry = await attachments.put(given)
        async with attachments.open(entry) as file:
            assert await file.read() == b""


async def test_what_cannot_be_stored_or_read_says_why(
    attachments: Attachments, store: tuple[str, str, Objects]
) -> None:
    url = store[0]

    async def reason(work: Any) -> str:
        with pytest.raises(AttachmentError) as error:
            await work
        return error.value.reason

    async def read(which: Any, files: Attachments = attachments) -> None:
        async with files.open(which) as file:
            await file.read()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(CHUNK)

    assert await reason(read("no.csv")) == "no-such-attachment"
    assert await reason(read({"address": 1})) == "no-such-attachment"
    assert await reason(read(f"{url}/objects/obj~none")) == "no-such-object"
    assert await reason(read("http://127.0.0.1:1/x")) == "unreachable"
    stranger = Attachments({}, HttpFiles(url, "hro_no"))
    assert await reason(read(f"{url}/objects/obj~none", stranger)) == "no-object-token"
    assert await reason(stranger.put(b"x")) == "no-object-token"
    assert await reason(attachments.put(bytes(9 * 1024**2))) in ("object-too-large", "unreachable")
    assert await reason(attachments.put(endless())) in ("object-too-large", "unreachable")
    assert await reason(Attachments({}, HttpFiles("", "")).put(b"x")) == "no-storage"
    assert await store[2].all() == []


async def test_the_token_goes_to_the_platform_only(served: Served, store: tuple[str, str, Objects]) -> None:
    """An address elsewhere, even one that looks alike, is read without it."""
    seen: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    files = Attachments({}, HttpFiles(store[0], store[1]))
    async with server, files.open(f"http://127.0.0.1:{port}/storage/objects/obj~x") as file:
        assert await file.read() == b"ok"
    assert b"uthorization" not in seen[0]


async def test_a_file_that_is_cut_short_is_an_error(store: tuple[str, str, Objects]) -> None:
    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Attachments({}, HttpFiles("", "")).open(f"http://127.0.0.1:{port}/x") as file:
        with pytest.raises(AttachmentError, match="cut-short"):
            await file.read()


async def test_blocking_calls_are_refused_on_the_event_loop(attachments: Attachments) -> None:
    with pytest.raises(RuntimeError, match="await"):
        attachments.put(b"x").result()
    with pytest.raises(RuntimeError, match="async with"), attachments.open("x"):
        pass
    with pytest.raises(TypeError, match="encode"):
        attachments.put("text")  # type: ignore[arg-type]


async def test_memory_does_the_same_in_tests() -> None:
    files = MemoryFiles({"memory:in": b"1;2"})
    attachments = Attachments({"in.csv": {"url": "memory:in"}}, files)
    async with attachments.open("in.csv") as file:
        assert await file.read() == b"1;2"
    entry = await attachments.put(b"out")
    assert files.held[entry["url"]] == b"out"
    with pytest.raises(AttachmentError, match="no-such-object"):
        async with attachments.open("memory:none"):
            pass
