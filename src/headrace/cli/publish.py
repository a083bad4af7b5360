"""``flow publish`` and ``flow rollback``: plan, wish, and watch until what was wished for is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headrace.cli.client import at
from headrace.cli.options import Data, Json

if TYPE_CHECKING:
    from headrace.cli.client import Client

__all__ = ["Detach", "Note", "Now", "Strategy", "publish", "publish_draft", "report", "rollback"]

Name = Annotated[str, typer.Argument(metavar="FLOW", help="The flow.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="What changed and why, for the lists.")]
Strategy = Annotated[
    Literal["handover", "restart"],
    typer.Option("--strategy", help="handover: warm up beside what runs; restart: stop that first."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once instead of showing how it goes.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for builds under way: take what is built.")]
Plan = Annotated[bool, typer.Option("--plan", help="Only show what it would do; exit 1 when it would be refused.")]


def publish(
    name: Name,
    *,
    start_too: Annotated[bool, typer.Option("--start", help="Start the flow when it is not running.")] = False,
    called: Annotated[str | None, typer.Option("--name", help="What to call the version, beside its number.")] = None,
    note: Note = None,
    strategy: Strategy = "handover",
    plan: Plan = False,
    now: Now = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Publish the draft as a new version; a running flow moves to it, and to the newest components.

    Shows how far each step is, and ends when the new deployment is live, or has failed and the old one runs on.
    """
    from headrace.cli.client import connect

    with connect(data) as client:
        if plan:
            _print_plan(client, name, as_json, strategy=strategy)
            return
        publish_draft(
            client,
            name,
            called=called,
            note=note,
            start=start_too,
            strategy=strategy,
            now=now,
            detach=detach,
            as_json=as_json,
        )


