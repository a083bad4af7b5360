"""The ``needs`` marker: tests that use an external part are skipped, or failed in CI, when it is missing."""

from __future__ import annotations

from collections import Counter

import hypothesis
import pytest
from tests.needs import PARTS, missing, required

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if name not in PARTS:
                pytest.fail(f"unknown part {name!r}: tests/needs.py has {', '.join(PARTS)}", pytrace=False)
            reason = missing(name)
            if reason and required():
                pytest.fail(f"{reason} (HEADRACE_TEST_REQUIRE=all)", pytrace=False)
            if reason:
                pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each missing part, whatever the number of tests it skipped."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            reasons[reason] += reason.startswith("needs ")
    for reason, count in sorted(reasons.items()):
        if count:
            terminalreporter.write_line(f"skipped {count} {'test' if count == 1 else 'tests'}: {reason}")
