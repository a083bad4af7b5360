"""Signing in, the list of flows, and a flow that runs, in a browser."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect
from tests.acceptance.headrace import Headrace
from tests.e2e.desk import Desk

from headrace.api.designer import BUILT

FLOW = """\
flow: orders
steps:
  - id: request
    trigger: webhook/receive
  - id: note
    name: Write it down
    after: request
    action: log/write
    when: body.body.number > 0
    input: '{"message": body.body.number}'
  - id: audit
    after: request
    action: log/write
"""


def test_whoever_has_no_session_is_asked_for_a_token_and_led_where_they_wanted(running: Headrace, page: Page) -> None:
    desk = Desk(running, page)
    desk.open("/flows?q=x")
    form = page.get_by_role("dialog", name="Sign in")
    form.get_by_label("Token").fill("hr_wrong")
    form.get_by_role("button", name="Sign in").click()
    expect(form.get_by_role("alert")).to_contain_text("does not count")
    desk.look("sign-in")
    form.get_by_label("Token").fill(running.token)
    form.get_by_role("button", name="Sign in").click()
    expect(form).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/flows\?q=x$"))
    expect(page.get_by_role("heading", name="No flows yet")).to_be_visible()
    desk.look("flows-empty")
    page.get_by_role("button", name="Sign out").click()
    expect(form).to_be_visible()


def test_a_running_flow_shows_what_passes(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(FLOW, tmp_path)
    page = desk.open("/flows")
    row = page.get_by_role("row").filter(has_text="orders")
    expect(row.get_by_text("live")).to_be_visible()
    desk.look("flows")
    row.get_by_role("link", name="orders").click()
    note = page.get_by_role("group", name="action Write it down, log/write")
    expect(note).to_contain_text("↑ 0")
    desk.running.hook("orders", {"number": 7})
    expect(note).to_contain_text("↓ 1")
    desk.look("flow")


def test_a_flow_comes_from_a_file_and_is_duplicated(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "brought.yaml"
    file.write_text("# kept\n" + FLOW.replace("orders", "brought"))
    page = desk.open("/flows")
    page.get_by_role("button", name="New flow").first.click()
    with page.expect_file_chooser() as chooser:
        page.get_by_label("From a file").click()
    chooser.value.set_files(file)
    expect(page.get_by_label("Name")).to_have_value("brought")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("group", name="action Write it down, log/write")).to_be_visible()
    page.get_by_role("button", name="Actions for brought").click()
    page.get_by_role("menuitem", name="Duplicate").click()
    page.get_by_label("Name").last.fill("copied")
    page.get_by_role("button", name="Make it").click()
    expect(page).to_have_url(re.compile("/flows/copied/draft$"))
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.get_by_label("Flow document")).to_have_value(re.compile("# kept\nflow: copied\n"))


def test_a_flow_is_stopped_started_and_removed(desk: Desk, tmp_path: Path) -> None:
    desk.running.publish(FLOW.replace("orders", "passing"), tmp_path)
    page = desk.open("/flows?q=passing")
    row = page.get_by_role("row").filter(has_text="passing")

    def choose(what: str) -> None:
        page.get_by_role("button", name="Actions for passing").click()
        page.get_by_role("menuitem", name=what).click()

    choose("Stop")
    expect(row.get_by_text("stopped")).to_be_visible()
    choose("Start")
    expect(row.get_by_text("live")).to_be_visible()
    choose("Suspend")
    expect(row.get_by_text("suspended")).to_be_visible()
    choose("Remove")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.get_by_text("stop it first").or_(page.get_by_text("runs")).first.wait_for()


BUDGET = 350_000
"""Bytes of JavaScript, gzipped, that a browser needs before it can show anything."""


def test_the_entry_is_small() -> None:
    index = (BUILT / "index.html").read_text()
    scripts = re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', index)
    assert scripts
    assert sum(len(gzip.compress((BUILT / script).read_bytes())) for script in scripts) < BUDGET


def test_two_hundred_steps_are_drawn_and_walked(desk: Desk) -> None:
    steps = [{"id": "s0", "trigger": "webhook/receive"}]
    steps += [{"id": f"s{n}", "after": f"s{(n - 1) // 2}", "action": "log/write"} for n in range(1, 200)]
    document = json.dumps({"flow": "many", "steps": steps})
    headers = {"Authorization": f"Bearer {desk.running.token}"}
    url = f"{desk.url}/api/v1/flows/many/draft"
    assert httpx.put(url, json={"document": document}, headers=headers, timeout=30).status_code == 200
    page = desk.open("/flows/many/draft")
    expect(page.get_by_role("group", name="trigger s0, webhook/receive")).to_be_attached()
    for number in range(3):
        page.keyboard.press("j")
        expect(page.get_by_role("region", name=f"Step s{number}")).to_be_visible(timeout=2_000)
    page.get_by_label("Note", exact=True).fill("typed without waiting")
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()
