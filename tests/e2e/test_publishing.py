"""Publishing, cancelling, going back, and drafts that two people or a bad connection share, in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.acceptance.headrace import Headrace, push
from tests.e2e.conftest import WITHIN
from tests.e2e.desk import Desk
from tests.e2e.test_editing import choose, component, edit, saved, step

HOOK = "flow: {name}\nsteps:\n  - {{id: request, trigger: webhook/receive}}\n"
NOTED = HOOK + "  - {{id: note, after: request, action: log/write, note: {note}}}\n"
SLOW = """\
flow: slow
steps:
  - {id: request, trigger: webhook/receive}
  - {id: act, after: request, action: slow/act}
"""
ACT = "def process(ctx, msg, cfg, snapshot):\n    return msg.body\n"
NEVER_READY = "import asyncio\n\n\nasync def init(cfg):\n    await asyncio.sleep(600)\n\n\n" + ACT


@pytest.fixture
def other(browser: Browser, running: Headrace) -> Iterator[Desk]:
    """Somebody else, with a browser and a token of their own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WITHIN)
    made = running.json("token", "create", "bob")
    desk = Desk(running, context.new_page())
    desk.page.goto(f"{desk.url}/signin?token={made['token']}")
    yield desk
    context.close()


def draft_of(desk: Desk, flow: str) -> str:
    """As the server has it."""
    headers = {"Authorization": f"Bearer {desk.running.token}"}
    return str(httpx.get(f"{desk.url}/api/v1/flows/{flow}/draft", headers=headers).json()["document"])


def note(page: Page, text: str) -> None:
    """Write a note at the first step."""
    step(page, "trigger request").click()
    page.get_by_role("region", name="Step request").get_by_label("Note").fill(text)


