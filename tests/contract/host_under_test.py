"""Hosts that implement the protocol. A new language joins with one line in `HOSTS`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HOSTS", "HostUnderTest"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class HostUnderTest:
    """``language`` is the key of its components in the fixtures, ``command`` starts it in a component's folder.

    ``folder`` holds the host's own code, which no frame may show. ``needs`` names the parts of `tests.needs` it uses.
    """

    language: str
    command: Sequence[str]
    folder: Path
    needs: tuple[str, ...] = ()


_PYTHON = os.environ.get("HEADRACE_TEST_PYTHON", sys.executable)
"""The component's interpreter; set it to try the host on another Python version."""

_HOSTS = ROOT / "hosts"

_NODE = os.environ.get("HEADRACE_TEST_NODE") or shutil.which("node") or "node"
"""Set it to try the host on another Node.js version."""

HOSTS = (
    HostUnderTest("python", (_PYTHON, "-I", str(_HOSTS / "python/headrace_host")), _HOSTS / "python"),
    HostUnderTest("node", (_NODE, str(_HOSTS / "node/host.js")), _HOSTS / "node", ("node",)),
)
