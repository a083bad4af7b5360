"""What every benchmark does the same: the events, the mappings, and one measurement with a ledger.

Whoever is measured takes events from the ledger's source, applies both mappings, and tells its sink each number and
age; `measure` only sees the ledger and the processes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from headrace.testing.ledger import Ledger, percentile

__all__ = ["ROOT", "RUN_PARTS", "Processes", "Usage", "mappings", "measure", "medians", "order", "rate_label", "usage"]

ROOT = Path(__file__).parents[3]
"""The source tree, where benchmarks keep their components and results."""
RUN_PARTS = ("worker", "hosts", "broker")
"""The processes that run a flow of Headrace; the server only looks on."""

_MAPPING = (
    '{{"n": {body}.n, "sent": {body}.sent, "customer": {body}.{customer}, '
    '"total": $sum({body}.lines.(price * qty)), "lines": {body}.lines}}'
)
_ORDER = {
    "customer": {"name": "Ada Lovelace", "email": "ada@example.org", "city": "London"},
    "lines": [{"sku": f"A-{number}", "price": 9.5 + number, "qty": number + 1} for number in range(4)],
}

Processes = Mapping[str, Sequence[psutil.Process]]
"""Who is measured, by part."""


def order(pad: int = 0) -> dict[str, Any]:
    """The event: an order of about 300 bytes, and ``pad`` bytes more."""
    return _ORDER | ({"pad": "x" * pad} if pad else {})


def mappings(body: str) -> tuple[str, str]:
    """The two mappings one after another, where ``body`` is what the incoming event is called: five fields, a sum."""
    return _MAPPING.format(body=body, customer="customer.name"), _MAPPING.format(body=body, customer="customer")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds spent so far and memory held now (proportional set size, MB), by part."""

    cpu: dict[str, float]
    memory: dict[str, float]


def usage(processes: Processes) -> Usage:
    """Look at ``processes`` once."""
    cpu = {part: sum(sum(each.cpu_times()[:2]) for each in found) for part, found in processes.items()}
    memory = {part: sum(each.memory_full_info().pss for each in found) / 1e6 for part, found in processes.items()}
    return Usage(cpu, memory)


async def measure(
    ledger: Ledger, processes: Processes, rate: float, seconds: float, *, patience: float = 30.0
) -> dict[str, float]:
    """Let events pass for ``seconds`` at ``rate`` a second (0: as fast as they arrive) and take stock.

    What has not arrived ``patience`` seconds after the last was sent is lost.
    """
    idle = usage(processes)
    await ledger.at_rate(100, 0.5)  # caches and code paths are warm afterwards
    await ledger.all_arrived(patience)
    warm, before, began = ledger.account.sent, usage(processes), time.perf_counter()
    await (ledger.at_rate(rate, seconds) if rate else ledger.flat_out(seconds))
    await ledger.all_arrived(patience)
    took, after = time.perf_counter() - began, usage(processes)
    account = ledger.account
    count = account.sent - warm
    ages = sorted(ages[0] for number, ages in account.arrivals.items() if number >= warm)
    row = {
        "p50_ms": percentile(ages, 0.5),
        "p95_ms": percentile(ages, 0.95),
        "p99_ms": percentile(ages, 0.99),
        "events_per_s": count / took,
        "lost": account.sent - len(account.arrivals),
        "repeats": account.repeats,
    }
    for part in processes:
        row[f"cpu_us_{part}"] = (after.cpu[part] - before.cpu[part]) / count * 1e6
        row[f"memory_idle_mb_{part}"] = idle.memory[part]
        row[f"memory_mb_{part}"] = after.memory[part]
    return row


def medians(rows: Sequence[Mapping[str, float]], worst: Collection[str] = ("lost", "repeats")) -> dict[str, float]:
    """The median of each figure over several runs; of ``worst``, which must not happen, the highest."""
    return {
        key: max(row[key] for row in rows) if key in worst else round(statistics.median(row[key] for row in rows), 2)
        for key in rows[0]
    }


def rate_label(rate: float) -> str:
    """A rate in words."""
    return f"{rate:.0f}/s" if rate else "flat out"
