"""One component's repository, a builder on a folder of its own, and all that it builds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.integration.pushes.parts import WorkTree

from headrace.components.build import Builder, Order, build
from headrace.components.build_log import BuildLog
from headrace.components.descriptor import Language, read
from headrace.components.repositories import Repositories
from headrace.errors import Invalid
from headrace.flows.deployment import Code


@dataclass
class Shop:
    """Component ``shop``, number 7."""

    data: Path
    language: Language
    builder: Builder
    repositories: Repositories
    work: WorkTree
    revision: int = 0
    logs: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, data: Path, language: Language, builder: Builder) -> Shop:
        """On folders that are made here. This is about builds, so the hooks of pushes are off."""
        for folder in ("repos", "envs", "builds", "work"):
            (data / folder).mkdir(parents=True, exist_ok=True)
        repositories = Repositories(data / "repos")
        await repositories.create("shop")
        for hook in (repositories.path("shop") / "hooks").iterdir():
            hook.chmod(0o600)
        return cls(data, language, builder, repositories, WorkTree(data / "work"))

    @property
    def log(self) -> str:
        """Of the last build."""
        return self.logs[-1]

    @property
    def envs(self) -> list[Path]:
        """Environments, without the folder of programs that Node.js builds have."""
        return sorted(path for path in (self.data / "envs").iterdir() if path.is_dir() and not (path / "npx").exists())

    async def push(self, contents: dict[str, str]) -> str:
        """Commit and push; the commit's id."""
        commit = await self.work.commit("x", contents)
        target = str(self.repositories.path("shop"))
        await self.work.git("-c", "push.default=nothing", "push", "--quiet", "--force", target, "main")
        return commit

    async def build(self, contents: dict[str, str], *, timeout: float = 100, revision: int | None = None) -> Code:
        commit = await self.push(contents)
        self.revision = revision or self.revision + 1
        log = self.data / "build.log"
        try:
            return await self.order(commit, contents["component.json"], self.revision, log, timeout=timeout)
        finally:
            self.logs.append(log.read_text())

    async def order(self, commit: str, written: str, revision: int, log: Path, *, timeout: float = 100) -> Code:
        """Build a commit that was pushed."""
        folder = self.data / "builds" / "shop" / str(revision)
        order = Order("shop", 7, revision, commit, read(written), folder)
        with BuildLog(log) as lines:
            return await build(
                order, lines, repositories=self.repositories, builders={self.language: self.builder}, timeout=timeout
            )

    async def fails(self, contents: dict[str, str], *, timeout: float = 100) -> Invalid:
        """Build what cannot be built, and see that nothing is left."""
        with pytest.raises(Invalid) as caught:
            await self.build(contents, timeout=timeout)
        assert not (self.data / "builds" / "shop" / str(self.revision)).exists()
        return caught.value


def present(code: Code, *, without: Iterable[str] = ()) -> list[str]:
    """Files and folders of the built code; all of them readable by anyone."""
    root = Path(code.root)
    found = [path for path in sorted(root.rglob("*")) if not any(part in path.parts for part in without)]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (root, *found))
    return [str(path.relative_to(root)) for path in found]
