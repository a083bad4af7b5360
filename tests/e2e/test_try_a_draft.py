"""Trying a draft beside the flow that runs, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect
from tests.acceptance.headrace import push
from tests.e2e.desk import Desk

MARK = """\
async def process(ctx, msg, cfg, snapshot):
    if msg.body.get("n") == 13:
        raise ValueError("no luck with 13")
    ctx.logger.info("marking %s", msg.body["n"])
    return {"word": cfg["word"], "n": msg.body["n"]}
"""
DESCRIPTOR = """\
{"title": "Stamp", "actions": {"mark": {"title": "Mark it", "main": "mark.py",
  "fields": {"word": {"label": "Word", "viewClass": "TextFieldView", "required": true}}}}}
"""
FLOW = """\
flow: tried
steps:
  - {id: request, trigger: webhook/receive}
  - id: mark
    after: request
    action: marker/mark
    fields: {word: WORD}
    input: '{"n": body.body.n}'
  - {id: again, after: mark, action: marker/mark, fields: {word: twice}}
"""


def test_a_draft_is_tried_while_its_flow_runs(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "marker"
    folder.mkdir()
    (folder / "mark.py").write_text(MARK)
    (folder / "component.json").write_text(DESCRIPTOR)
    push(desk.running, folder)
    file = tmp_path / "tried.yaml"
    file.write_text(FLOW.replace("WORD", "live"))
    desk.running("flow", "apply", str(file), "--publish", "--start")
    file.write_text(FLOW.replace("WORD", "draft"))
    desk.running("flow", "apply", str(file))

    page = desk.open("/flows/tried/draft")
    step(page, "trigger request").click()
    page.keyboard.press("t")
    panel = page.get_by_role("region", name="Test", exact=True)
    sample = panel.get_by_role("region", name="Sample of request")
    sample.get_by_role("button", name="Get one").click()
    page.get_by_role("menuitem", name="Fetch: wait for its first event").click()
    address = panel.get_by_text(re.compile("/hooks/tried/test$"))
    expect(address).to_be_visible(timeout=20_000)
    assert httpx.post(str(address.text_content()), json={"n": 7}).status_code == 202
    expect(sample.get_by_text("fetched", exact=True)).to_be_visible()
    expect(sample).to_contain_text('"n": 7')

    page.keyboard.press("Control+Enter")
    steps = panel.get_by_role("region", name="Steps")
    expect(steps.get_by_role("button", name=re.compile("^again.*done"))).to_be_visible()
    expect(step(page, "action mark")).to_contain_text("done")
    desk.look("test")
    steps.get_by_role("button", name=re.compile("^mark")).click()
    result = panel.get_by_role("region", name="Result of mark")
    expect(result).to_contain_text('"word": "draft"')
    expect(result).to_contain_text("marking 7")

    # An edit makes stale what was learnt of the step and those after it, and says why.
    panel.get_by_role("button", name="Close the test").click()
    step(page, "action mark").click()
    page.get_by_role("region", name="Step mark").get_by_label("Word").fill("edited")
    expect(step(page, "action mark")).to_contain_text("stale")
    expect(step(page, "trigger request")).not_to_contain_text("stale")
    page.get_by_role("region", name="Step mark").get_by_role("button", name="Sample and results").click()
    panel.get_by_role("button", name="Whole draft", exact=True).click()
    stale = re.compile("^again.*stale: the fields of “mark” changed since")
    expect(steps.get_by_role("button", name=stale)).to_be_visible()
    steps.get_by_role("button", name=re.compile("^mark")).click()
    expect(result.get_by_text("the fields of “mark” changed since")).to_be_visible()

    # A step that may write is fetched when a person says so; one that fails says why.
    sample = panel.get_by_role("region", name="Sample of mark")
    sample.get_by_role("button", name="Get one").click()
    page.get_by_role("menuitem", name="Fetch: call it for real").click()
    panel.get_by_role("button", name="Call it for real").click()
    expect(sample).to_contain_text('"word": "edited"')
    step(page, "trigger request").click()
    sample = panel.get_by_role("region", name="Sample of request")
    sample.get_by_role("button", name="Another").click()
    page.get_by_role("menuitem", name="Write it by hand").click()
    sample.get_by_label("Body").fill('{"body": {"n": 13}}')
    sample.get_by_role("button", name="Keep it").click()
    expect(sample.get_by_text("written by hand")).to_be_visible()
    step(page, "action mark").click()
    panel.get_by_role("button", name="Give it another input").click()
    panel.get_by_label("Input", exact=True).fill('{"n": 5}')
    panel.get_by_role("button", name="Run this step on it").click()
    expect(result).to_contain_text('"n": 5')
    panel.get_by_role("button", name="Cancel").click()
    step(page, "action mark").click()
    page.keyboard.press("Shift+Enter")
    expect(result.get_by_text("ValueError: no luck with 13", exact=True)).to_be_visible()
    expect(step(page, "action mark")).to_contain_text("failed")
    desk.look("test-failed")

    desk.running.hook("tried", {"n": 1})
    found = desk.running.json("executions", "--flow", "tried")
    assert len(found["items"] if isinstance(found, dict) else found) <= 1, "no test is among them"


def step(page: Page, name: str) -> Locator:
    return page.locator(".react-flow").get_by_role("group", name=re.compile(name))
