"""Real git against a real server: what goes over the wire, and who may."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from tests.integration.pushes.parts import WorkTree, files, serve, until

from headrace.api import git as git_api
from headrace.components.repositories import Repositories

pytestmark = pytest.mark.needs("git")

TOKEN = "hr_secret"


@dataclass
class Server:
    """Git's routes beside a stand-in for the API, which remembers what hooks told it."""

    url: str
    repositories: Repositories
    known: set[str]
    received: list[dict[str, Any]] = field(default_factory=list)
    log: str = "==> building\nready\n"
    hold: asyncio.Event | None = None
    """When set, the build log waits for it."""

    def remote(self, name: str = "shop", token: str = TOKEN) -> str:
        return f"{self.url.replace('://', f'://ada:{token}@')}/git/{name}.git"

    def commits(self) -> list[str]:
        return [each["commit"] for each in self.received]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "repos").mkdir()
    repositories = Repositories(tmp_path / "repos")
    made = Server("", repositories, {"shop"})

    async def authenticate(token: str) -> str | None:
        return "ada" if token == TOKEN else None

    async def exists(name: str) -> bool:
        return name in made.known

    app = FastAPI()

    @app.post("/api/v1/components/{name}/received")
    async def received(name: str, request: Request) -> dict[str, Any]:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        made.received.append({**await request.json(), "name": name})
        return {"revision": len(made.received), "state": "pushed"}

    @app.get("/api/v1/components/{name}/versions/{revision}/log")
    async def build_log(name: str, revision: int, follow: bool) -> PlainTextResponse:
        if made.hold is not None:
            await made.hold.wait()
        return PlainTextResponse(made.log)

    @app.get("/api/v1/components/{name}")
    async def component(name: str) -> dict[str, Any]:
        return {"latest": len(made.received)}

    app.include_router(git_api.router(repositories, authenticate, exists, body_limit=2_000_000))
    async with serve(app) as made.url:
        yield made


@pytest.fixture
def work(tmp_path: Path) -> WorkTree:
    (tmp_path / "work").mkdir()
    return WorkTree(tmp_path / "work")


async def clone(work: WorkTree, server: Server, *options: str) -> Path:
    target = work.folder.parent / "clone"
    await work.git("clone", "--quiet", *options, server.remote(), str(target))
    return target


async def test_push_clone_fetch(server: Server, work: WorkTree) -> None:
    first = await work.commit("first", files())
    await work.git("push", server.remote(), "main")
    target = WorkTree(await clone(work, server))
    assert (await target.git("rev-parse", "HEAD"))[1].strip() == first
    second = await work.commit("second", files(more_dot_py="1"))
    await work.git("push", server.remote(), "main")
    await target.git("pull", "--quiet")
    assert (await target.git("rev-parse", "HEAD"))[1].strip() == second
    assert server.commits() == [first, second]


async def test_shallow_clone_and_deepening(server: Server, work: WorkTree) -> None:
    for number in range(5):
        await work.commit(f"commit {number}", files(number_dot_txt=str(number)))
    await work.git("push", server.remote(), "main")
    target = WorkTree(await clone(work, server, "--depth", "2"))
    assert (await target.git("rev-list", "--count", "HEAD"))[1].strip() == "2"
    await target.git("fetch", "--quiet", "--unshallow")
    assert (await target.git("rev-list", "--count", "HEAD"))[1].strip() == "5"


async def test_a_push_from_a_shallow_clone(server: Server, work: WorkTree) -> None:
    for number in range(3):
        await work.commit(f"commit {number}", files(number_dot_txt=str(number)))
    await work.git("push", server.remote(), "main")
    target = WorkTree(await clone(work, server, "--depth", "1"))
    commit = await target.commit("on top", files(more_dot_txt="x"))
    await target.git("push", "--quiet", "origin", "main")
    assert await server.repositories.tip("shop") == commit


@pytest.mark.parametrize("post_buffer", ["1000", "10000000"])
async def test_bodies_in_chunks_and_whole(server: Server, work: WorkTree, post_buffer: str) -> None:
    commit = await work.commit("x", files(random_dot_txt=os.urandom(300_000).hex()))
    await work.git("-c", f"http.postBuffer={post_buffer}", "push", server.remote(), "main")
    assert server.commits() == [commit]


async def test_many_refs_make_git_compress_its_request(server: Server, work: WorkTree) -> None:
    """Git gzips negotiations that are longer than a kilobyte."""
    for number in range(40):
        await work.commit(f"commit {number}", files(number_dot_txt=str(number)))
        await work.git("branch", f"side-{number}")
    await work.git("push", "--quiet", server.remote(), "--all")
    target = WorkTree(await clone(work, server))
    await work.commit("one more", files())
    await work.git("push", "--quiet", server.remote(), "main")
    await target.git("fetch", "--quiet")
    body = gzip.compress(b"0014command=ls-refs\n0000")
    content = "application/x-git-upload-pack-request"
    headers = {"Content-Encoding": "gzip", "Git-Protocol": "version=2", "Content-Type": content}
    async with httpx.AsyncClient(auth=("x", TOKEN), headers=headers) as client:
        answer = await client.post(f"{server.url}/git/shop.git/git-upload-pack", content=body)
    assert b"refs/heads/side-7" in answer.content


