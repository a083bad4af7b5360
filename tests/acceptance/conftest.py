"""One platform for all trials of a run, with deadlines short enough to see what lies behind them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.cast import Cast

from headrace.testing.platform import Platform, platform

ENVIRONMENT = {
    "HEADRACE_WATCH_FOR": "10s",
    "HEADRACE_STOP_WITHIN": "500ms",
    "HEADRACE_READY_WITHIN": "3s",
    "HEADRACE_DRAIN_WITHIN": "3s",
    "HEADRACE_STEP_MEMORY": "80MB",
}


@pytest.fixture(scope="session")
def running() -> Iterator[Platform]:
    with platform(environment=ENVIRONMENT) as started:
        yield started


@pytest.fixture(scope="session")
def cast(running: Platform) -> Cast:
    return Cast(running)
