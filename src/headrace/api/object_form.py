"""A file that comes in a form (``multipart/form-data``), as the clients of some years ago send it.

It is the form's only part. It passes through in chunks, as what comes by itself does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from headrace.errors import Invalid

__all__ = ["FormFile"]

FORM = b"multipart/form-data"


class FormFile:
    """The file of a form. `open` it, then read it once with ``async for``."""

    def __init__(self, boundary: bytes, body: AsyncIterator[bytes]) -> None:
        self.content_type = "application/octet-stream"
        self._body = body
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part,
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_end": self._on_end,
            },
        )
        self._parts = 0
        self._begun = self._ended = False
        self._name = self._value = b""
        self._pieces: list[bytes] = []

    @classmethod
    async def open(cls, content_type: str, body: AsyncIterator[bytes]) -> FormFile | None:
        """The file, with its content type known; `None` when the request has no form. Raises as reading does."""
        kind, options = parse_options_header(content_type)
        if kind != FORM:
            return None
        if not options.get(b"boundary"):
            raise _bad("its content type has no boundary")
        made = cls(options[b"boundary"], body)
        while not made._begun:
            await made._feed()
        return made

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next piece; `Invalid` (``bad-form``) for what is no form, breaks off, or has more than one part."""
        while not self._pieces:
            if self._ended:
                raise StopAsyncIteration
            await self._feed()
        piece, self._pieces = b"".join(self._pieces), []
        return piece

    async def _feed(self) -> None:
        chunk = await anext(self._body, None)
        if chunk is None:
            raise _bad("it breaks off")
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise _bad(str(error)) from None
        if self._parts > 1:
            raise _bad("it has more than one part")

    # -- what the parser finds ------------------------------------------------------------------------------

    def _on_part(self) -> None:
        self._parts += 1

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._parts == 1 and self._name.lower() == b"content-type":
            self.content_type = self._value.decode("latin-1")
        self._name = self._value = b""

    def _on_headers(self) -> None:
        self._begun = True

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _on_end(self) -> None:
        self._ended = True


def _bad(why: str) -> Invalid:
    return Invalid("bad-form", f"this form is no object: {why}", next_step="Send one file, or the content by itself.")
