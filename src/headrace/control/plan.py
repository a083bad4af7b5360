"""What to do next for one flow, decided from what is wished and what was observed. Pure: the time is an input.

States of a deployment (its row in the store), with what leads from one to the next:

    warming ──worker ready──▶ ready ──Activate──▶ live ──Quiesce──▶ draining ──drained──▶ standby ──▶ stopped
       └─ its worker says `failed`, is not ready in time, or it cannot be prepared ──▶ failed
    standby, draining ──the newer one failed: hand-back──▶ live
    live ──it does worse than the one before, within the watch window──▶ failed
    warming, ready ──a person cancels it──▶ stopped
    any that has not ended ──the flow is stopped, or a newer one took its place──▶ stopped
    stopped ──a person starts the flow and nothing moved──▶ warming

A row says what a deployment is for; its worker's phase says how far it is. A plan closes the difference, one action per
deployment at a time: nothing is planned for a deployment while an action on it is under way.

The *target* is the newest deployment that has not ended and was not cancelled. Safety first: a target is activated only
when no other deployment can have a live trigger; the live deployment is not stopped before the target is ready
(``restart``: before it could be prepared).
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.control.action import Action, Activate, Mark, Measure, Prepare, Quiesce, Start, Stop, TakeOver
from headrace.control.view import DeploymentView, FlowView

__all__ = ["backoff", "next_look", "plan"]

FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 30.0
SETTLED_AFTER = 1.5
"""Seconds after the old deployment has drained, or the new one is live, until the last that waited has moved on."""


def plan(view: FlowView, now: float) -> tuple[Action, ...]:
    """What to do now, at most one action per deployment; empty when all is right or under way.

    The order of ``view.deployments`` does not matter. Carrying the actions out in any order, or only some of them, or
    none because the server died, is safe: the next plan starts from what is then observed.
    """
    actions: list[Action] = []
    for each in sorted(view.deployments, key=lambda each: each.epoch):
        if not each.pending:
            action = _for(each, view, now)
            if action is not None:
                actions.append(action)
    return tuple(actions)


def next_look(view: FlowView, now: float) -> float | None:
    """The earliest time after ``now`` at which the plan may change although nothing else does."""
    return min((time for time in _times(view) if time > now), default=None)


def backoff(deaths: int) -> float:
    """Seconds to wait before a worker is started again that has died ``deaths`` times in a row."""
    return float(min(FIRST_BACKOFF * 2 ** min(max(deaths - 1, 0), 20), LONGEST_BACKOFF))


def _times(view: FlowView) -> Iterator[float]:
    limits = view.limits
    target = view.target
    for each in view.deployments:
        if each.died is not None:
            yield each.died + backoff(each.deaths)
        if each.warming_since is not None:
            yield each.warming_since + limits.ready_within
        if each.worker is not None:
            yield each.worker.heard + limits.silent_within
        if each.state == "draining":
            yield each.changed + limits.drain_within
        if each.state in ("draining", "standby") and target is not None:
            yield target.changed + limits.watch_for
        if each.state in ("live", "standby"):
            yield each.changed + SETTLED_AFTER


def _for(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    """The action on one deployment."""
    if each.worker is not None and now >= each.worker.heard + view.limits.silent_within:
        return Stop(epoch=each.epoch, why="its worker has been silent for too long", force=True)
    if each.cancelled:
        return _cancelled(each)
    if view.wish == "suspended":
        return _stop(each, "the flow is suspended")
    if each.ended:
        return _ended(each, view)
    if view.wish == "stopped":
        return _put_away(each, "the flow is stopped", final=each.state == "live")
    return _wanted(each, view, now)


def _wanted(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    target = view.target
    assert target is not None, "`each` has not ended"
    if each.epoch == target.epoch:
        return _target(each, view, now)
    before = {"live": _live_before, "draining": _draining, "standby": _standby}.get(each.state, _superseded)
    return before(each, target, view, now)


def _stop(each: DeploymentView, why: str, *, final: bool = False, successor: int = 0) -> Action | None:
    return None if each.worker is None else Stop(epoch=each.epoch, why=why, final=final, successor=successor)


def _put_away(each: DeploymentView, why: str, *, final: bool = False, successor: int = 0) -> Action:
    """End its worker, then the deployment."""
    stop = _stop(each, why, final=final, successor=successor)
    return stop or Mark(epoch=each.epoch, state="stopped", why=why)


def _cancelled(each: DeploymentView) -> Action:
    """End it with that reason; the live deployment is the target again."""
    why = f"cancelled by {each.cancelled}"
    return _stop(each, why) or Mark(epoch=each.epoch, state="stopped", reason=why, why=why)


def _ended(each: DeploymentView, view: FlowView) -> Action | None:
    """No worker may be left; its queue goes to the target as soon as that is sure to run."""
    if each.worker is not None:
        return _stop(each, f"it is {each.state}")
    target = view.target
    if view.wish != "running" or not each.prepared or target is None or not target.prepared:
        return None
    proven = target.state == "live" or (target.state == "ready" and target.phase == "ready")
    under_way = any(other.pending for other in view.deployments if other.epoch != each.epoch)
    older = any(
        other.ended and other.prepared and other.worker is None and other.epoch < each.epoch
        for other in view.deployments
    )
    if not proven or under_way or older:  # one after another, the oldest messages first
        return None
    return TakeOver(epoch=each.epoch, to=target.epoch, why=f"deployment {target.epoch} runs in its place")


# -- the target ---------------------------------------------------------------------------------------------------


def _target(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    if each.state in ("draining", "standby"):
        return Mark(epoch=each.epoch, state="live", why="hand-back: the newer deployment has ended")
    if each.state != "live":
        return _challenge(each, view, now)
    if each.fault and _watched(each, view, now) and _stands_by(view, each):
        reason = f"handed back: {each.fault}"
        return Mark(epoch=each.epoch, state="failed", reason=reason, handed_back=True, why=each.fault)
    return _keep_live(each, view, now)


def _stands_by(view: FlowView, each: DeploymentView) -> bool:
    """Whether an older deployment, its hosts warm, can take the flow back."""
    return any(
        other.epoch < each.epoch and other.state in ("draining", "standby") and other.phase in ("draining", "drained")
        for other in view.deployments
    )


def _challenge(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    """Warm up; take its place when the way is free. What goes wrong ends this deployment and no other."""
    if broken := _broken(each, view, now):  # written down first: with the worker the reason would be gone
        back = _stands_by(view, each)
        return Mark(epoch=each.epoch, state="failed", reason=broken, handed_back=back, why=broken)
    if each.worker is None:
        return _begin(each, view, now)
    if each.phase == "ready" and each.state == "warming":
        return Mark(epoch=each.epoch, state="ready", why="every step is ready")
    if each.phase in ("ready", "live"):  # live: whoever activated it ended before writing that down
        return _activate(each, view)
    return None if each.phase in ("warming", None) else _stop(each, f"its worker is {each.phase}")


def _broken(each: DeploymentView, view: FlowView, now: float) -> str:
    """Why it can never take its place; empty while it can."""
    if each.cannot:
        return each.cannot
    if each.phase == "failed" and each.worker is not None:
        return each.worker.reason or "a step failed"
    if each.phase in ("ready", "live") or not _late(each, view, now):
        return ""
    if each.worker is None and each.deaths:
        return f"its worker died {each.deaths} times while it warmed up"
    return f"not ready within {view.limits.ready_within:g} s"


def _late(each: DeploymentView, view: FlowView, now: float) -> bool:
    return each.warming_since is not None and now >= each.warming_since + view.limits.ready_within


def _begin(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    """Prepare, then start its worker; with ``restart`` only when no other one is left."""
    if each.died is not None and now < each.died + backoff(each.deaths):
        return None
    if not each.prepared:
        return Prepare(epoch=each.epoch, why="it is to run and has no queues yet")
    if each.strategy == "restart" and each.state != "live" and not _alone(each, view):
        return None
    why = f"its worker died ({each.deaths} times in a row)" if each.deaths else "it is to run"
    return Start(epoch=each.epoch, why=why)


def _alone(each: DeploymentView, view: FlowView) -> bool:
    others = [other for other in view.deployments if other.epoch != each.epoch]
    return all(other.worker is None and other.state != "live" and not other.pending for other in others)


def _activate(each: DeploymentView, view: FlowView) -> Action | None:
    """Only when no other trigger can be live and nothing older waits to be taken over."""
    others = [other for other in view.deployments if other.epoch != each.epoch]
    if not all(_silent(other, each) for other in others):
        return None
    if each.state != "live" and any(other.ended and other.prepared for other in others):
        return None
    again = each.state == "live"
    return Activate(epoch=each.epoch, why="it is ready and no other trigger is live", again=again)


def _silent(other: DeploymentView, each: DeploymentView) -> bool:
    """Whether the other's trigger certainly does not emit, and will not by anything under way.

    Only a heartbeat that came after ``draining`` was written down counts; one of ``ready`` may be old news.
    """
    if other.worker is None:
        return other.state != "live" and other.pending not in ("Start", "Activate")
    if each.state == "live" and other.state in ("warming", "ready"):
        # A challenger: it is activated only after `each` is live no more.
        return other.pending != "Activate" and other.phase != "live"
    return other.state in ("draining", "standby") and other.phase in ("draining", "drained")


def _keep_live(each: DeploymentView, view: FlowView, now: float) -> Action | None:
    """A live deployment gets a live worker, however often it dies."""
    if each.worker is None:
        return _begin(each, view, now)
    if each.phase in ("ready", "draining", "drained"):
        return _activate(each, view)
    late = each.phase in ("warming", None) and _late(each, view, now)
    if late or each.phase == "failed":
        return _stop(each, f"its worker is {each.phase or 'silent'} and is started again")
    if not each.measured and each.phase == "live" and _settled(each, view, now):
        return Measure(epoch=each.epoch, why="the switch to it is over")
    return None


def _settled(each: DeploymentView, view: FlowView, now: float) -> bool:
    """Whether nothing waits because of the switch any more: what was there before is done, or moved, a while ago."""
    for other in view.deployments:
        if other.epoch < each.epoch and other.state != "standby" and not (other.ended and not other.prepared):
            return False
    changes = [other.changed for other in view.deployments if other.state == "standby"]
    return now >= max([each.changed, *changes]) + SETTLED_AFTER


# -- those before the target --------------------------------------------------------------------------------------


def _live_before(each: DeploymentView, target: DeploymentView, view: FlowView, now: float) -> Action | None:
    """The live one, while the target comes: runs on until the target can take its place."""
    if target.state == "live":
        return _superseded(each, target, view, now)
    if target.strategy == "restart":
        if target.prepared and not target.cannot:
            return _put_away(each, f"deployment {target.epoch} takes its place", successor=target.epoch)
    elif target.state == "ready" and target.phase == "ready" and not target.pending:
        return _hand_over(each, target)
    return _keep_live(each, view, now)


def _hand_over(each: DeploymentView, target: DeploymentView) -> Action | None:
    if each.phase == "live":
        return Quiesce(epoch=each.epoch, why=f"deployment {target.epoch} is ready", successor=target.epoch)
    if each.phase in ("draining", "drained"):
        return Mark(epoch=each.epoch, state="draining", why="its worker says so")
    if each.worker is not None and each.phase is None:
        return None  # heard of in a moment, or it hangs
    return _put_away(each, f"its worker does not run, and deployment {target.epoch} is ready")


def _draining(each: DeploymentView, target: DeploymentView, view: FlowView, now: float) -> Action | None:
    late = now >= each.changed + view.limits.drain_within
    if each.worker is None:
        return Mark(epoch=each.epoch, state="stopped", why="its worker has ended")
    if each.phase == "live" and not late:
        return Quiesce(epoch=each.epoch, why="its worker was not told", successor=target.epoch)
    if each.phase == "drained" and _watched(target, view, now):
        return Mark(epoch=each.epoch, state="standby", why="drained; kept while its successor is watched")
    if each.phase in ("draining", None) and not late:
        return None
    return _stop(each, "drained" if each.phase == "drained" else "not drained in time")


def _superseded(each: DeploymentView, target: DeploymentView, view: FlowView, now: float) -> Action | None:
    return _put_away(each, f"superseded by deployment {target.epoch}")


def _standby(each: DeploymentView, target: DeploymentView, view: FlowView, now: float) -> Action | None:
    if each.worker is not None and _watched(target, view, now):
        return None
    return _put_away(each, "its successor is not watched any more")


def _watched(target: DeploymentView, view: FlowView, now: float) -> bool:
    """Whether the target may still have to hand back: it is about to be live, or has not been for long."""
    if target.state == "ready":
        return True
    return target.state == "live" and now < target.changed + view.limits.watch_for
