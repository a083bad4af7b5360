"""Drawing a flow, publishing it, and changing it while it runs, in a browser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect
from tests.acceptance.headrace import push, until
from tests.e2e.desk import Desk

STAMP = """\
async def process(ctx, msg, cfg, snapshot):
    return {"stamp": cfg.get("word", "%s"), "body": msg.body}
"""
DESCRIPTOR = """\
{"title": "Stamp", "version": "1.0.%d", "actions": {"mark": {
  "title": "Mark it", "main": "mark.py",
  "fields": {"word": {"label": "Word", "viewClass": "TextFieldView", "required": true}}}%s}}
"""
FILE = ', "file": {"title": "File it away", "main": "mark.py"}'
ACT = "def process(ctx, msg, cfg, snapshot):\n    return msg.body\n"
FRAGILE = """\
flow: fragile
steps:
  - {id: request, trigger: webhook/receive}
  - {id: act, after: request, action: fragile/act}
"""


def component(folder: Path, revision: int) -> Path:
    """A component with one action; from revision 2 on it has another one."""
    made = folder / "stamp"
    made.mkdir(exist_ok=True)
    (made / "mark.py").write_text(STAMP % f"r{revision}")
    (made / "component.json").write_text(DESCRIPTOR % (revision, FILE if revision > 1 else ""))
    return made


def step(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=re.compile(name))


def choose(page: Page, offer: str) -> None:
    page.get_by_role("textbox", name=re.compile("^Search (triggers|actions)")).fill(offer)
    page.get_by_role("button", name=re.compile(offer)).first.click()


def edit(page: Page) -> None:
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("toolbar", name="Draft").wait_for()


def publish(page: Page) -> None:
    """By the panel, until it is live."""
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    panel = page.get_by_role("region", name="Publish")
    panel.get_by_role("button", name=re.compile("Publish version")).click()
    expect(panel.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
    panel.get_by_role("button", name="Watch it run").click()


def saved(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()


def test_a_first_flow_from_nothing_to_live_events_and_its_next_version(desk: Desk, tmp_path: Path) -> None:
    """With the tour, which sees each step as done from what is there."""
    push(desk.running, component(tmp_path, 1))
    page = desk.open("/flows")
    page.get_by_role("button", name="Show me, in three minutes").click()
    tour = page.get_by_role("region", name="First flow")
    expect(tour).to_contain_text("step 1 of 5")
    page.get_by_role("button", name="New flow").first.click()
    page.get_by_label("Name").fill("first")
    page.get_by_role("button", name="Make it").click()
    expect(tour).to_contain_text("step 2 of 5")
    desk.look("draft-empty")
    page.get_by_role("button", name="Choose a trigger").click()
    desk.look("chooser")
    choose(page, "Receive a request")
    expect(tour).to_contain_text("step 3 of 5")
    page.get_by_role("button", name="Add a step after receive").click()
    choose(page, "Mark it")
    expect(tour).to_contain_text("step 4 of 5")
    panel = page.get_by_role("region", name="Step mark")
    problems = page.get_by_role("region", name="Problems")
    expect(problems.get_by_role("button", name=re.compile("word"))).to_be_visible()
    panel.get_by_label("Word").fill("seen")
    expect(problems).to_be_hidden()
    panel.get_by_label("Input").fill("body.body")
    saved(page)
    desk.look("draft")
    publish(page)
    expect(page).to_have_url(re.compile("/flows/first$"))
    page.reload()
    expect(tour).to_contain_text("step 5 of 5")
    expect(tour).to_contain_text("/hooks/first")
    desk.look("tour")
    desk.running.hook("first", {"n": 1})
    expect(step(page, "action mark")).to_contain_text("↓ 1")
    expect(tour).to_contain_text("Your first flow is live")
    tour.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")
    expect(tour).to_be_hidden()

    # Newer code with another action is pushed; the draft takes both up while events go on.
    push(desk.running, component(tmp_path, 2), message="Offer to file things away")
    expect(step(page, "action mark")).to_contain_text("r2 is pushed")
    edit(page)
    step(page, "action mark").click()
    page.keyboard.press("a")
    choose(page, "File it away")
    saved(page)
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    plan = page.get_by_role("region", name="Publish")
    expect(plan.get_by_text("stamp 1 → 2")).to_be_visible()
    expect(plan.get_by_text("Offer to file things away")).to_be_visible()
    desk.look("publish")
    plan.get_by_role("button", name="Close").click()
    with sending(f"{desk.url}/hooks/first") as sent:
        publish(page)
        expect(page.get_by_text("version 2", exact=True)).to_be_visible()
    assert len(sent) > 10
    assert set(sent) == {202}, "every event is accepted, before, during and after the switch"
    assert until(lambda: _done(desk, "first", 1 + len(sent)), what="every event executed once")


@contextmanager
def sending(url: str) -> Iterator[list[int]]:
    """An event after the other, as fast as they are answered; the answers' statuses."""
    statuses: list[int] = []
    enough = threading.Event()

    def send() -> None:
        with httpx.Client(timeout=20) as client:
            while not enough.wait(0.02):
                statuses.append(client.post(url, json={"n": len(statuses)}).status_code)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield statuses
    finally:
        enough.set()
        thread.join()