async def test_a_push_over_the_limit_is_refused(server: Server, work: WorkTree) -> None:
    await work.commit("x", files(big_dot_txt=os.urandom(2_000_000).hex()))
    for post_buffer in ("1000", "100000000"):  # in chunks, so that the size comes out late, and with a length
        status, said = await work.git(
            "-c", f"http.postBuffer={post_buffer}", "push", server.remote(), "main", check=False
        )
        assert status != 0
        assert "413" in said
    assert await server.repositories.tip("shop") is None


async def test_the_repositorys_own_limit_is_kept(server: Server, work: WorkTree) -> None:
    server.repositories.push_limit = 100_000
    await work.commit("x", files(big_dot_txt=os.urandom(200_000).hex()))
    status, said = await work.git("push", server.remote(), "main", check=False)
    assert status != 0
    assert "exceeds maximum allowed size" in said


@pytest.mark.parametrize(
    "header",
    [None, "Basic !", "Bearer wrong", "Basic " + base64.b64encode(b"ada:wrong").decode(), "Digest x"],
)
async def test_a_wrong_token_is_asked_again(server: Server, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.get(f"{server.url}/git/shop.git/info/refs?service=git-receive-pack")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "headrace token create" in answer.text


@pytest.mark.parametrize("auth", [("any", TOKEN), (TOKEN, ""), (TOKEN, "x-oauth-basic")])
async def test_the_token_may_be_password_or_user(server: Server, auth: tuple[str, str]) -> None:
    async with httpx.AsyncClient(auth=auth) as client:
        answer = await client.get(f"{server.url}/git/shop.git/info/refs?service=git-upload-pack")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-git-upload-pack-advertisement"


async def test_a_bearer_token(server: Server) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        answer = await client.get(f"{server.url}/git/shop/info/refs?service=git-receive-pack")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "shop.git/HEAD", 404),
        ("GET", "shop.git/config", 404),
        ("GET", "shop.git/objects/info/packs", 404),
        ("GET", "shop.git/info/refs", 422),
        ("GET", "shop.git/info/refs?service=git-upload-archive", 422),
        ("POST", "shop.git/git-upload-archive", 422),
        ("POST", "shop.git/info/refs?service=git-receive-pack", 422),
        ("GET", "shop.git/git-receive-pack", 404),
        ("GET", "nobody.git/info/refs?service=git-upload-pack", 404),
        ("GET", "%2e%2e.git/info/refs?service=git-receive-pack", 422),
        ("GET", "a%2f..%2fb.git/info/refs?service=git-receive-pack", 404),
        ("GET", "Shop.git/info/refs?service=git-receive-pack", 422),
        ("PUT", "shop.git/info/refs?service=git-receive-pack", 405),
    ],
)
async def test_only_what_git_asks_for_is_answered(server: Server, method: str, path: str, status: int) -> None:
    await server.repositories.create("shop")
    async with httpx.AsyncClient(auth=("x", TOKEN)) as client:
        answer = await client.request(method, f"{server.url}/git/{path}")
    assert answer.status_code == status
    assert [path.name for path in server.repositories.root.iterdir()] == ["shop.git"]


async def test_cloning_an_unknown_component_says_so(server: Server, work: WorkTree) -> None:
    status, said = await work.git("ls-remote", server.remote("nobody"), check=False)
    assert status != 0
    assert "remote: there is no component `nobody`" in said


async def test_a_component_without_repository_can_be_asked(server: Server, work: WorkTree) -> None:
    assert (await work.git("ls-remote", server.remote()))[1] == ""


async def test_a_bad_name_says_the_rule(server: Server, work: WorkTree) -> None:
    await work.commit("x", files())
    _, said = await work.git("push", server.remote("Bad_Name"), "main", check=False)
    assert "remote: 'Bad_Name' cannot be a component's name" in said


async def test_nobodys_own_git_settings_matter(
    server: Server, work: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[core]\nhooksPath = /nonexistent\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    await work.commit("x", {"README": "no component"})
    _, said = await work.git("push", server.remote(), "main", check=False)
    assert "remote:   there is no component.json" in said


async def test_a_client_that_leaves_an_upload_leaves_no_process(server: Server) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"00"  # half of a line's length
        uploading.set()
        await asyncio.Event().wait()

    uploading = asyncio.Event()
    async with httpx.AsyncClient(auth=("x", TOKEN), timeout=30) as client:
        url = f"{server.url}/git/shop.git/git-receive-pack"
        post = asyncio.create_task(client.post(url, content=endless(), headers={"Content-Type": CONTENT}))
        await uploading.wait()
        await until(lambda: len(git_processes()) > 0)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
    await until(lambda: git_processes() == [])


async def test_a_push_is_received_although_its_client_left(server: Server, work: WorkTree) -> None:
    server.hold = asyncio.Event()
    commit = await work.commit("x", files())
    pushing = await asyncio.create_subprocess_exec(
        "git", "push", server.remote(), "main", cwd=work.folder,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    await until(lambda: server.commits() == [commit])
    os.killpg(pushing.pid, 9)
    await pushing.wait()
    assert len(git_processes()) > 0  # the hook still follows the build
    server.hold.set()
    await until(lambda: git_processes() == [])
    assert await server.repositories.tip("shop") == commit


CONTENT = "application/x-git-receive-pack-request"


def git_processes() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if "http-backend" in _line(process)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
