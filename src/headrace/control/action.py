"""What control can do to a deployment. Each action says why, for the log; `headrace.control.deploy` carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.control.view import State

__all__ = ["Action", "Activate", "Mark", "Measure", "Prepare", "Quiesce", "Start", "Stop", "TakeOver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    epoch: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare(_Action):
    """Compile the deployment, make its queues, give its spec to the bus. Changes nothing that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(_Action):
    """Start its worker, which warms up by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate(_Action):
    """Give it the lease, tell its worker to begin, mark it live."""

    again: bool = False
    """It was live before, with another worker, or is handed the flow back: not a switch to be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(_Action):
    """Write down how the switch to it went on: what drained, the longest delay, whether order was kept.

    Where the next switch is quicker, `Quiesce` and `Stop` do it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiesce(_Action):
    """Mark it draining, tell its worker to silence the trigger and finish what is queued."""

    successor: int = 0
    """The epoch that takes its place: with another trigger there, this one's ``shutdown`` hook runs now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(_Action):
    """Ask its worker to stop and kill it at a deadline; with ``force`` at once. Its queue stays."""

    force: bool = False
    final: bool = False
    """A person stops the flow: the trigger's ``shutdown`` hook runs."""
    successor: int = 0
    """The epoch that takes its place; the hook also runs when that has another trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver(_Action):
    """Move what is left in its queues to deployment ``to``, and drop the queues."""

    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(_Action):
    """Write its new state, and with ``failed`` the reason, into the store."""

    state: State
    reason: str = ""
    handed_back: bool = False
    """It had the flow, or was just about to, and the deployment before it gets it back."""


Action = Prepare | Start | Activate | Measure | Quiesce | Stop | TakeOver | Mark