def test_a_publish_is_cancelled_until_the_switch_and_its_text_is_edited_on(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "slow"
    made.mkdir()
    (made / "component.json").write_text('{"title": "Slow", "actions": {"act": {"title": "Act", "main": "act.py"}}}')
    (made / "act.py").write_text(ACT)
    push(desk.running, made)
    desk.running.publish(SLOW, tmp_path)
    (made / "act.py").write_text(NEVER_READY)
    push(desk.running, made)
    page = desk.open("/flows/slow")
    edit(page)
    note(page, "not yet")
    saved(page)
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    panel = page.get_by_role("region", name="Publish")
    panel.get_by_label("Name").fill("too early")
    panel.get_by_role("button", name="Publish version 2").click()
    act = panel.get_by_role("row", name=re.compile("^act"))
    expect(act).to_contain_text("starting")
    expect(act).to_contain_text("runs")
    desk.look("publish-progress")
    panel.get_by_role("button", name="Cancel").click()
    expect(panel.get_by_text(re.compile("^Cancelled by .*; version 1 still runs"))).to_be_visible(timeout=30_000)
    assert desk.running.hook("slow", {"n": 1}).status_code == 202
    panel.get_by_role("button", name="Back to the plan").click()
    expect(panel.get_by_role("button", name="Publish version 3")).to_be_visible()
    note(page, "later")
    saved(page)
    expect(page.get_by_text("meanwhile")).to_be_hidden()
    assert "later" in draft_of(desk, "slow")
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    panel.get_by_role("button", name="Publish version 3").click()
    expect(act).to_contain_text("starting")
    page.get_by_role("link", name="Show what runs").click()
    coming = page.get_by_role("region", name="On its way")
    expect(coming).to_contain_text("Version 3 is on its way: 1 of 2 steps are ready.")
    coming.get_by_role("button", name="Show").click()
    desk.look("on-its-way")
    assert "Version 3 is the draft again." in desk.running("flow", "cancel", "slow")
    expect(coming).to_contain_text("was cancelled by command line", timeout=30_000)
    page.get_by_role("button", name="Versions").click()
    expect(page.get_by_role("button", name=re.compile("Version 2: too early"))).to_be_visible()


def test_an_edit_survives_a_dropped_connection_and_a_reload_before_it_was_saved(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(HOOK.format(name="dropped"), tmp_path)
    page = desk.open("/flows/dropped")
    edit(page)
    offline = page.get_by_role("status").filter(has_text="Offline, not saved yet")
    page.context.set_offline(True)
    note(page, "written in a tunnel")
    expect(offline).to_be_visible()
    page.context.set_offline(False)
    saved(page)
    assert "written in a tunnel" in draft_of(desk, "dropped")

    refused = re.compile("/draft$")
    page.route(refused, lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    note(page, "only in this browser")
    expect(offline).to_be_visible()
    page.reload()
    expect(offline).to_be_visible()
    page.unroute(refused)
    saved(page)
    assert "only in this browser" in draft_of(desk, "dropped")
    page.get_by_label("Note").or_(step(page, "trigger request")).first.click()
    note(page, "by key")
    page.keyboard.press("Control+s")
    saved(page)
    assert "by key" in draft_of(desk, "dropped")


def test_two_browsers_on_one_draft_are_told_and_take_over_without_losing_an_edit(
    desk: Desk, other: Desk, tmp_path: Path
) -> None:
    desk.running.publish(HOOK.format(name="shared"), tmp_path)
    mine, theirs = desk.open("/flows/shared"), other.open("/flows/shared")
    edit(mine)
    note(mine, "from the first")
    saved(mine)

    theirs.get_by_role("button", name="Edit the draft").click()
    told = theirs.get_by_role("status").filter(has_text="edits this draft, since")
    expect(told).to_be_visible()
    step(theirs, "trigger request").click()
    expect(theirs.get_by_label("Note")).to_have_value("from the first")
    expect(theirs.get_by_label("Note")).not_to_be_editable()
    other.look("draft-onlooker")
    expect(mine.get_by_text("Also shown to “bob”, to look at.")).to_be_visible()

    # The first one has something unsaved when it is taken over: it is kept, and compared when it comes back.
    unsaved = re.compile("/draft$")
    mine.route(unsaved, lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    note(mine, "never sent")
    expect(mine.get_by_role("status").filter(has_text="Offline")).to_be_visible()
    told.get_by_role("button", name="Take over").click()
    taken = mine.get_by_role("status").filter(has_text="“bob” edits this draft, since")
    expect(taken).to_contain_text("Your last edit was not saved")
    mine.unroute(unsaved)
    note(theirs, "from the second")
    saved(theirs)
    taken.get_by_role("button", name="Take over").click()
    conflict = mine.get_by_role("alert").filter(has_text="“bob” changed this draft meanwhile")
    conflict.get_by_role("button", name="Go on with mine").click()
    saved(mine)
    assert "never sent" in draft_of(desk, "shared")
    expect(theirs.get_by_role("status").filter(has_text="edits this draft, since")).to_be_visible()

    # What the one publishes, the other hears at once; whoever published edits on.
    mine.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    panel = mine.get_by_role("region", name="Publish")
    panel.get_by_role("button", name="Publish version 2").click()
    expect(theirs.get_by_text("published or discarded it; the newest version is 2.")).to_be_visible()
    expect(panel.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
    panel.get_by_role("button", name="Close").click()
    note(mine, "the next")
    saved(mine)
    expect(mine.get_by_role("alert")).to_be_hidden()
    assert "the next" in draft_of(desk, "shared")


def test_a_problem_leads_to_its_input_and_an_edit_outlives_its_draft(desk: Desk, tmp_path: Path) -> None:
    push(desk.running, component(tmp_path, 1))
    desk.running.publish(HOOK.format(name="outlived"), tmp_path)
    page = desk.open("/flows/outlived")
    edit(page)
    step(page, "trigger request").click()
    page.keyboard.press("a")
    choose(page, "Mark it")
    saved(page)
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    blocked = page.get_by_role("region", name="Publish").get_by_role("alert")
    blocked.get_by_role("button", name="mark fields.word").click()
    expect(page.get_by_label("Word")).to_be_focused()
    page.keyboard.type("at once")
    saved(page)

    refused = re.compile("/draft$")
    page.route(refused, lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    note(page, "too late")
    expect(page.get_by_role("status").filter(has_text="Offline")).to_be_visible()
    desk.running("flow", "publish", "outlived")
    expect(page.get_by_role("alert").filter(has_text="published or discarded this draft")).to_be_visible()
    desk.look("draft-published-elsewhere")
    page.reload()
    expect(page.get_by_text("An edit of yours was not saved before that.")).to_be_visible()
    page.unroute(refused)
    page.get_by_role("button", name="Make it a draft").click()
    saved(page)
    assert "too late" in draft_of(desk, "outlived")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_draft_is_discarded_and_an_older_version_edited_again(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(HOOK.format(name="tossed"), tmp_path)
    desk.running.publish(NOTED.format(name="tossed", note="second"), tmp_path)
    for number in range(3):
        desk.running.hook("tossed", {"n": number})
    page = desk.open("/flows/tossed")
    edit(page)
    note(page, "a mistake")
    saved(page)
    page.get_by_role("link", name="Show what runs").click()
    page.get_by_role("button", name="Versions").click()
    panel = page.get_by_role("region", name="Versions")
    draft = panel.get_by_role("group", name="Draft")
    draft.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(draft).to_be_hidden()
    panel.get_by_role("button", name=re.compile("Version 2")).click()
    panel.get_by_role("link", name="3 executions").click()
    expect(page.get_by_role("row")).to_have_count(4)
    page.go_back()
    page.get_by_role("button", name="Versions").click()
    panel.get_by_role("button", name=re.compile("Version 1")).click()
    panel.get_by_role("button", name="Edit it").click()
    expect(page.get_by_role("toolbar", name="Draft")).to_be_visible()
    expect(step(page, "action note")).to_be_hidden()
    page.get_by_role("button", name="Discard the draft").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page).to_have_url(re.compile("/flows/tossed$"))
    expect(step(page, "action note")).to_be_visible()


def test_newer_code_is_put_into_the_draft_step_by_step(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "aging"
    made.mkdir()
    (made / "component.json").write_text('{"title": "Aging", "actions": {"act": {"title": "Act", "main": "act.py"}}}')
    (made / "act.py").write_text(ACT)
    push(desk.running, made)
    flow = HOOK + "  - {{id: one, after: request, action: aging/act, version: 1}}\n"
    flow += "  - {{id: two, after: one, action: aging/act}}\n"
    desk.running.publish(flow.format(name="aged"), tmp_path)
    (made / "act.py").write_text("# newer\n" + ACT)
    push(desk.running, made, message="Act on nothing twice")
    page = desk.open("/flows/aged")
    page.get_by_role("button", name="Newer code (2)").click()
    panel = page.get_by_role("region", name="Newer component code")
    expect(panel.get_by_role("region", name="Update of two")).to_contain_text("The next publish takes it.")
    one = panel.get_by_role("region", name="Update of one")
    expect(one).to_contain_text("names 1")
    expect(one).to_contain_text("Act on nothing twice")
    desk.look("newer-code")
    one.get_by_role("button", name="Update to 2 in the draft").click()
    page.get_by_role("toolbar", name="Draft").wait_for()
    assert "version: 2" in draft_of(desk, "aged")
    page.get_by_role("button", name="Newer code (2)").click()
    expect(page.get_by_role("region", name="Update of one")).to_contain_text("The next publish takes it.")
