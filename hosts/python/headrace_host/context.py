"""``ctx``: one call's line to the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace_host.failure import failure
from headrace_sdk import BodyError, Logger, Message
from headrace_sdk.encoding import to_json
from headrace_sdk.reply import answered

if TYPE_CHECKING:
    from headrace_host.call import Call
    from headrace_host.emission import Emission
    from headrace_sdk.attachments import Attachments

__all__ = ["HostContext", "data_keys"]


class HostContext:
    """See `headrace_sdk.Context`."""

    __slots__ = ("_call", "_logger")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._logger: Logger | None = None

    @property
    def flow(self) -> str:
        return self._call.home.flow

    @property
    def flow_id(self) -> str:
        return self._call.home.flow_id

    @property
    def step(self) -> str:
        return self._call.home.step

    @property
    def execution(self) -> str | None:
        return self._call.frame.get("execution") or None

    @property
    def attempt(self) -> int:
        return self._call.frame.get("attempt") or 1

    @property
    def attachments(self) -> Attachments:
        from headrace_host.files import from_environment  # what many components never need costs a megabyte
        from headrace_sdk.attachments import Attachments

        return Attachments((self._call.frame.get("msg") or {}).get("attachments") or {}, from_environment())

    @property
    def logger(self) -> Logger:
        if self._logger is None:
            self._logger = self._call.home.log.logger(self._call.number or None)
        return self._logger

    @property
    def snapshot(self) -> dict[str, Any]:
        return self._call.snapshot.copy()

    @property
    def stopping(self) -> bool:
        return self._call.cancelled

    def emit(self, data: Message | Any) -> Emission:
        return self._call.emit("data", data_keys(data))

    def error(self, error: BaseException | str) -> Emission:
        told = failure(error if isinstance(error, BaseException) else Exception(error))
        if not isinstance(error, BaseException):
            told |= {"name": "Error", "stack": ""}
        return self._call.emit("error", b'"error":' + to_json(told, "error"))

    def rebound(self, reason: str = "") -> Emission:
        return self._call.emit("rebound", b'"reason":' + to_json(str(reason), "reason"))

    def set_snapshot(self, value: Mapping[str, Any]) -> Emission:
        emission = self._call.emit("snapshot", b'"value":' + _object(value, "snapshot"))
        self._call.snapshot.replace(value)
        return emission

    def update_snapshot(self, patch: Mapping[str, Any]) -> Emission:
        emission = self._call.emit("update_snapshot", b'"patch":' + _object(patch, "patch"))
        self._call.snapshot.update(patch)
        return emission

    def update_keys(self, keys: Mapping[str, Any]) -> Emission:
        return self._call.emit("update_keys", b'"keys":' + _object(keys, "keys"))

    def http_reply(
        self, body: Any = None, *, status: int | None = None, headers: Mapping[str, Any] | None = None
    ) -> Emission:
        number, kept = answered(status, headers)
        parts = (b"%d" % number, _object(kept, "headers"), to_json(body, "body"))
        return self._call.emit("http_reply", b'"status":%b,"headers":%b,"body":%b' % parts)


def data_keys(data: Message | Any) -> bytes:
    """What a ``data`` emission of a body or `Message` carries. Raises `BodyError`."""
    if not isinstance(data, Message):
        return b'"body":' + to_json(data, "body")
    keys = b'"body":' + to_json(data.body, "body")
    if data.headers:
        keys += b',"headers":' + _object(data.headers, "headers")
    if data.attachments:
        keys += b',"attachments":' + _object(data.attachments, "attachments")
    if data.metadata:
        keys += b',"metadata":' + _object(data.metadata, "metadata")
    if data.id:
        keys += b',"id":' + to_json(str(data.id), "id")
    return keys


def _object(value: Mapping[str, Any], what: str) -> bytes:
    if not isinstance(value, Mapping):
        raise BodyError(f"{what} is {type(value).__name__}; it must be a dict")
    return to_json(dict(value), what)
