"""A registry for npm, with packages made by hand."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Registry:
    """Serves packages; remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.url = ""
        self._versions: dict[str, dict[str, dict[str, Any]]] = {}
        self._archives: dict[str, bytes] = {}

    def add(self, name: str, version: str, files: Mapping[str, str], **package: Any) -> None:
        """A package with these files; ``package`` is the rest of its ``package.json``."""
        written = {"name": name, "version": version, **package}
        archive = _archive({"package.json": json.dumps(written), **files})
        path = f"/{name}/-/{name}-{version}.tgz"
        self._archives[path] = archive
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
        dist = {"tarball": self.url + path, "integrity": integrity, "shasum": hashlib.sha1(archive).hexdigest()}
        scripts = {"hasInstallScript": True} if {"install", "postinstall"} & set(package.get("scripts", {})) else {}
        self._versions.setdefault(name, {})[version] = {**written, "dist": dist, **scripts}

    def dist(self, name: str, version: str) -> dict[str, Any]:
        """Where a package is, and its digest."""
        found: dict[str, Any] = self._versions[name][version]["dist"]
        return found

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(path)
        if path in self._archives:
            return 200, self._archives[path]
        versions = self._versions.get(path.strip("/"))
        if versions is None:
            return 404, b"{}"
        newest = list(versions)[-1]
        document = {"name": path.strip("/"), "dist-tags": {"latest": newest}, "versions": versions}
        return 200, json.dumps(document).encode()


@contextmanager
def registry() -> Iterator[Registry]:
    """It runs until the block ends."""
    made = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.tokens += self.headers.get_all("Authorization", [])
            status, body = made.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield made
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _archive(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            data = text.encode()
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
