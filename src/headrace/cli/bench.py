"""``bench``: measure this machine with a flow of known shape."""

from __future__ import annotations

import typer

__all__ = ["PASS_THROUGH", "bench"]

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def bench(context: typer.Context) -> None:
    """Measure latency, throughput, CPU, memory, and what publishes cost. `headrace bench --help` lists its options."""
    import headrace.testing.bench as measuring

    raise typer.Exit(measuring.run(context.args) or 0)
