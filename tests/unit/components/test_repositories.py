"""Bare repositories, with real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from headrace.components.repositories import Repositories, check_name
from headrace.components.tree import leaves
from headrace.errors import Invalid, NotFound

pytestmark = pytest.mark.needs("git")


class Work:
    """A work tree whose commits go straight into the bare repository, past its hooks."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder, self.target = folder, target
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": f"Ada {what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_json", ".json").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def send(self, refspec: str = "main") -> None:
        self.git("-c", f"core.hooksPath={os.devnull}", "push", "--quiet", "--force", str(self.target), refspec)


@pytest.fixture
async def repositories(tmp_path: Path) -> Repositories:
    (tmp_path / "repos").mkdir()
    made = Repositories(tmp_path / "repos")
    await made.create("shop")
    return made


@pytest.fixture
def work(tmp_path: Path, repositories: Repositories) -> Work:
    for hook in (repositories.path("shop") / "hooks").iterdir():
        hook.chmod(0o600)  # git runs only hooks that may be executed
    (tmp_path / "work").mkdir()
    return Work(tmp_path / "work", repositories.path("shop"))


@pytest.mark.parametrize("name", ["", "Shop", "1st", "-x", "a/b", "..", "a.git", "a" * 64, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_name(name)
    assert caught.value.reason == "bad-name"


async def test_creating_twice_repairs_settings_and_hooks(repositories: Repositories) -> None:
    path = repositories.path("shop")
    (path / "hooks" / "pre-receive").write_text("old")
    (path / "config").write_text("[core]\n")
    await repositories.create("shop")
    assert "headrace.components.hook pre-receive" in (path / "hooks" / "pre-receive").read_text()
    assert os.access(path / "hooks" / "post-receive", os.X_OK)
    assert "fsckObjects = true" in (path / "config").read_text()
    assert repositories.names() == ("shop",)
    assert await repositories.tip("shop") is None


async def test_a_commit_is_told(repositories: Repositories, work: Work) -> None:
    first = work.commit("First\n\nwith a body", component_json="{}")
    second = work.commit("Sécond")
    work.send()
    found = await repositories.commit("shop", first)
    assert (found.id, found.author, found.message) == (first, "Ada NAME <Ada EMAIL>", "First\n\nwith a body")
    assert found.committed_at > 1_600_000_000_000
    assert await repositories.tip("shop") == second
    assert [each.message for each in await repositories.log("shop", first, second)] == ["Sécond"]
    assert [each.id for each in await repositories.log("shop", None, second)] == [second, first]
    assert await repositories.descriptor("shop", first) == b"{}"


async def test_main_goes_before_master(repositories: Repositories, work: Work) -> None:
    old = work.commit("old")
    work.send("main:master")
    assert await repositories.tips("shop") == (old,)
    new = work.commit("new")
    work.send()
    assert await repositories.tips("shop") == (new, old)


@pytest.mark.parametrize("commit", ["0" * 40, "main", "--all", "abc"])
async def test_an_unknown_commit(repositories: Repositories, work: Work, commit: str) -> None:
    work.commit("x")
    work.send()
    for call in (repositories.commit, repositories.tree, repositories.descriptor):
        with pytest.raises(NotFound):
            await call("shop", commit)


async def test_an_unknown_component(repositories: Repositories) -> None:
    with pytest.raises(NotFound) as caught:
        await repositories.tip("nobody")
    assert caught.value.reason == "repository-not-found"


async def test_a_kept_commit_outlives_a_force_push(repositories: Repositories, work: Work, tmp_path: Path) -> None:
    old = work.commit("old", main_py="1")
    work.send()
    await repositories.keep("shop", old)
    await repositories.keep("shop", old)
    work.git("checkout", "--quiet", "--orphan", "other")
    work.commit("unrelated", main_py="2")
    work.send("other:main")
    path = repositories.path("shop")
    work.git("-C", str(path), "gc", "--quiet", "--prune=now")
    await repositories.checkout("shop", old, tmp_path / "code")
    assert (tmp_path / "code" / "main.py").read_text() == "1"
    assert await repositories.kept("shop") == {old}
    assert "refs/headrace" not in work.git("ls-remote", str(path))


async def test_checkout_writes_files_links_and_modes(repositories: Repositories, work: Work, tmp_path: Path) -> None:
    commit = work.commit("x", a__b_py="code")
    (work.folder / "run.sh").write_text("#!/bin/sh\n")
    (work.folder / "run.sh").chmod(0o755)
    (work.folder / "link").symlink_to("a/b.py")
    commit = work.commit("y")
    work.send()
    old = os.umask(0o077)
    try:
        await repositories.checkout("shop", commit, tmp_path / "builds" / "code")
    finally:
        os.umask(old)
    code = tmp_path / "builds" / "code"
    assert (code / "link").read_text() == "code"
    assert [oct((code / name).stat().st_mode & 0o777) for name in ("", "a", "a/b.py", "run.sh")] == [
        "0o755",
        "0o755",
        "0o644",
        "0o755",
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "deep/back/../x"])
async def test_links_that_leave_are_refused(
    repositories: Repositories, work: Work, tmp_path: Path, target: str
) -> None:
    (work.folder / "deep").mkdir()
    (work.folder / "deep" / "back").symlink_to("..")  # so that the text of a link alone does not tell
    (work.folder / "link").symlink_to(target)
    commit = work.commit("x")
    work.send()
    told = [problem.reason for problem in await repositories.problems("shop", commit)]
    assert ("link-outside" in told) == leaves("link", target)
    with pytest.raises(Invalid) as caught:
        await repositories.checkout("shop", commit, tmp_path / "code")
    assert caught.value.reason == "link-outside"
    assert not (tmp_path / "code").exists()


async def test_problems_are_those_of_the_commit(repositories: Repositories, work: Work) -> None:
    commit = work.commit("x", component_json='{"actions": {"a": {"main": "a"}}}')
    work.send()
    assert [problem.reason for problem in await repositories.problems("shop", commit)] == ["main-not-found"]
    repositories.tree_limit = 3
    assert "too-large" in [problem.reason for problem in await repositories.problems("shop", commit)]


async def test_a_removed_repository_is_gone(repositories: Repositories) -> None:
    await repositories.remove("shop")
    await repositories.remove("shop")
    assert repositories.names() == ()
    assert list(repositories.root.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [("a", "b", False), ("a/b", "../c", False), ("a/b", "../../c", True), ("a", "/c", True), ("a", "..", True)],
)
def test_whether_a_link_leaves(path: str, target: str, out: bool) -> None:
    assert leaves(path, target) is out
