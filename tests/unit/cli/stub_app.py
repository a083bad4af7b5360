"""A server that behaves as the environment variable STUB says: well, exit, refuse, beaten, never-ready or deaf."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

STUB = os.environ.get("STUB", "well")


class Stub(BaseHTTPRequestHandler):
    """Ready, and stops when it is asked to."""

    def do_GET(self) -> None:
        flows = {"items": [{"name": name, "version": 1} for name in ("demo-webhook", "demo-folder")], "next": None}
        self._answer(503 if STUB == "never-ready" else 200, flows if self.path.startswith("/api/v1/flows") else {})

    def do_POST(self) -> None:
        self._answer(202)
        if STUB != "deaf":
            threading.Thread(target=self.server.shutdown).start()

    def _answer(self, status: int, answer: object = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    if STUB == "exit":
        sys.exit("the database is newer than this program")
    if STUB == "refuse":
        print(
            json.dumps({"event": "cannot run", "reason": "settings-invalid", "detail": "no `prot`", "next_step": "x"})
        )
        sys.exit(1)
    if STUB == "beaten" and options.port == int((options.data / "beaten").read_text()):
        print(json.dumps({"event": "cannot run", "reason": "port-taken", "detail": "taken", "next_step": ""}))
        sys.exit(1)
    if STUB == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Stub) as server:
        (options.data / "keys").mkdir(exist_ok=True)
        (options.data / "keys" / "cli-token").write_text("hr_local\n")
        me = psutil.Process()
        about = {
            "pid": me.pid,
            "created": me.create_time(),
            "url": f"http://127.0.0.1:{server.server_port}",
            "version": "0",
        }
        (options.data / "run" / "server.json").write_text(json.dumps(about))
        server.serve_forever()
    (options.data / "run" / "server.json").unlink()


if __name__ == "__main__":
    main()
