"""Publish and roll back: a version, and a deployment of it that `headrace.control` brings to life."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from headrace.api.deployment_views import DeploymentView, Strategy, deployment_view
from headrace.api.parts import Caller, Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Number, Request, Text
from headrace.api.versions import FlowVersionView, version_view
from headrace.control import desire

__all__ = ["router"]

router = APIRouter(prefix="/flows", tags=["flows"])


class Wish(Request):
    note: Text | None = Field(default=None, max_length=2000, description="What changed.")
    start: bool | None = Field(
        default=None,
        description="Also start a flow that is stopped. A running one moves to the new version unless false.",
    )
    strategy: Strategy = Field(
        default="handover",
        description="`handover` warms up beside the live deployment; `restart` stops that one first.",
    )


class Publish(Wish):
    name: Text | None = Field(default=None, max_length=80, description="What to call the version, beside its number.")


class Rollback(Wish):
    version: Number | None = Field(default=None, description="The one before that which runs, by default.")


class Cancel(Request):
    epoch: Number | None = Field(default=None, description="The deployment; the one on its way by default.")


class Cancelled(Answer):
    deployment: DeploymentView
    runs: int | None = Field(description="The deployment that goes on; null: there is none, and the flow is stopped.")
    draft_tag: int | None = Field(description="Of the draft that its version is again; null when it is not.")


class Published(Answer):
    version: FlowVersionView
    deployment: DeploymentView | None = Field(description="The one that will run it; null when it is not to run.")
    replaces: int | None = Field(description="The deployment that runs meanwhile; null when there is none.")
    draft_tag: int | None = Field(description="What whoever edits on saves with; null when there was no draft.")


@router.post("/{name}/publish", operation_id="publishFlow")
async def publish_flow(parts: PartsOf, caller: Caller, name: FlowName, how: Publish) -> Published:
    """Make the draft the newest version. A flow that runs moves to it; without a draft, to the newest components.

    Answers at once; the deployment tells how it goes. A publish while another deployment warms up supersedes that one;
    while a switch is under way it waits for its end.
    """
    made = await desire.publish(
        parts.db,
        name,
        note=how.note or "",
        called=how.name or "",
        author=caller,
        start=how.start,
        strategy=how.strategy,
    )
    return _published(parts, name, made)


@router.post("/{name}/rollback", operation_id="rollBackFlow")
async def roll_back_flow(parts: PartsOf, caller: Caller, name: FlowName, how: Rollback) -> Published:
    """Run an older version as it is. Works like a publish, but makes no version; the draft stays.

    Steps that say `latest` run the latest component version there is now.
    """
    made = await desire.rollback(
        parts.db, name, how.version, note=how.note or "", author=caller, start=how.start, strategy=how.strategy
    )
    return _published(parts, name, made)


@router.post("/{name}/cancel", operation_id="cancelDeployment")
async def cancel_deployment(parts: PartsOf, caller: Caller, name: FlowName, which: Cancel) -> Cancelled:
    """Call off a publish, a rollback or a start until the switch; what runs goes on.

    Answers at once; the deployment's worker ends soon after. Refused (`switched`) once it takes the place of the one
    before: then a rollback is the way back. The version stays in the list, and is the draft again where it was one.
    """
    done = await desire.cancel(parts.db, name, which.epoch, author=caller)
    parts.changed(done.flow_id, name)
    shown = deployment_view(parts, name, done.deployment)
    return Cancelled(deployment=shown, runs=done.runs, draft_tag=done.draft_tag)


def _published(parts: Parts, name: str, made: desire.Published) -> Published:
    parts.changed(made.version.flow_id, name)
    shown = None if made.deployment is None else deployment_view(parts, name, made.deployment)
    version = version_view(made.version)
    return Published(version=version, deployment=shown, replaces=made.replaces, draft_tag=made.draft_tag)
