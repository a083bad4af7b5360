"""The hosts that try, ask and run what was built: who they run as, whether that user gets to it, whether it loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headrace import sandbox
from headrace.components import load_check
from headrace.components.build import Order
from headrace.components.build_log import BuildLog
from headrace.components.environment import is_root
from headrace.errors import Unavailable
from headrace.flows.catalog import Offer
from headrace.flows.deployment import Code
from headrace.sandbox import Command, Mode

__all__ = ["Hosts"]


@dataclass(frozen=True, slots=True)
class Hosts:
    """``folder`` holds one for each language; ``uid_base`` counts when root runs the platform; ``memory`` is the bytes
    that a component may take.
    """

    folder: Path
    mode: Mode = "auto"
    uid_base: int = 210_000
    memory: int = load_check.MEMORY

    @property
    def builder(self) -> int:
        """Who builds: as root the first user of the range, which no component has."""
        return self.uid_base if is_root() else os.geteuid()

    def user_of(self, component_id: int) -> int | None:
        """Who runs a component, when that is not the platform's own user."""
        return self.uid_base + component_id if is_root() else None

    def check_way(self, *paths: Path | str) -> None:
        """As root without bubblewrap, the users that code runs as must get to it by themselves."""
        if not is_root() or sandbox.used(self.mode):
            return
        for path in map(str, paths):
            closed = sandbox.barrier(path, self.builder)
            if closed is not None:
                raise Unavailable(
                    "folder-closed",
                    f"component code, which runs as a user of its own, cannot get to {path}: {closed} is closed to it",
                    next_step="make bubblewrap work (`headrace doctor` says how), or do not run Headrace as root",
                )

    def command(self, code: Code, environment: Callable[[Offer], Mapping[str, str]], offer: Offer) -> Command:
        """What starts a host for one offer, with its socket as standard input."""
        arguments, folder = code.host(str(self.folder), self.memory)
        return sandbox.command(
            arguments,
            cwd=code.root,
            read=[code.root, *code.visible, folder],
            uid=code.uid,
            env=environment(offer),
            mode=self.mode,
            socket=True,
        )

    async def load(self, offers: Iterable[Offer], order: Order, code: Code, log: BuildLog) -> None:
        """Load each module once for each way it is used. Raises as `headrace.components.load_check.check` does."""
        each = {(offer.kind, offer.main, offer.trigger_type): offer for offer in offers}
        command = partial(self.command, code, order.environment)
        await load_check.check(each.values(), command, log, memory=self.memory)
