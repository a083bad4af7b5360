"""How far a deployment is, step by step: decided from what the API shows of it and of the one whose place it takes.

building ──▶ waiting ──▶ starting ──▶ ready ──▶ took over        the old step: running ──▶ draining ──▶ stopped
                └───────────┴──────▶ failed (with its reason)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from headrace.cli.output import coloured, counted, printable

__all__ = ["WAS_LIVE", "Display", "Line", "building_lines", "lines"]

STYLES = {"ready": "green", "took over": "green", "live": "green", "failed": "red", "stopped": "dim"}
WAS_LIVE = ("live", "draining", "standby")


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be said of one step."""

    step: str
    state: str
    note: str = ""


def building_lines(plan: Mapping[str, Any]) -> list[Line]:
    """The steps that wait for a build of their component."""
    building = {each["component"]: each for each in plan["building"]}
    return [
        Line(step["id"], "building", f"{step['component']} revision {building[step['component']]['revision']}")
        for step in plan["steps"]
        if step["component"] in building and step["selector"] == "latest"
    ]


def lines(new: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[Line]:
    """A line per step of deployment ``new``, then those of ``old`` that ``new`` has not."""
    steps = {step["id"]: step for step in new["steps"]}
    old_steps = {step["id"]: step for step in old["steps"]} if old is not None else {}
    said = [_line(step, new, old, old_steps.get(id_)) for id_, step in steps.items()]
    if old is not None:
        said += [Line(id_, _old_state(old, step), "goes") for id_, step in old_steps.items() if id_ not in steps]
    return said


def _line(
    step: Mapping[str, Any], new: Mapping[str, Any], old: Mapping[str, Any] | None, before: Mapping[str, Any] | None
) -> Line:
    state, warm = new["state"], f"{step['ready_ms']} ms" if step["ready_ms"] else ""
    if step["host"] == "failed" or (state == "failed" and step["reason"]):
        return Line(step["id"], "failed", step["reason"])
    if state in ("failed", "stopped"):
        return Line(step["id"], "stopped")
    if state in WAS_LIVE and new["live_at"]:
        drains = _beside(old, before)
        return Line(step["id"], "live" if before is None else "took over", ", ".join(filter(None, (warm, drains))))
    if step["host"] == "ready":
        return Line(step["id"], "ready", warm)
    if step["host"] in ("starting", "backoff"):
        return Line(step["id"], "starting", "again" if step["host"] == "backoff" else "")
    return Line(step["id"], "waiting", _waits(new, old))


def _waits(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> str:
    restarts = new["strategy"] == "restart" and old is not None and old["state"] != "stopped"
    return f"deployment {old['epoch']} stops first" if restarts and old is not None else ""


def _beside(old: Mapping[str, Any] | None, step: Mapping[str, Any] | None) -> str:
    """What the old step does meanwhile."""
    if old is None or step is None:
        return ""
    state = _old_state(old, step)
    left = step["waiting"] + step["open"]
    return f"the old one {state}" + (f" ({counted(left, 'message')} left)" if state == "drains" and left else "")


def _old_state(old: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    told = {"draining": "drains", "standby": "stands by", "stopped": "stopped", "failed": "stopped"}
    return told.get(old["state"], "runs")


class Display:
    """Shows lines as they change: in place on a terminal, else each change on a line of its own."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._said: dict[str, Line] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=False) if console.is_terminal else None

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        else:
            self._console.print(self._title, soft_wrap=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, shown: Iterable[Line]) -> None:
        """This is how it is now."""
        present = {line.step: line for line in shown}
        if present == self._said:
            return
        if self._live is not None:
            self._live.update(self._table(present.values()), refresh=True)
        else:
            for line in present.values():
                if self._said.get(line.step) != line:
                    self._console.print(f"  {line.step}: {line.state} {printable(line.note)}".rstrip(), soft_wrap=True)
        self._said = present

    def _table(self, shown: Iterable[Line]) -> Group:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for line in shown:
            table.add_row(
                f"  {line.step}", coloured(line.state, STYLES.get(line.state, "yellow")), printable(line.note)
            )
        return Group(self._title, table)
