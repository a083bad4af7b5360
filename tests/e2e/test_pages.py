"""Executions, components, credentials and settings, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from tests.acceptance.headrace import push
from tests.e2e.desk import Desk

PICKY = """\
async def process(ctx, msg, cfg, snapshot):
    if msg.body["n"] < 0:
        raise ValueError(f"{msg.body['n']} is too small")
    return msg.body
"""
FLOW = """\
flow: counted
steps:
  - {id: request, trigger: webhook/receive}
  - {id: check, after: request, action: picky/check, input: body.body}
"""
DESCRIPTOR = """\
{"title": "Picky", "description": "Takes no negative numbers.",
 "credentials": {"fields": {
   "user": {"label": "User", "viewClass": "TextFieldView", "required": true},
   "key": {"label": "Key", "viewClass": "PasswordFieldView", "required": true}}},
 "actions": {"check": {"title": "Check a number", "main": "check.py"}}}
"""
VERIFY = """\
def verify_credentials(ctx, credentials):
    return credentials["key"] == "right"
"""


def picky(desk: Desk, folder: Path) -> None:
    made = folder / "picky"
    made.mkdir()
    (made / "check.py").write_text(PICKY)
    (made / "component.json").write_text(DESCRIPTOR)
    (made / "verify_credentials.py").write_text(VERIFY)
    push(desk.running, made)


def test_a_failed_execution_is_shown_mended_and_run_again(desk: Desk, tmp_path: Path) -> None:
    picky(desk, tmp_path)
    desk.running("credential", "create", "mine", "--component", "picky", "--set", "user=ada", "--set", "key=right")
    desk.running.publish(FLOW.replace("picky/check,", "picky/check, credential: mine,"), tmp_path)
    for number in (1, -1):
        desk.running.hook("counted", {"n": number})
    page = desk.open("/executions?flow=counted")
    expect(page.get_by_role("row")).to_have_count(3)
    desk.look("executions")
    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="failed").click()
    expect(page).to_have_url(re.compile("flow=counted&state=failed"))
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    check = page.get_by_role("group", name=re.compile("^action check"))
    expect(check).to_contain_text("failed")
    check.click()
    error = page.get_by_role("group", name="Error")
    expect(error).to_contain_text("-1 is too small")
    page.get_by_role("article", name="check failed").get_by_role("button", name="More").click()
    desk.look("execution")
    error.get_by_role("button", name="Edit and retry").click()
    error.get_by_label("The step's input").fill('{"n": 5}')
    error.get_by_role("button", name="Retry with this").click()
    error.get_by_role("link", name="It runs again").click()
    expect(page.get_by_text("done").first).to_be_visible()
    expect(page.get_by_role("link", name="runs a part of another one again")).to_be_visible()


def test_components_show_versions_builds_and_who_uses_them(desk: Desk) -> None:
    page = desk.open("/components?q=picky")
    expect(page.get_by_role("row")).to_have_count(2)
    desk.look("components")
    page.get_by_role("button", name="How to push").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"git push {desk.url}/git/my-component.git main")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="picky").click()
    page.get_by_role("button", name=re.compile("Revision 1")).click()
    expect(page.get_by_label("Build log")).not_to_be_empty()
    page.get_by_role("tab", name="Flows (1)").click()
    expect(page.get_by_role("link", name="counted")).to_be_visible()
    page.get_by_role("tab", name="Variables").click()
    form = page.get_by_role("form", name="Variables of picky")
    form.get_by_label("Another variable").fill("PICKY_HOST")
    form.get_by_role("button", name="Add").click()
    form.get_by_label("PICKY_HOST").fill("example.org")
    form.get_by_role("button", name="Save variables").click()
    expect(form.get_by_placeholder("set", exact=True)).to_be_visible()
    desk.look("variables")
    page.get_by_role("tab", name="Descriptor").click()
    expect(page.get_by_role("region", name="action check")).to_contain_text("Check a number")


def test_a_credential_is_made_verified_edited_and_removed(desk: Desk) -> None:
    page = desk.open("/credentials")
    page.get_by_role("button", name="New credential").click()
    form = page.get_by_role("dialog", name="New credential")
    form.get_by_label("Name of the credential").fill("second")
    form.get_by_role("combobox", name="Component").click()
    page.get_by_role("option", name="picky").click()
    form.get_by_label("User").fill("grace")
    form.get_by_label("Key").fill("wrong-key")
    form.get_by_role("button", name="Save and verify").click()
    row = page.get_by_role("row").filter(has_text="second")
    expect(row).to_contain_text("failed")
    desk.look("credentials")
    row.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="second")
    form.get_by_label("Key").fill("right")
    form.get_by_role("button", name="Save and verify").click()
    expect(row).to_contain_text("verified")
    assert "wrong-key" not in page.content()
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_be_hidden()


def test_tokens_are_made_shown_once_and_revoked(desk: Desk) -> None:
    page = desk.open("/settings")
    expect(page.get_by_role("region", name="Doctor").get_by_role("row").first).to_be_visible()
    expect(
        page.get_by_role("region", name="Retention").get_by_role("row", name=re.compile("journal_keep"))
    ).to_be_visible()
    desk.look("settings")
    page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    form.get_by_label("For whom or what").fill("a script")
    form.get_by_role("button", name="Make it").click()
    expect(form.get_by_text(re.compile("^hr_"))).to_be_visible()
    page.keyboard.press("Escape")
    row = page.get_by_role("row").filter(has_text="a script")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