def rollback(
    name: Name,
    version: Annotated[
        int | None,
        typer.Argument(metavar="VERSION", min=1, help="The version. Default: the one before that which runs."),
    ] = None,
    *,
    start_too: Annotated[bool, typer.Option("--start", help="Start the flow when it is not running.")] = False,
    note: Note = None,
    strategy: Strategy = "handover",
    plan: Plan = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Run an older version again, as it is; steps that say latest run the newest component versions of now."""
    from headrace.cli.client import connect

    with connect(data) as client:
        if plan:
            chosen = version if version is not None else _before(client, name)
            _print_plan(client, name, as_json, strategy=strategy, version=chosen)
            return
        wanted = _wanted(note, start_too, strategy) | ({} if version is None else {"version": version})
        answer = client.post(at("flows", name, "rollback"), wanted)
        _say(name, answer, "Rolling back to", as_json)
        report(client, name, answer, detach=detach, as_json=as_json)


def publish_draft(
    client: Client,
    name: str,
    *,
    called: str | None = None,
    note: str | None,
    start: bool,
    strategy: str = "handover",
    now: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Wait for builds under way, publish, and watch."""
    from headrace.cli.follow import builds
    from headrace.cli.output import err, out
    from headrace.cli.progress import Display

    plan = client.get(at("flows", name, "plan"))
    if not now and plan["building"]:
        with Display(err(), f"Waiting for builds that {name} uses") as display:
            builds(client, name, _quiet if as_json else display.show)
    wanted = _wanted(note, start, strategy) | ({"name": called} if called else {})
    answer = client.post(at("flows", name, "publish"), wanted)
    _say(name, answer, "Published" if plan["source"] == "draft" else "Redeploying", as_json)
    if not as_json and not answer["deployment"]:
        out().print(f"{name} is not running. Start it: headrace flow start {name}", soft_wrap=True)
    report(client, name, answer, detach=detach, as_json=as_json)


def report(client: Client, name: str, answer: dict[str, Any], *, detach: bool, as_json: bool) -> None:
    """Watch the deployment that a publish, a rollback or a start has caused, and say what became of it.

    Exit 1 with its reason and the last lines of its step when it failed. An interrupt leaves it going.
    """
    from headrace.cli.output import err, print_json

    deployment = answer["deployment"]
    if deployment and not detach:
        try:
            deployment = _watched(client, name, deployment, answer.get("replaces"), as_json)
        except KeyboardInterrupt:
            epoch = deployment["epoch"]
            told = f"It goes on without you: headrace flow deployment {name} {epoch}"
            err().print(f"{told}. Until the switch, headrace flow cancel {name} {epoch} ends it.", soft_wrap=True)
            raise typer.Exit(130) from None
    if as_json:
        print_json({**answer, "deployment": deployment})
    elif deployment:
        _tell(name, deployment, detach, switched=answer.get("replaces") is not None)


def _watched(
    client: Client, name: str, deployment: dict[str, Any], replaces: int | None, as_json: bool
) -> dict[str, Any]:
    from headrace.cli.follow import FailedDeployment, follow
    from headrace.cli.output import err
    from headrace.cli.progress import Display

    title = f"{name}, deployment {deployment['epoch']} of version {deployment['version']}"
    try:
        if as_json:
            return follow(client, name, deployment["epoch"], replaces, _quiet)
        with Display(err(), title) as display:
            return follow(client, name, deployment["epoch"], replaces, display.show)
    except FailedDeployment as failure:
        _print_log(failure.step, failure.log)
        raise


def _print_log(step: str | None, lines: tuple[str, ...]) -> None:
    from headrace.cli.output import err, printable

    if lines:
        err().print(f"The last lines of {step or 'its steps'}:", style="bold")
    for line in lines:
        err().print(f"  {printable(line)}", soft_wrap=True)


def _tell(name: str, deployment: dict[str, Any], detach: bool, *, switched: bool) -> None:
    from headrace.cli.output import out

    if detach:
        told = f"Deployment {deployment['epoch']} is on its way: headrace flow deployment {name} {deployment['epoch']}"
    elif deployment["live_at"] is None:
        told = f"{name} is suspended: headrace flow resume {name} runs it"
    else:
        took = f", ready in {deployment['ready_ms']} ms" if deployment["ready_ms"] else ""
        told = f"{name} is live{took}{_switch(deployment['handover']) if switched else ''}."
    out().print(told, soft_wrap=True)


def _switch(handover: dict[str, Any] | None) -> str:
    gap = (handover or {}).get("gap_ms")
    if gap is None:
        return ""
    return ", switched without a gap" if not gap else f", switched with a gap of {gap:.0f} ms"


def _say(name: str, answer: dict[str, Any], verb: str, as_json: bool) -> None:
    from headrace.cli.output import err

    if not as_json:
        err().print(f"{verb} {name} version {answer['version']['number']}.")


def _wanted(note: str | None, start: bool, strategy: str) -> dict[str, Any]:
    """The body of the request; what is not said is left to the server."""
    wanted: dict[str, Any] = {"note": note} if note else {}
    if start:
        wanted["start"] = True
    return wanted if strategy == "handover" else wanted | {"strategy": strategy}


def _before(client: Client, name: str) -> int:
    """The version that a rollback without a number would run."""
    from headrace.errors import Refused

    deployment = client.get(at("flows", name))["deployment"]
    versions = client.items(at("flows", name, "versions"))
    older = [each["number"] for each in versions if deployment and each["number"] < deployment["version"]]
    if not older:
        raise Refused(
            "no-older-version",
            f"{name} has no version before the one it runs",
            next_step=f"headrace flow versions {name}",
        )
    return int(max(older))


def _print_plan(client: Client, name: str, as_json: bool, **wanted: Any) -> None:
    from headrace.cli.output import print_json
    from headrace.cli.plan import is_blocked, print_plan

    plan = client.get(at("flows", name, "plan"), **wanted)
    if as_json:
        print_json(plan)
    else:
        print_plan(plan)
    if is_blocked(plan):
        raise typer.Exit(1)


def _quiet(_lines: object) -> None:
    """Show nothing."""