def _done(desk: Desk, flow: str, count: int) -> bool:
    executions = desk.running.json("executions", "--flow", flow, "--limit", "1000")
    found = executions["items"] if isinstance(executions, dict) else executions
    return len(found) == count and {each["state"] for each in found} == {"done"}


def test_undo_survives_a_reload_and_a_broken_text_is_told(desk: Desk) -> None:
    page = desk.open("/flows")
    page.get_by_role("button", name="New flow").first.click()
    page.get_by_label("Name").fill("undone")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Choose a trigger").click()
    choose(page, "Receive a request")
    page.get_by_role("region", name="Step receive").get_by_label("Note").fill("by hand")
    saved(page)
    page.reload()
    expect(step(page, "trigger receive")).to_be_visible()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.get_by_role("heading", name="What starts this flow?")).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    expect(step(page, "trigger receive")).to_be_visible()
    page.get_by_role("button", name="Text", exact=True).click()
    page.get_by_label("Flow document").fill("flow: undone\nsteps: [")
    expect(page.get_by_role("heading", name="The text cannot be read")).to_be_visible()
    expect(page.get_by_role("region", name="Problems")).to_be_visible()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(step(page, "trigger receive")).to_be_visible()
    saved(page)


def test_a_publish_that_fails_says_why_and_what_ran_goes_on(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "fragile"
    made.mkdir()
    (made / "component.json").write_text('{"title": "Fragile", "actions": {"act": {"title": "Act", "main": "act.py"}}}')
    (made / "act.py").write_text(ACT)
    push(desk.running, made)
    desk.running.publish(FRAGILE, tmp_path)
    (made / "act.py").write_text("def init(cfg):\n    raise ValueError('the key has no teeth')\n\n\n" + ACT)
    push(desk.running, made)
    page = desk.open("/flows/fragile")
    edit(page)
    page.get_by_role("toolbar", name="Draft").get_by_role("button", name="Publish").click()
    panel = page.get_by_role("region", name="Publish")
    panel.get_by_role("button", name=re.compile("Publish version")).click()
    failed = panel.get_by_role("alert")
    expect(failed).to_contain_text("the key has no teeth", timeout=20_000)
    expect(failed).to_contain_text("what ran before still runs")
    desk.look("publish-failed")
    page.get_by_role("link", name="Show what runs").click()
    expect(page.get_by_text("version 1", exact=True)).to_be_visible()
    assert desk.running.hook("fragile", {"n": 1}).status_code == 202


def test_an_edit_is_kept_while_the_session_is_gone(desk: Desk) -> None:
    page = desk.open("/flows")
    page.get_by_role("button", name="New flow").first.click()
    page.get_by_label("Name").fill("kept")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Choose a trigger").click()
    page.context.clear_cookies()
    choose(page, "Receive a request")
    form = page.get_by_role("dialog", name="Sign in")
    form.get_by_label("Token").fill(desk.running.token)
    form.get_by_role("button", name="Sign in").click()
    expect(form).to_be_hidden()
    saved(page)
    assert (
        "webhook/receive"
        in httpx.get(
            f"{desk.url}/api/v1/flows/kept/draft", headers={"Authorization": f"Bearer {desk.running.token}"}
        ).json()["document"]
    )


def test_an_input_is_mapped_with_what_really_came(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(
        "flow: mapped\nsteps:\n  - {id: request, trigger: webhook/receive}\n"
        "  - {id: note, after: request, action: log/write}\n",
        tmp_path,
    )
    desk.running.hook("mapped", {"customer": {"name": "Ada"}, "lines": [{"price": 2, "qty": 3}]})
    page = desk.open("/flows/mapped")
    expect(step(page, "action note")).to_contain_text("↓ 1")
    edit(page)
    step(page, "action note").click()
    page.get_by_role("button", name="Map with a sample").click()
    panel = page.get_by_role("region", name="Mapping of note")
    panel.get_by_label("Another field").fill("message")
    panel.get_by_role("button", name="Add").click()
    panel.get_by_label("message", exact=True).click()
    panel.get_by_role("button", name=re.compile("^customer")).click()
    panel.get_by_role("button", name=re.compile('^name "Ada"')).click()
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text('"message": "Ada"')
    panel.get_by_text("Expression", exact=True).first.click()
    whole = panel.get_by_role("textbox", name="Expression", exact=True)
    expect(whole).to_contain_text('"message": body.body.customer.name')
    whole.fill('{"message": $sum(body.body.lines.(price * qty))}')
    expect(result).to_contain_text('"message": 6')
    saved(page)
    desk.look("mapping")
    panel.get_by_text("Fields", exact=True).click()
    expect(panel.get_by_label("message", exact=True)).to_have_text("$sum(body.body.lines.(price * qty))")
    panel.get_by_label("message", exact=True).fill("body.(")
    expect(result.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Undo", exact=True).click()
    saved(page)


def test_versions_are_compared_and_an_older_one_is_put_back(desk: Desk, tmp_path: Path) -> None:
    flow = "flow: back\nsteps:\n  - {id: request, trigger: webhook/receive}\n"
    desk.running.publish(flow, tmp_path)
    desk.running.publish(flow + "  - {id: note, after: request, action: log/write}\n", tmp_path)
    page = desk.open("/flows/back")
    expect(page.get_by_text("version 2", exact=True)).to_be_visible()
    page.get_by_role("button", name="Versions").click()
    panel = page.get_by_role("region", name="Versions")
    panel.get_by_role("button", name=re.compile("Version 2")).click()
    expect(panel.get_by_text("step note added")).to_be_visible()
    panel.get_by_role("button", name=re.compile("Version 2")).click()
    panel.get_by_role("button", name=re.compile("Version 1")).click()
    desk.look("versions")
    panel.get_by_role("button", name="Go back to version 1").click()
    expect(panel.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("version 1", exact=True).first).to_be_visible()
    expect(step(page, "action note")).to_be_hidden()


def test_the_log_is_followed_and_filtered(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(
        "flow: told\nsteps:\n  - {id: request, trigger: webhook/receive}\n"
        "  - {id: note, after: request, action: log/write, input: '{\"message\": body.body.say}'}\n",
        tmp_path,
    )
    page = desk.open("/flows/told")
    page.get_by_role("button", name="Log", exact=True).click()
    log = page.get_by_role("log")
    for word in ("one", "two"):
        desk.running.hook("told", {"say": word})
        expect(log.get_by_text(word, exact=True)).to_be_visible()
    page.get_by_label("Search the log").fill("two")
    expect(log.get_by_text("one", exact=True)).to_be_hidden()
    desk.look("log")


def test_ways_are_joined_parted_and_conditional_by_mouse_and_the_view_is_kept(desk: Desk) -> None:
    steps = [
        {"id": "in", "trigger": "webhook/receive"},
        {"id": "upper", "after": "in", "action": "log/write", "when": "body.body.n > 0"},
        {"id": "lower", "after": "in", "action": "log/write"},
    ]
    headers = {"Authorization": f"Bearer {desk.running.token}"}
    httpx.put(
        f"{desk.url}/api/v1/flows/ways/draft",
        json={"document": json.dumps({"flow": "ways", "steps": steps})},
        headers=headers,
    ).raise_for_status()
    page = desk.open("/flows/ways/draft")
    ways = page.locator(".react-flow__edge")
    expect(ways).to_have_count(2)
    page.locator('[data-id="upper"] .react-flow__handle.source').drag_to(
        page.locator('[data-id="lower"] .react-flow__handle.target')
    )
    expect(ways).to_have_count(3)
    page.get_by_role("button", name="Part lower from in").click(force=True)
    expect(ways).to_have_count(2)
    page.get_by_role("button", name="Insert a step between upper and lower").click(force=True)
    expect(page.get_by_role("region", name="Choose an action between upper and lower")).to_be_visible()
    page.get_by_role("button", name=re.compile("^only when body.body.n > 0")).click()
    expect(page.get_by_role("region", name="Step upper").get_by_label("Only when")).to_be_focused()
    page.keyboard.press("Escape")
    step(page, "action lower").click()
    page.keyboard.press("d")
    expect(step(page, "action lower, log.write, disabled")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Zoom Out").click()
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('headrace.view.'))")
    saved(page)
    desk.look("disabled")
    view = page.locator(".react-flow__viewport")
    seen = view.get_attribute("style")
    page.reload()
    expect(page).to_have_url(re.compile("step=lower"))
    expect(step(page, "action lower")).to_have_class(re.compile("selected"))
    expect(view).to_have_attribute("style", seen or "")


def test_a_flow_is_drawn_and_published_by_keyboard_alone(desk: Desk) -> None:
    page = desk.open("/flows")
    press, type_ = page.keyboard.press, page.keyboard.type
    page.get_by_role("button", name="New flow").first.focus()
    press("Enter")
    page.get_by_label("Name").wait_for()
    type_("typed")
    press("Enter")
    page.get_by_role("toolbar", name="Draft").wait_for()
    press("a")
    page.get_by_label("Search triggers").wait_for()
    type_("receive")
    page.get_by_role("button", name="Receive a request").wait_for()
    press("Enter")
    expect(step(page, "trigger receive")).to_be_focused()
    press("a")
    page.get_by_label("Search actions").wait_for()
    type_("log")
    page.get_by_role("button", name=re.compile("Write to the log")).first.wait_for()
    press("Enter")
    expect(step(page, "action write")).to_be_focused()
    # Renamed, with a condition: the panel takes the focus and gives it back.
    press("F2")
    expect(page.get_by_label("Id", exact=True)).to_be_focused()
    type_("first")
    press("Escape")
    expect(step(page, "action first")).to_be_focused()
    press("w")
    type_("body.body.n > 0")
    expect(page.get_by_role("button", name=re.compile("^only when body.body.n > 0"))).to_be_visible()
    press("Escape")
    if page.get_by_role("region", name="Step first").is_visible():
        press("Escape")  # the first one closed a list of completions
    expect(step(page, "action first")).to_be_focused()
    press("Control+d")
    expect(step(page, "action first-2")).to_be_visible()
    # To the other branch and back, both at once, disabled and enabled, cut and pasted.
    press("ArrowLeft")
    expect(step(page, "trigger receive")).to_be_focused()
    press("ArrowRight")
    press("Shift+ArrowDown")
    press("Shift+ArrowUp")
    press("d")
    expect(page.get_by_role("group", name=re.compile("^action first(-2)?, log.write, disabled"))).to_have_count(2)
    press("d")
    press("Control+x")
    expect(page.get_by_role("group", name=re.compile("^action"))).to_have_count(0)
    press("Control+v")
    expect(page.get_by_role("group", name=re.compile("^action first"))).to_have_count(2)
    # A join by the palette: the chosen step comes after the other branch too.
    press("ArrowLeft")
    press("ArrowRight")
    press("l")
    expect(page.get_by_label("Search steps")).to_be_focused()
    press("Enter")
    expect(page.locator(".react-flow__edge")).to_have_count(3)
    press("Control+z")
    expect(page.locator(".react-flow__edge")).to_have_count(2)
    press("?")
    page.get_by_role("region", name="Keys").wait_for()
    desk.look("keys")
    press("Escape")
    press("Control+k")
    expect(page.get_by_label("Search commands")).to_be_focused()
    desk.look("palette")
    type_("publish")
    press("Enter")
    panel = page.get_by_role("region", name="Publish")
    panel.get_by_role("button", name=re.compile("Publish version")).focus()
    press("Enter")
    expect(panel.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
    assert desk.running.hook("typed", {"n": 1}).status_code == 202
