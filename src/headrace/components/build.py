"""From a pushed commit to code that runs: check out, prepare the environment, try to load it.

A `Builder` knows one language. A failed build leaves its log and nothing else.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.components.build_log import BuildLog, follow, is_final
from headrace.components.descriptor import Descriptor, Language
from headrace.components.lint import language
from headrace.components.repositories import Repositories
from headrace.errors import Invalid
from headrace.flows.catalog import Offer
from headrace.flows.deployment import Code

__all__ = ["BuildLog", "Builder", "Order", "build", "follow", "is_final"]


@dataclass(frozen=True, slots=True)
class Order:
    """One component version to build. ``folder`` is where it belongs; its files go into ``code`` in there."""

    component: str
    component_id: int
    revision: int
    commit: str
    descriptor: Descriptor
    folder: Path
    environment: Callable[[Offer], Mapping[str, str]] = lambda _: {}
    """What a host that loads the offer finds in its environment; no script does."""

    @property
    def code(self) -> Path:
        return self.folder / "code"


class Builder(Protocol):
    """Makes the code of one language runnable."""

    async def build(self, order: Order, log: BuildLog) -> Code:
        """Prepare what the files in ``order.code`` need, and try to load every trigger and action.

        A second build of the same order gives the same result, faster. Raises `Invalid` for what the component's
        author can mend, with a short reason and words that stand for themselves (details are in the log);
        `Unavailable` for what is the platform's. When cancelled, everything that was started is killed, and no
        half-made environment will be used by a later build.
        """
        ...

    async def keep_only(self, codes: Iterable[Code]) -> None:
        """Remove environments that none of ``codes``, all that were ever built and not removed, uses.

        Never while a build runs.
        """
        ...


async def build(
    order: Order, log: BuildLog, *, repositories: Repositories, builders: Mapping[Language, Builder], timeout: float
) -> Code:
    """Build one component version; whatever was in its folder before is replaced.

    Raises what `Builder.build` raises, and `Invalid` with ``build-timeout`` or ``link-outside``. On any failure, and
    when cancelled, the folder is gone.
    """
    await asyncio.to_thread(shutil.rmtree, order.folder, ignore_errors=True)
    try:
        async with asyncio.timeout(timeout):
            return await _build(order, log, repositories, builders)
    except TimeoutError:
        await _clear(order.folder)
        raise Invalid(
            "build-timeout",
            f"the build took longer than {timeout:g} s",
            next_step="make it faster, or raise the setting `build_timeout`",
        ) from None
    except BaseException:
        await _clear(order.folder)
        raise


async def _build(order: Order, log: BuildLog, repositories: Repositories, builders: Mapping[Language, Builder]) -> Code:
    log.stage(f"checking out {order.commit[:7]} of {order.component}, revision {order.revision}")
    found = language((await repositories.tree(order.component, order.commit)).files)
    await repositories.checkout(order.component, order.commit, order.code)
    return await builders[found].build(order, log)


async def _clear(folder: Path) -> None:
    """Remove the folder, and its component's when nothing else is in it."""
    await asyncio.shield(asyncio.to_thread(_remove, folder))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        return
