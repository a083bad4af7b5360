"""Publishing, rolling back, starting, stopping: what a person types, and what comes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.double import Refusal, Server, page
from tests.unit.cli.samples import FLOW, PLAN, deployment, step

from headrace.cli import follow, main

Out = pytest.CaptureFixture[str]
DOCUMENT = "flow: orders\ntype: real-time\nsteps: []\n"
VERSION = {"number": 4, "name": "", "note": "", "author": "ada", "published_at": 0}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(follow, "RECORDED", 0.05)


def published(server: Server, *states: dict[str, Any] | Refusal, replaces: int | None = 7) -> None:
    """A publish makes deployment 8, which is in these states one after another."""
    told = iter(states)
    last = states[-1]
    server.answers |= {
        "GET /flows/orders": {**FLOW, "epoch": 8},
        "GET /flows/orders/plan": PLAN,
        "GET /flows/orders/deployments/7": deployment(7, "live"),
        "GET /flows/orders/deployments/8": lambda _request: next(told, last),
        "POST /flows/orders/publish": {
            "version": VERSION,
            "deployment": deployment(8, "warming"),
            "replaces": replaces,
        },
    }


def test_publish_shows_each_step_until_the_new_deployment_is_live(server: Server, capsys: Out) -> None:
    measured = {"gap_ms": 12.4, "from_epoch": 7}
    published(
        server,
        deployment(8, "warming", steps=[step("hook", "starting"), step("erp", "starting")]),
        deployment(8, "warming", steps=[step("hook", ready_ms=80), step("erp", "starting")]),
        deployment(8, "ready"),
        deployment(8, "live"),
        deployment(8, "live", handover=measured),
    )
    assert main(["flow", "publish", "orders", "-m", "why", "--strategy", "restart"]) == 0
    assert server.bodies("POST /flows/orders/publish") == [{"note": "why", "strategy": "restart"}]
    said = capsys.readouterr()
    assert "Published orders version 4." in said.err
    wanted = ["hook: starting", "erp: starting", "hook: ready 80 ms", "erp: ready 12 ms", "hook: took over"]
    places = [said.err.index(line) for line in wanted]
    assert places == sorted(places), said.err
    assert said.out == "orders is live, ready in 120 ms, switched with a gap of 12 ms.\n"


def test_as_json_only_the_end_is_printed(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "live", handover={"gap_ms": 0}))
    assert main(["flow", "publish", "orders", "--json"]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["deployment"]["state"], said.err) == ("live", "")


def test_detached_it_returns_at_once(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "warming"))
    assert main(["flow", "publish", "orders", "--detach"]) == 0
    assert server.bodies("GET /flows/orders/deployments/8") == []
    assert "headrace flow deployment orders 8" in capsys.readouterr().out


def test_a_failed_deployment_is_told_with_its_reason_and_the_last_words_of_its_step(
    server: Server, capsys: Out
) -> None:
    reason = "step `erp`: no module named numpy"
    failed = deployment(
        8, "failed", reason, steps=[step("hook", "stopped"), step("erp", "failed", reason=reason)],
        failed_step="erp", log=["Traceback:", "No module [numpy]"],
    )  # fmt: skip
    published(server, deployment(8, "warming"), failed)
    assert main(["flow", "publish", "orders"]) == 1
    said = capsys.readouterr().err
    for part in ("The last lines of erp:", "No module [numpy]", reason, "deployment 7 runs on", "deployment orders 8"):
        assert part in said


def test_a_superseded_deployment_is_told(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "warming"), deployment(8, "stopped"))
    assert main(["flow", "publish", "orders"]) == 1
    assert "was superseded or stopped before it was live" in capsys.readouterr().err


def test_a_cancelled_deployment_is_told(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "warming"), deployment(8, "stopped", cancelled_by="bob"))
    assert main(["flow", "publish", "orders", "--name", "harvest"]) == 1
    assert "was cancelled by bob; deployment 7 runs on" in capsys.readouterr().err
    assert server.bodies("POST /flows/orders/publish") == [{"name": "harvest"}]


@pytest.mark.parametrize(
    ("runs", "draft", "told"),
    [
        (7, 4, "Cancelled deployment 8 of orders; deployment 7 runs on. Version 3 is the draft again."),
        (None, None, "Cancelled deployment 8 of orders; the flow is stopped."),
    ],
)
def test_cancel_says_what_goes_on(server: Server, capsys: Out, runs: int | None, draft: int | None, told: str) -> None:
    answer = {"deployment": deployment(8, "warming"), "runs": runs, "draft_tag": draft}
    server.answers["POST /flows/orders/cancel"] = answer
    assert main(["flow", "cancel", "orders", "8"]) == 0
    assert told in capsys.readouterr().out
    assert main(["flow", "cancel", "orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    assert server.bodies("POST /flows/orders/cancel") == [{"epoch": 8}, {}]


def test_an_interrupt_leaves_the_publish_going(server: Server, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    published(server, deployment(8, "warming"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headrace.cli.hints.Hints.wait", interrupted)
    assert main(["flow", "publish", "orders"]) == 130
    said = capsys.readouterr().err
    assert "It goes on without you: headrace flow deployment orders 8" in said
    assert "headrace flow cancel orders 8" in said


def test_a_server_that_is_restarted_meanwhile_is_waited_for(server: Server, capsys: Out) -> None:
    states: list[Any] = [
        deployment(8, "warming"),
        Refusal(503, "store-busy"),
        Refusal(503, "store-busy"),
        deployment(8, "live", handover={"gap_ms": 0}),
    ]
    published(server, *states)
    assert main(["flow", "publish", "orders"]) == 0
    assert "switched without a gap" in capsys.readouterr().out


def test_one_that_stays_away_is_told(server: Server, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AWAY", 0.05)
    published(server, Refusal(503, "store-busy", "the database is busy"))
    assert main(["flow", "publish", "orders"]) == 1
    assert "the database is busy" in capsys.readouterr().err


def test_a_flow_that_is_stopped_stays_so_when_published(server: Server, capsys: Out) -> None:
    server.answers |= {
        "GET /flows/orders/plan": PLAN,
        "POST /flows/orders/publish": {"version": VERSION, "deployment": None, "replaces": None},
    }
    assert main(["flow", "publish", "orders"]) == 0
    assert "headrace flow start orders" in capsys.readouterr().out


def test_a_suspended_flow_is_not_waited_for(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "warming"))
    server.answers["GET /flows/orders"] = {**FLOW, "wish": "suspended"}
    assert main(["flow", "publish", "orders"]) == 0
    assert "headrace flow resume orders" in capsys.readouterr().out


# -- builds


def building(server: Server, state: str) -> None:
    """Revision 5 of erp is being built when the publish begins."""
    plans = iter([{"component": "erp", "revision": 5, "state": "building"}] * 3)

    def plan(_request: object) -> dict[str, Any]:
        build = next(plans, None)
        return {**PLAN, "building": [build] if build else []}

    server.answers["GET /flows/orders/plan"] = plan
    server.answers["GET /components/erp/versions/5"] = {"state": state, "reason": "no wheel"}


def test_publish_waits_for_builds_under_way(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "live", handover={"gap_ms": 0}))
    building(server, "ready")
    assert main(["flow", "publish", "orders"]) == 0
    assert "erp: building erp revision 5" in capsys.readouterr().err


def test_a_build_that_fails_keeps_from_publishing_older_code_unseen(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "live", handover={"gap_ms": 0}))
    building(server, "failed")
    assert main(["flow", "publish", "orders"]) == 1
    assert "erp revision 5 failed to build: no wheel" in capsys.readouterr().err
    assert server.bodies("POST /flows/orders/publish") == []
    assert main(["flow", "publish", "orders", "--now"]) == 0


# -- plans


def test_a_plan_is_shown_and_nothing_is_done(server: Server, capsys: Out) -> None:
    server.answers["GET /flows/orders/plan"] = PLAN
    assert main(["flow", "publish", "orders", "--plan"]) == 0
    said = capsys.readouterr().out
    for part in (
        "orders: version 3 → version 4 (the draft), by handover",
        '~ step erp: timeout  "5s" → "9s"',
        "+ step mail  smtp/send",
        "-  a",
        "+  b",
        "erp: erp 2 → 4",
        "+ 9999999 Round half up (Ada, 2023-11-1",
        "hook: names 1.0.0, and runs webhook 1; the latest is 6",
        "of erp: changed since",
        "hook, erp  (3 steps with mappers)",
        "erp writes /srv/out (new)",
        "erp: crm/save becomes erp/save",
        "neither runs",
        "none: each request goes somewhere",
        "deployment 8 warms up, and would be superseded",
    ):
        assert part in said, said
    assert [asked for asked, _ in server.asked] == ["GET /flows/orders/plan"]


@pytest.mark.parametrize(("reason", "status"), [("offer-not-found", 1), ("nothing-moved", 0)])
def test_a_plan_that_would_be_refused_is_1(server: Server, capsys: Out, reason: str, status: int) -> None:
    blocker = {"path": "", "reason": reason, "message": "it cannot be", "suggestion": "", "severity": "error"}
    server.answers["GET /flows/orders/plan"] = {**PLAN, "blockers": [blocker]}
    assert main(["flow", "publish", "orders", "--plan"]) == status
    assert "it cannot be" in capsys.readouterr().out
    assert main(["flow", "publish", "orders", "--plan", "--json"]) == status


# -- rollback


def test_a_rollback_is_watched_like_a_publish(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "live", handover={"gap_ms": 3}))
    server.answers["POST /flows/orders/rollback"] = server.answers["POST /flows/orders/publish"]
    assert main(["flow", "rollback", "orders", "2", "-m", "3 loses orders"]) == 0
    assert server.bodies("POST /flows/orders/rollback") == [{"note": "3 loses orders", "version": 2}]
    said = capsys.readouterr()
    assert "Rolling back to orders version 4." in said.err
    assert "orders is live" in said.out
    assert main(["flow", "rollback", "orders"]) == 0
    assert server.bodies("POST /flows/orders/rollback")[1] == {}
    assert main(["flow", "rollback", "orders", "0"]) == 2


def test_the_plan_of_a_rollback_is_of_the_version_before(server: Server) -> None:
    server.answers |= {
        "GET /flows/orders": FLOW,
        "GET /flows/orders/versions": page(*({"number": number} for number in (5, 3, 2, 1))),
        "GET /flows/orders/plan": PLAN,
    }
    assert main(["flow", "rollback", "orders", "--plan"]) == 0
    assert server.queries["GET /flows/orders/plan"] == {"strategy": "handover", "version": "2"}


# -- start, stop, suspend, resume


def test_start_is_watched(server: Server, capsys: Out) -> None:
    published(server, deployment(8, "warming"), deployment(8, "live"))
    server.answers["POST /flows/orders/start"] = {"flow": FLOW, "deployment": deployment(8, "warming")}
    assert main(["flow", "start", "orders"]) == 0
    assert "orders is live, ready in 120 ms." in capsys.readouterr().out


def test_stop_says_what_waits(server: Server, capsys: Out) -> None:
    server.answers["POST /flows/orders/stop"] = {"flow": FLOW, "waiting": 12, "purged": 0}
    assert main(["flow", "stop", "orders"]) == 0
    assert "keeps 12 waiting messages" in capsys.readouterr().out


def test_a_queue_is_purged_after_it_was_said_how_much_that_is(
    server: Server, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {"flow": FLOW, "waiting": 12, "purged": 0}
    purged = {"flow": FLOW, "waiting": 0, "purged": 12}
    answers = iter([waiting, waiting, purged])
    server.answers["POST /flows/orders/stop"] = lambda _request: next(answers)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["flow", "stop", "orders", "--purge"]) == 1, "nobody said yes"
    assert server.bodies("POST /flows/orders/stop") == [{}]
    assert "Its queue holds 12 messages." in capsys.readouterr().err
    assert main(["flow", "stop", "orders", "--purge", "--yes"]) == 0
    assert server.bodies("POST /flows/orders/stop")[1:] == [{}, {"purge": True}]
    assert "Threw 12 messages away." in capsys.readouterr().out


def test_suspend_and_resume_say_how_to_go_on(server: Server, capsys: Out) -> None:
    server.answers |= {
        "POST /flows/orders/suspend": {"flow": FLOW, "waiting": 2},
        "POST /flows/orders/resume": {"flow": FLOW, "deployment": FLOW["deployment"]},
        "GET /flows/orders": FLOW,
    }
    assert main(["flow", "suspend", "orders"]) == 0
    assert "2 messages in its queue. It goes on with: headrace flow resume orders" in capsys.readouterr().out
    assert main(["flow", "resume", "orders"]) == 0
    assert "orders goes on." in capsys.readouterr().out


# -- what is listed


@pytest.mark.parametrize(("source", "verb"), [("draft", "Published"), ("version", "Redeploying")])
def test_a_version_that_is_deployed_again_is_not_said_to_be_published(
    server: Server, capsys: Out, source: str, verb: str
) -> None:
    published(server, deployment(8, "live"))
    server.answers["GET /flows/orders/plan"] = {**PLAN, "source": source}
    assert main(["flow", "publish", "orders"]) == 0
    assert f"{verb} orders version 4." in capsys.readouterr().err


@pytest.mark.parametrize(("replaces", "switched"), [(7, True), (None, False)])
def test_only_what_took_another_ones_place_was_switched(
    server: Server, capsys: Out, replaces: int | None, switched: bool
) -> None:
    earlier = deployment(8, "live", handover={"gap_ms": 0.0, "from_epoch": 7})
    server.answers |= {
        "GET /flows/orders": {**FLOW, "epoch": 8},
        "GET /flows/orders/deployments/7": deployment(7, "live"),
        "GET /flows/orders/deployments/8": earlier,
        "POST /flows/orders/start": {"flow": FLOW, "deployment": earlier, "replaces": replaces},
    }
    assert main(["flow", "start", "orders"]) == 0
    assert ("without a gap" in capsys.readouterr().out) is switched


def test_apply_publishes_and_waits(server: Server, tmp_path: Path, capsys: Out) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(DOCUMENT)
    published(server, deployment(8, "live"), replaces=None)
    server.answers["POST /flows/lint"] = {"problems": []}
    server.answers["PUT /flows/orders/draft"] = {"tag": 1, "problems": []}
    assert main(["flow", "apply", str(file), "--start", "-m", "why"]) == 0
    assert server.bodies("POST /flows/orders/publish") == [{"note": "why", "start": True}]
    assert "orders is live, ready in 120 ms." in capsys.readouterr().out


def test_deployments_are_listed_with_what_their_handover_was_like(server: Server, capsys: Out) -> None:
    measured = {
        "from_epoch": 7, "gap_ms": 4.25, "longest_delay_ms": 31.0, "drained": 9, "taken_over": 2, "parked": 1,
        "repeats_removed": 3, "order": "given up",
    }  # fmt: skip
    found = deployment(8, "live", handover=measured, note="why [not]", cause="rollback")
    server.answers["GET /flows/orders/deployments"] = page(found, deployment(7, "failed", "no module"))
    assert main(["flow", "deployments", "orders"]) == 0
    said = capsys.readouterr().out
    for part in ("rollback", "4.2", "31", "given up", "why [not]", "no module"):
        assert part in said
    server.answers["GET /flows/orders/deployments/8"] = {**found, "log": ["boom"], "failed_step": "erp"}
    assert main(["flow", "deployment", "orders", "8"]) == 0
    said = capsys.readouterr().out
    for part in ("in the place of 7", "4.2 ms", "9 drained, 2 taken over, 1 parked as errors", "erp:", "boom"):
        assert part in said, said


def test_versions_tell_which_runs(server: Server, capsys: Out) -> None:
    counts = {"executions": 41, "failed": 2}
    listed = {**VERSION, **counts, "name": "harvest", "note": "first [of all]", "runs": True, "deployments": [8, 7]}
    server.answers["GET /flows/orders/versions"] = page(listed)
    assert main(["flow", "versions", "orders"]) == 0
    said = capsys.readouterr().out
    assert "41" in said and "harvest" in said and "runs" in said and "8, 7" in said and "first [of all]" in said


def test_outdated_flows_are_listed_with_the_next_step(server: Server, capsys: Out) -> None:
    server.answers["GET /flows"] = page(FLOW)
    assert main(["flow", "outdated"]) == 0
    assert server.queries["GET /flows"]["outdated"] == "true"
    said = capsys.readouterr().out
    assert "2 (2222222, 2023-11-1" in said and "headrace flow publish orders" in said
    server.answers["GET /flows"] = page()
    assert main(["flow", "outdated"]) == 0
    assert "newest component versions" in capsys.readouterr().out


def test_a_flow_shows_what_its_steps_are_behind(server: Server, capsys: Out) -> None:
    server.answers |= {"GET /flows/orders": FLOW, "GET /flows/orders/deployments": page(FLOW["deployment"])}
    assert main(["flow", "show", "orders"]) == 0
    said = capsys.readouterr().out
    assert "erp: running erp revision 2 (2222222, 2023-11-1" in said
    assert "latest is 4 (4444444" in said
    assert "+ 9999999 Round half up (Ada" in said


# -- rollouts


def rolled(server: Server, *lines: dict[str, Any]) -> None:
    known: dict[str, Any] = {"epoch": None, "ready_ms": None, "reason": "", "published": 0, "left": 0}
    server.answers["POST /components/erp/rollout"] = "".join(json.dumps(known | line) + "\n" for line in lines)


def test_a_rollout_tells_of_each_flow(server: Server, capsys: Out) -> None:
    rolled(
        server,
        {"flow": "orders", "state": "publishing"},
        {"flow": "orders", "state": "live", "ready_ms": 90, "published": 1},
        {"flow": None, "state": "done", "published": 1},
    )
    assert main(["component", "rollout", "erp", "-m", "fix"]) == 0
    said = capsys.readouterr()
    assert "orders: live, ready in 90 ms" in said.err
    assert "erp is rolled out: 1 flow moved." in said.out
    assert server.bodies("POST /components/erp/rollout") == [{"note": "fix"}]


def test_a_rollout_is_planned_and_nothing_is_begun(server: Server, capsys: Out) -> None:
    using = {"flow": "orders", "running": [3], "names": ["latest"], "moves": True, "variables": False, "busy": False}
    commit = {"commit": "d" * 40, "author": "Ada", "message": "Round half up\n\nAs asked", "committed_at": 0}
    server.answers["GET /components/erp/rollout"] = {
        "latest": 5,
        "flows": [using, using | {"flow": "other", "moves": False}],
        "commits": {"added": [commit], "removed": []},
    }
    assert main(["component", "rollout", "erp", "--plan"]) == 0
    said = capsys.readouterr().out
    assert "moves it to revision 5" in said
    assert "leaves it as it is" in said
    assert "ddddddd Round half up" in said
    assert server.bodies("POST /components/erp/rollout") == []


def test_a_rollout_that_stops_is_1(server: Server, capsys: Out) -> None:
    rolled(
        server,
        {"flow": "orders", "state": "failed", "reason": "no [module]", "epoch": 8, "left": 2},
        {"flow": None, "state": "stopped", "left": 2},
    )
    assert main(["component", "rollout", "erp"]) == 1
    said = capsys.readouterr()
    assert "no [module]" in said.err and "headrace flow deployment orders 8" in said.err
    assert "erp is not rolled out everywhere: 0 flows moved, 2 flows not touched." in said.out
    assert main(["component", "rollout", "erp", "--json"]) == 1
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["failed", "stopped"]


def test_a_rollout_that_breaks_off_is_1(server: Server) -> None:
    rolled(server, {"flow": "orders", "state": "publishing"})
    assert main(["component", "rollout", "erp"]) == 1
