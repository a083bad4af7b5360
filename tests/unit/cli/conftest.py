from __future__ import annotations

import pytest
from tests.unit.cli.double import Server

from headrace.cli import client


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server that commands of this test talk to."""
    double = Server()
    monkeypatch.setenv("HEADRACE_URL", "http://headrace.test")
    monkeypatch.setenv("HEADRACE_TOKEN", "hr_secret")
    monkeypatch.delenv("HEADRACE_DATA", raising=False)
    monkeypatch.setattr(client, "transport", double.transport())
    return double
