"""What Prometheus reads. What happens here is counted; how things stand is looked up when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from headrace.bus.control import WorkerState

__all__ = ["Metrics"]

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)


class Metrics:
    """Counters, gauges and histograms of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhook_seconds = Histogram(
            "headrace_webhook_seconds",
            "From the request of a webhook to its answer.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._accepted = Counter(
            "headrace_webhook_events", "Events accepted by webhooks.", ["flow"], registry=self.registry
        )
        self._refused = Counter(
            "headrace_webhook_refused", "Webhook requests refused.", ["reason"], registry=self.registry
        )
        self._deployments = Gauge(
            "headrace_deployments", "Newest deployment of each flow, by state.", ["state"], registry=self.registry
        )
        self._errors = Gauge(
            "headrace_errors_open",
            "Errors nobody has retried or discarded.",
            ["flow", "reason"],
            registry=self.registry,
        )
        self._lag = Gauge(
            "headrace_recorder_lag", "Batches of facts the recorder has yet to write.", registry=self.registry
        )
        self._workers = _Workers()
        self.registry.register(self._workers)

    def accepted(self, flow: str) -> None:
        """A webhook accepted an event."""
        self._accepted.labels(flow).inc()

    def refused(self, reason: str) -> None:
        """A webhook refused a request."""
        self._refused.labels(reason).inc()

    def render(
        self,
        *,
        states: Mapping[str, int],
        errors: Mapping[tuple[str, str], int],
        lag: int,
        workers: Iterable[tuple[str, WorkerState]],
    ) -> bytes:
        """The exposition, with how things stand now: ``errors`` by flow and reason, ``workers`` with their flow."""
        self._deployments.clear()
        for state, count in states.items():
            self._deployments.labels(state).set(count)
        self._errors.clear()
        for (flow, reason), count in errors.items():
            self._errors.labels(flow, reason).set(count)
        self._lag.set(lag)
        self._workers.states = list(workers)
        return generate_latest(self.registry)


class _Workers:
    """Families made from heartbeats; their counters begin anew with each worker."""

    COUNTERS = (
        ("received", "headrace_step_received", "Messages a step took."),
        ("emitted", "headrace_step_emitted", "Messages a step emitted."),
        ("failed", "headrace_step_failed", "Messages a step failed on."),
        ("restarts", "headrace_step_host_restarts", "Restarts of a step's host."),
    )
    GAUGES = (
        ("waiting", "headrace_step_waiting", "Messages queued for a step."),
        ("open", "headrace_step_open", "Calls in progress."),
        ("memory", "headrace_step_memory_bytes", "Resident memory of a step's host."),
    )

    def __init__(self) -> None:
        self.states: list[tuple[str, WorkerState]] = []

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        for field, name, text in self.COUNTERS:
            yield self._filled(CounterMetricFamily(name, text, labels=["flow", "step"]), field)
        for field, name, text in self.GAUGES:
            yield self._filled(GaugeMetricFamily(name, text, labels=["flow", "step"]), field)
        journal = GaugeMetricFamily("headrace_journal_bytes", "Size of a flow's journal.", labels=["flow"])
        for flow, state in self.states:
            journal.add_metric([flow], state.journal_bytes)
        yield journal

    def _filled(self, family: Family, field: str) -> Family:
        for flow, state in self.states:
            for step in state.steps:
                family.add_metric([flow, step.id], getattr(step, field))
        return family
