"""What the API answers, for commands that read it."""

from __future__ import annotations

from typing import Any

__all__ = ["FLOW", "PLAN", "deployment", "step"]

COMMIT = {
    "commit": "9" * 40,
    "author": "Ada <ada@example.org>",
    "message": "Round half up\n\nmore",
    "committed_at": 1_700_000_000_000,
}


def step(id_: str, host: str = "ready", **changes: Any) -> dict[str, Any]:
    """One step of a deployment."""
    counters = dict.fromkeys(("received", "emitted", "failed", "waiting", "open", "restarts"), 0)
    return {"id": id_, "host": host, "ready_ms": 12, "warning": "", "reason": "", **counters, **changes}


def deployment(epoch: int, state: str, reason: str = "", **changes: Any) -> dict[str, Any]:
    """A deployment with the steps ``hook`` and ``erp``, or others."""
    known = {
        "flow": "orders",
        "epoch": epoch,
        "version": 3,
        "state": state,
        "reason": reason,
        "strategy": "handover",
        "cause": "publish",
        "author": "ada",
        "note": "",
        "ready_ms": 120,
        "restarts": 0,
        "created_at": 1_700_000_000_000,
        "live_at": 1_700_000_001_000 if state in ("live", "draining", "standby") else None,
        "ended_at": None,
        "cancelled_by": None,
        "components": {"erp": {"component": "erp", "revision": 2, "commit": "abc" + 37 * "0"}},
        "steps": [step("hook"), step("erp", received=5, emitted=4, failed=1)],
        "handover": None,
        "log": [],
        "failed_step": None,
    }
    return {**known, **changes}


OUTDATED = {
    "step": "erp",
    "component": "erp",
    "selector": "latest",
    "running": 2,
    "running_commit": "2" * 40,
    "running_at": 1_700_000_000_000,
    "latest": 4,
    "latest_commit": "4" * 40,
    "latest_at": 1_700_000_000_000,
    "moves_to": 4,
    "commits": {"added": [COMMIT], "removed": []},
}
FLOW: dict[str, Any] = {
    "name": "orders",
    "state": "live",
    "wish": "running",
    "version": 3,
    "epoch": 7,
    "reason": "",
    "redeploy": "manual",
    "has_draft": True,
    "draft_tag": 5,
    "outdated": [OUTDATED],
    "webhook": "/hooks/orders",
    "deployment": deployment(7, "live"),
    "coming": None,
}
PLAN: dict[str, Any] = {
    "flow": "orders",
    "source": "draft",
    "strategy": "handover",
    "running_version": 3,
    "running_epoch": 7,
    "next_version": 4,
    "step_count": 3,
    "must_be_ready": ["hook", "erp"],
    "left_out": [],
    "changes": [
        {"kind": "changed", "step": "erp", "path": "timeout", "before": "5s", "after": "9s", "text": ""},
        {"kind": "added", "step": "mail", "path": "", "before": None, "after": {"action": "smtp/send"}, "text": ""},
        {"kind": "changed", "step": "erp", "path": "input", "before": "{\n a\n}", "after": "{\n b\n}", "text": ""},
    ],
    "moves": [
        {
            "step": "erp",
            "component": "erp",
            "from_component": "erp",
            "from_revision": 2,
            "to_revision": 4,
            "commits": {"added": [COMMIT], "removed": []},
        }
    ],
    "newer": [
        {"step": "hook", "component": "webhook", "selector": "1.0.0", "revision": 1, "latest": 6,
         "commits": {"added": [COMMIT], "removed": []}},
    ],
    "variables": ["erp"],
    "building": [],
    "steps": [
        {"id": "hook", "component": "webhook", "selector": "latest", "read": [], "write": [], "newly_granted": []},
        {"id": "erp", "component": "erp", "selector": "latest", "read": [], "write": ["/srv/out"],
         "newly_granted": ["/srv/out"]},
    ],
    "snapshots_reset": [{"step": "erp", "before": "crm/save", "after": "erp/save"}],
    "hooks": {"shutdown": False, "startup": False, "changed": []},
    "interruption": {"trigger_type": "webhook", "expected_ms": 0.0, "text": "none: each request goes somewhere"},
    "blockers": [],
    "remarks": ["deployment 8 warms up, and would be superseded"],
    "problems": [],
}  # fmt: skip
