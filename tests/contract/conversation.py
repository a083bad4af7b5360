"""Plays a fixture's turns against a real host process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.contract.frame_schema import complete, faults, matches
from tests.contract.host_under_test import HostUnderTest

__all__ = ["Conversation"]

_PATIENCE = 20.0
_MAY_BE_SKIPPED = ("log", "census")


class Conversation:
    """One host process, from its start to its end, and the worker's side of its socket. A context manager."""

    def __init__(self, host: HostUnderTest, files: dict[str, list[str]], folder: Path) -> None:
        for name, lines in files.items():
            path = folder / "component" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines))
        self._hidden = str(host.folder).encode()
        self._output = folder / "output.txt"
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_PATIENCE)
        with self._output.open("wb") as output, theirs:
            self._process = subprocess.Popen(
                host.command,
                cwd=folder / "component",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(3,),
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3),  # noqa: PLW1509
            )
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()
        self._socket.close()

    def play(self, turn: dict[str, Any]) -> None:
        """Do what one turn says; raises `AssertionError` when the host does something else."""
        kind = next(key for key in turn if key != "newer")
        getattr(self, f"_turn_{kind}")(turn[kind])

    def _turn_send(self, frame: dict[str, Any]) -> None:
        self._turn_frames([frame])

    def _turn_frames(self, frames: list[dict[str, Any]]) -> None:
        self._turn_bytes(["".join(json.dumps(complete(frame)) + "\n" for frame in frames)])

    def _turn_bytes(self, pieces: list[str]) -> None:
        for piece in pieces:
            self._socket.sendall(piece.encode())

    def _turn_expect(self, expected: dict[str, Any]) -> None:
        self._turn_expect_any_order([expected])

    def _turn_expect_any_order(self, expected: list[dict[str, Any]]) -> None:
        left = list(expected)
        skipped: list[dict[str, Any]] = []
        while left:
            try:
                frame = self._receive()
            except TimeoutError:
                raise AssertionError(f"expected {left}, got {skipped or 'nothing'}") from None
            found = next((one for one in left if matches(one, frame)), None)
            if found is not None:
                left.remove(found)
            else:
                assert frame["type"] in _MAY_BE_SKIPPED, f"expected {left}, got {frame}"
                skipped.append(frame)

    def _turn_signal(self, name: str) -> None:
        self._process.send_signal(signal.Signals[f"SIG{name}"])

    def _turn_close(self, _: bool) -> None:
        self._lines.close()
        self._socket.close()

    def _turn_exit(self, status: int) -> None:
        if self._socket.fileno() >= 0:
            self._nothing_more()
        assert self._process.wait(_PATIENCE) == status, self._told()

    def _output_has(self, text: str) -> bool:
        return re.search(".*".join(map(re.escape, text.split("*"))), self._told()) is not None

    def _turn_output(self, text: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._output_has(text):
            assert time.monotonic() < deadline, f"no {text!r} in the output:\n{self._told()}"
            time.sleep(0.005)

    def _nothing_more(self) -> None:
        try:
            while line := self._lines.readline():
                frame = json.loads(line)
                assert frame["type"] in _MAY_BE_SKIPPED, f"expected the end, got {frame}"
        except ConnectionResetError:
            pass

    def _receive(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line.endswith(b"\n"), f"the host has gone:\n{self._told()}"
        assert self._hidden not in line, f"the host shows its own code: {line.decode()}"
        frame: dict[str, Any] = json.loads(line)
        assert not faults(frame), f"{frame} is not valid: {faults(frame)}"
        return frame

    def _told(self) -> str:
        return self._output.read_text()
