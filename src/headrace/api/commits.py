"""The commits that lie between two versions of a component."""

from __future__ import annotations

import asyncio

from pydantic import Field

from headrace.api.parts import Parts
from headrace.api.shapes import Answer, Moment
from headrace.components.repositories import Commit
from headrace.errors import HeadraceError

__all__ = ["CommitView", "Commits", "between"]

MOST = 50


class CommitView(Answer):
    """What somebody changed, when and why."""

    commit: str
    author: str
    message: str
    committed_at: Moment


class Commits(Answer):
    """From one component version to another: what comes in, and, after a force push or a step back, what goes out."""

    added: list[CommitView] = Field(description=f"Newest first, {MOST} at most.")
    removed: list[CommitView] = Field(description="Those the old version had and the new one has not.")


async def between(parts: Parts, component: str, old: str | None, new: str | None) -> Commits:
    """The commits between two; none on either side that has no commit, and none when the repository cannot say."""
    if old is None or new is None or old == new:
        return Commits(added=[], removed=[])
    added, removed = await asyncio.gather(_log(parts, component, old, new), _log(parts, component, new, old))
    return Commits(added=added, removed=removed)


async def _log(parts: Parts, component: str, old: str, new: str) -> list[CommitView]:
    try:
        found = await parts.repositories.log(component, old, new, limit=MOST)
    except HeadraceError:
        return []  # what is shown beside it is worth more than an error
    return [_view(each) for each in found]


def _view(commit: Commit) -> CommitView:
    return CommitView(commit=commit.id, author=commit.author, message=commit.message, committed_at=commit.committed_at)
