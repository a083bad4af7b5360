"""The flow's object store over HTTP; see docs/reference/object-storage.md. Imported when a component first uses it."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from headrace_sdk.attachments import Source, Upload
from headrace_sdk.errors import AttachmentError

__all__ = ["HttpFiles", "from_environment"]

PATIENCE = 60.0
"""Seconds without any progress after which a transfer has failed."""


def from_environment() -> HttpFiles:
    """The store that the worker named to this process."""
    return HttpFiles(os.environ.get("HEADRACE_STORAGE_URL", ""), os.environ.get("HEADRACE_STORAGE_TOKEN", ""))


class HttpFiles:
    """See `headrace_sdk.attachments.Files`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def open(self, url: str, /) -> Source:
        request = urllib.request.Request(url)
        if self._url and url.startswith(f"{self._url}/objects/"):
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return _Response(urllib.request.urlopen(request, timeout=PATIENCE))
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read()) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AttachmentError("unreachable", f"{url} cannot be read: {error}") from error

    def begin(self, content_type: str, keep: float | None, size: int | None, /) -> Upload:
        if not self._url:
            raise AttachmentError("no-storage", "this host was given no object store")
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        if keep is not None:
            headers["x-eio-ttl"] = str(max(1, round(keep)))
        return _Upload(self._url, headers, size)


class _Response:
    """A response's content; one that is cut short is an error, not an end."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise AttachmentError("cut-short", f"the file could not be read to its end: {error}") from error
        # For a body of known length `read(size)` does not tell that the connection ended before it did.
        if not data and self._response.length:
            raise AttachmentError("cut-short", f"the file ended {self._response.length} bytes before its end")
        return data

    def close(self) -> None:
        self._response.close()


class _Upload:
    """One ``POST``, chunk by chunk."""

    def __init__(self, url: str, headers: dict[str, str], size: int | None) -> None:
        self._url = url
        place = urlsplit(url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(place.netloc, timeout=PATIENCE)
        self._chunked = size is None
        length = {"Transfer-Encoding": "chunked"} if size is None else {"Content-Length": str(size)}
        try:
            self._connection.putrequest("POST", f"{place.path}/objects")
            for name, value in (headers | length).items():
                self._connection.putheader(name, value)
            self._connection.endheaders()
        except OSError as error:
            self._connection.close()
            raise AttachmentError("unreachable", f"{url} cannot be reached: {error}") from error

    def send(self, data: bytes, /) -> None:
        try:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        except OSError as error:
            raise self._why(error) from error

    def end(self) -> str:
        try:
            if self._chunked:
                self._connection.send(b"0\r\n\r\n")
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._why(error) from error
        if response.status != 201:
            raise _refused(response.status, answer)
        return f"{self._url}/objects/{json.loads(answer)['objectId']}?storage_type=maester"

    def abort(self) -> None:
        self._connection.close()

    def _why(self, error: Exception) -> AttachmentError:
        """What the server had to say before it hung up, if it had."""
        try:
            response = self._connection.getresponse()
            return _refused(response.status, response.read())
        except (OSError, http.client.HTTPException):
            return AttachmentError("unreachable", f"the file was not stored: {error}")


def _refused(status: int, answer: bytes) -> AttachmentError:
    try:
        problem = json.loads(answer)
        return AttachmentError(str(problem["reason"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return AttachmentError("refused", f"the answer was {status}")
