"""A flow that runs, in a browser: what waits, what passes, what was written, and what no longer is current."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.acceptance.headrace import Headrace, push
from tests.e2e.desk import SETTLED, Desk

SLOW = """\
import asyncio
async def process(ctx, msg, cfg):
    ctx.logger.info("at work on %s", msg.body["n"])
    await asyncio.sleep(msg.body["seconds"])
    if msg.body["n"] < 0:
        raise ValueError("too small")
    return {**msg.body, "key": cfg["key"]}
"""
DESCRIPTOR = """\
{"title": "Slow",
 "credentials": {"fields": {"key": {"label": "Key", "viewClass": "PasswordFieldView", "required": true}}},
 "actions": {"work": {"title": "Work", "main": "work.py"}}}
"""
FLOW = """\
flow: shown
steps:
  - {id: request, trigger: webhook/receive}
  - {id: work, after: request, action: slow/work, credential: mine, input: body.body}
  - {id: note, after: work, action: log/write}
"""
SECRET = "s3cret-of-mine"
LONG = 12
"""Seconds for which the first message holds up the others."""


@pytest.fixture(scope="module")
def flow(running: Headrace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A flow whose middle step is as slow as a message says, and puts its key into what it emits."""
    folder = tmp_path_factory.mktemp("slow") / "slow"
    folder.mkdir()
    (folder / "work.py").write_text(SLOW)
    (folder / "component.json").write_text(DESCRIPTOR)
    push(running, folder)
    running("credential", "create", "mine", "--component", "slow", "--set", f"key={SECRET}", "--no-verify")
    running.publish(FLOW, folder.parent)
    return "shown"


def test_messages_pass_and_are_found_in_log_and_execution(desk: Desk, flow: str) -> None:
    page = desk.open(f"/flows/{flow}")
    page.get_by_role("button", name="Watch", exact=True).click()
    watch = page.get_by_role("region", name="Watch")
    expect(watch).to_contain_text("show up here")
    for n in (1, 2, 3):
        desk.running.hook(flow, {"n": n, "seconds": 0})
    seen = watch.get_by_role("article", name="Message of work")
    expect(seen).to_have_count(3)
    expect(seen.first).to_contain_text('"n":3')
    expect(seen.first).to_contain_text("[key]")
    assert SECRET not in page.content()
    work = page.get_by_role("group", name="action work, slow/work")
    expect(work).to_contain_text(re.compile(r"↓ 3.*↑ 3.*p50 \d.*p99 \d"))
    desk.look("watch")
    watch.get_by_label("Condition (JSONata)").fill("body.n = 5")
    expect(page).to_have_url(re.compile(r"panel=watch&where=body.n"))
    expect(seen).to_have_count(0)
    for n in (4, 5):
        desk.running.hook(flow, {"n": n, "seconds": 0})
    expect(seen).to_have_count(1)
    expect(watch).to_contain_text("not wanted")
    watch.get_by_role("button", name="Close").click()

    page.keyboard.press("l")
    log = page.get_by_role("region", name="Log")
    log.get_by_label("Search the log").fill("on 5")
    expect(page).to_have_url(re.compile("panel=log&text=on"))
    line = log.get_by_text("at work on")
    expect(line).to_have_count(1)
    desk.look("log")
    log.get_by_role("link", name="Execution").click()
    page.get_by_role("group", name=re.compile("^action work")).click()
    written = page.get_by_role("region", name="Log")
    expect(written).to_contain_text("at work on 5")
    expect(page.get_by_role("article", name="work done")).to_be_visible()


def test_what_waits_is_counted_on_its_edge_and_listed_without_taking_it(desk: Desk, flow: str) -> None:
    page = desk.open(f"/flows/{flow}")
    desk.running.hook(flow, {"n": 10, "seconds": LONG})
    for n in (11, 12):
        desk.running.hook(flow, {"n": n, "seconds": 0})
    way = page.get_by_role("group", name=re.compile("^request to work: 3 waiting, the oldest for"))
    expect(way).to_be_attached()
    expect(page.get_by_role("group", name="action work, slow/work")).to_contain_text("3 waiting")
    way.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="Messages from request to work")
    expect(panel).to_contain_text("3 waiting, the oldest for")
    messages = panel.get_by_role("article")
    expect(messages).to_have_count(3)
    messages.nth(1).get_by_role("button", name="Show the body").click()
    expect(messages.nth(1)).to_contain_text('"n": 11')
    page.get_by_role("group", name="action work, slow/work").click()
    expect(page.get_by_role("region", name="How it runs")).to_contain_text("3, the oldest for")
    desk.look("running-step")
    number = page.get_by_text(re.compile(r"^3 · \d+ s$"))
    number.wait_for()
    page.evaluate(SETTLED)
    box = number.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # what is under it is the edge
    panel.get_by_text("Recent").click()
    messages.first.get_by_role("button", name="Show the body").click()
    desk.look("edge")
    expect(page.get_by_role("group", name=re.compile("^request to work: 0 waiting"))).to_be_attached(
        timeout=2 * LONG * 1000
    )


def test_errors_that_are_alike_are_run_again_together(desk: Desk, flow: str) -> None:
    for n in (-1, -2):
        desk.running.hook(flow, {"n": n, "seconds": 0})
    page = desk.open(f"/executions?flow={flow}&state=failed")
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    error = page.get_by_role("group", name="Error")
    error.get_by_role("button", name="Retry all 2 like it").click()
    expect(error).to_contain_text("2 run again, 0 could not.")


def test_old_figures_are_not_shown_as_current_and_come_back_by_themselves(desk: Desk, flow: str) -> None:
    desk.page.clock.install()
    page = desk.open(f"/flows/{flow}")
    work = page.get_by_role("group", name="action work, slow/work")
    expect(work).to_contain_text("MB")
    old = page.get_by_role("status").filter(has_text="The server does not answer")
    expect(old).to_be_hidden()
    page.route("**/api/v1/flows/**", lambda route: route.abort())
    page.clock.fast_forward(20_000)
    expect(old).to_contain_text("figures of")
    expect(work).to_contain_text("MB")
    desk.look("old-figures")
    page.unroute("**/api/v1/flows/**")
    page.clock.fast_forward(3_000)
    expect(old).to_be_hidden()
