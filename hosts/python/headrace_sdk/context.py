"""The first argument of every component function."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from headrace_sdk.logger import Logger
from headrace_sdk.message import Message

if TYPE_CHECKING:
    from headrace_sdk.attachments import Attachments

__all__ = ["Context", "Emission"]


class Emission(Coroutine[Any, Any, None]):
    """One emission on its way. It leaves when it is made; waiting tells whether the platform has it.

    Async code writes ``await ctx.emit(body)`` (or hands the emission to ``create_task`` or ``gather``), blocking code
    ``ctx.emit(body).result()``. Both return `None` once it is durable and raise `EmitError` when it was refused.
    Waiting twice is fine. A refusal that nobody waits for is logged.
    """

    __slots__ = ()

    @abstractmethod
    def result(self, timeout: float | None = None) -> None:
        """Wait on a thread. Raises `TimeoutError` after ``timeout`` seconds, `RuntimeError` on the event loop."""


class Context(Protocol):
    """One call's line to the platform. Every method may be used from async code and from threads."""

    @property
    def flow(self) -> str:
        """Name of the flow."""
        ...

    @property
    def flow_id(self) -> str:
        """Id of the flow: stays when the flow is renamed."""
        ...

    @property
    def step(self) -> str:
        """Id of the step."""
        ...

    @property
    def execution(self) -> str | None:
        """Id of the execution the message belongs to; `None` where there is none (``listen``, hooks)."""
        ...

    @property
    def attempt(self) -> int:
        """1 at first, more when the message is tried again."""
        ...

    @property
    def attachments(self) -> Attachments:
        """The incoming message's attachments; and the way to read and store files."""
        ...

    @property
    def logger(self) -> Logger:
        """The step's log."""
        ...

    @property
    def snapshot(self) -> dict[str, Any]:
        """A copy of the step's snapshot as this call knows it; change it with the methods below."""
        ...

    @property
    def stopping(self) -> bool:
        """The platform wants this call to end. Async code is cancelled instead; a blocking loop looks here."""
        ...

    def emit(self, data: Message | Any) -> Emission:
        """Send a body or `Message` to the next steps. Raises `BodyError` when it cannot be sent."""
        ...

    def error(self, error: BaseException | str) -> Emission:
        """Store an error record with the call's input; the call goes on."""
        ...

    def rebound(self, reason: str = "") -> Emission:
        """Have the call's input tried again later; outputs so far stay."""
        ...

    def set_snapshot(self, value: Mapping[str, Any]) -> Emission:
        """Replace the step's snapshot."""
        ...

    def update_snapshot(self, patch: Mapping[str, Any]) -> Emission:
        """Merge ``patch`` into the step's snapshot, shallow."""
        ...

    def update_keys(self, keys: Mapping[str, Any]) -> Emission:
        """Write back changed values of the step's credential."""
        ...

    def http_reply(
        self, body: Any = None, *, status: int | None = None, headers: Mapping[str, Any] | None = None
    ) -> Emission:
        """Answer the caller who waits for the flow's reply: with 200 unless ``status`` says another."""
        ...
