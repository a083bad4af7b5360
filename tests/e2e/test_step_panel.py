"""Setting a step up beside the canvas: its credential, variables, fields and mapping; code that is pushed meanwhile."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from playwright.sync_api import Locator, Page, expect
from tests.acceptance.headrace import Headrace, push, until
from tests.e2e.desk import Desk
from tests.integration.api.provider import CLIENT_ID, CLIENT_SECRET, Provider

TEXT = "TextFieldView"
DESCRIPTOR = {
    "title": "CRM",
    "description": "Customers and what they are told.",
    "envVars": {"CRM_HOST": {"required": True, "description": "Where the CRM answers"}},
    "credentials": {
        "fields": {
            "user": {"label": "User", "viewClass": TEXT, "required": True, "order": 2},
            "key": {"label": "Key", "viewClass": "PasswordFieldView", "required": True, "order": 1},
        }
    },
    "actions": {
        "tell": {
            "title": "Tell a customer",
            "description": "Sends a letter.",
            "main": "tell.py",
            "help": {"description": "Read this first", "link": "https://example.org/crm"},
            "fields": {
                "account": {
                    "label": "Account",
                    "viewClass": TEXT,
                    "required": True,
                    "order": 9,
                    "note": "As in the CRM",
                },
                "list": {
                    "label": "List",
                    "viewClass": "SelectView",
                    "model": "lists",
                    "require": ["account"],
                    "order": 8,
                },
                "kind": {"label": "Kind", "viewClass": "SelectView", "model": {"a": "A letter", "b": "A card"}},
                "polite": {"label": "Polite", "viewClass": "CheckBoxView", "default": True},
                "tags": {"label": "Tags", "viewClass": "MultiSelectView", "model": {"x": "Ex", "y": "Why"}},
                "text": {"label": "Text", "viewClass": "TextAreaView"},
                "rule": {"label": "Rule", "viewClass": "JSONataView"},
                "script": {"label": "Script", "viewClass": "CodeEditorView"},
                "more": {"label": "More", "viewClass": "RESTAPIView"},
            },
            "metadata": {
                "in": {
                    "type": "object",
                    "properties": {
                        "email": {"type": "string", "title": "Address", "required": True},
                        "total": {"type": "number"},
                        "kind": {"enum": ["letter", "card"]},
                        "place": {"type": "object", "properties": {"street": {"type": "string"}}},
                    },
                },
                "out": {"type": "object", "properties": {"sent": {"type": "boolean"}}},
            },
        }
    },
}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGPgqKwFAAGLAP9qoeQXAAAAAElFTkSuQmCC"
CODE = """\
def process(ctx, msg, cfg, snapshot):
    return {"sent": True}


def lists(ctx, cfg):
    if cfg["account"] == "broken":
        raise ValueError("no such account")
    return {name: f"{name} of {cfg['account']}" for name in ("news", "offers")}
"""
PUSHED = """\
async def process(ctx, msg, cfg, snapshot):
    return msg.body
"""
VERIFY = """\
def verify_credentials(ctx, credentials):
    if credentials["key"] != "right":
        raise ValueError("the key does not fit")
    return True
"""


@pytest.fixture(scope="module")
def crm(running: Headrace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pushed") / "crm"
    made.mkdir()
    (made / "tell.py").write_text(CODE)
    (made / "verify_credentials.py").write_text(VERIFY)
    (made / "component.json").write_text(json.dumps(DESCRIPTOR))
    (made / "logo.png").write_bytes(base64.b64decode(PICTURE))
    push(running, made)
    return made


def draft(desk: Desk, name: str, steps: list[dict[str, Any]]) -> Page:
    """The page of a draft that is made for the test."""
    url = f"{desk.url}/api/v1/flows/{name}/draft"
    headers = {"Authorization": f"Bearer {desk.running.token}"}
    document = json.dumps({"flow": name, "steps": [{"id": "order", "trigger": "webhook/receive"}, *steps]}, indent=1)
    assert httpx.put(url, json={"document": document}, headers=headers).status_code == 200
    return desk.open(f"/flows/{name}/draft")


def written(desk: Desk, name: str, step: str) -> dict[str, Any]:
    """What the draft says of a step, once all is saved."""
    expect(desk.page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()
    url = f"{desk.url}/api/v1/flows/{name}/draft"
    found = httpx.get(url, headers={"Authorization": f"Bearer {desk.running.token}"}).json()["document"]
    step_: dict[str, Any] = next(each for each in yaml.safe_load(found)["steps"] if each["id"] == step)
    return step_


def choose(page: Page, panel: Locator, label: str, option: str) -> None:
    panel.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option).click()


def test_a_step_is_set_up_without_leaving_its_panel(desk: Desk, crm: Path) -> None:
    page = draft(desk, "letters", [{"id": "tell", "after": "order", "action": "crm/tell"}])
    problems = page.get_by_role("region", name="Problems")
    problems.get_by_role("button", name=re.compile("account")).click()
    panel = page.get_by_role("region", name="Step tell")
    expect(panel.get_by_label("Account")).to_be_focused()
    expect(panel.get_by_role("link", name="Help")).to_have_attribute("href", "https://example.org/crm")

    page.wait_for_function("document.querySelector('section img')?.naturalWidth === 1")
    variables = panel.get_by_role("form", name="Variables of crm")
    variables.get_by_label("CRM_HOST").fill("crm.example.org")
    variables.get_by_role("button", name="Save variables").click()
    expect(variables).to_be_hidden()

    panel.get_by_role("button", name="New", exact=True).click()
    form = panel.get_by_role("form", name="New credential")
    form.get_by_label("Name of the credential").fill("crm-prod")
    form.get_by_label("User").fill("ada")
    form.get_by_label("Key").fill("wrong")
    desk.look("credential-in-place")
    form.get_by_role("button", name="Save and verify").click()
    expect(panel.get_by_text("the key does not fit").first).to_be_visible()
    panel.get_by_role("button", name="Edit", exact=True).click()
    form = panel.get_by_role("form", name="Edit crm-prod")
    form.get_by_label("Key").fill("right")
    form.get_by_role("button", name="Save and verify").click()
    expect(panel.get_by_text("verified", exact=True)).to_be_visible()

    expect(panel.get_by_label("List")).to_be_disabled()
    panel.get_by_label("Account").fill("acme")
    choose(page, panel, "List", "news of acme")
    panel.get_by_label("Account").fill("broken")
    expect(panel.get_by_role("alert")).to_contain_text("no such account")
    panel.get_by_label("Account").fill("emca")
    expect(panel.get_by_role("combobox", name="List")).to_have_value("news of emca")
    choose(page, panel, "Kind", "A card")
    panel.get_by_label("Polite").uncheck()
    panel.get_by_label("More").fill('{"method": "POST"}')
    panel.get_by_label("Script").fill("let a = 1")
    panel.get_by_role("button", name="Retry, time and memory").click()
    panel.get_by_label("Attempts").fill("5")
    panel.get_by_label("First wait").fill("soon")
    expect(panel.get_by_label("First wait")).to_have_attribute("aria-invalid", "true")
    panel.get_by_label("First wait").fill("500ms")
    expect(problems).to_be_hidden()
    desk.look("step")
    assert written(desk, "letters", "tell") | {"id": ""} == {
        "id": "",
        "after": "order",
        "action": "crm/tell",
        "credential": "crm-prod",
        "fields": {
            "account": "emca",
            "list": "news",
            "kind": "b",
            "polite": False,
            "more": {"method": "POST"},
            "script": "let a = 1",
        },
        "retry": {"attempts": 5, "first": "500ms"},
    }


@contextmanager
def provider(redirect_uri: str) -> Iterator[str]:
    """A provider of OAuth2 whose people always agree; where it is."""
    server = uvicorn.Server(
        uvicorn.Config(Provider(redirect_uri=redirect_uri).app, host="127.0.0.1", port=0, log_level="warning")
    )
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(server.run)
        until(lambda: server.started, what="the provider is up")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        running.result()


def test_a_credential_is_connected_without_leaving_the_panel(desk: Desk, tmp_path: Path) -> None:
    with provider(f"{desk.url}/oauth2/callback") as url:
        oauth2 = {
            "client_id": CLIENT_ID,
            "client_secret": "{{SECRET}}",
            "auth_uri": f"{url}/authorize",
            "token_uri": f"{url}/token",
            "scopes": ["read", "write"],
            "access_type": "offline",
        }
        fields = {"oauth": {"label": "Connection", "viewClass": "OAuthFieldView", "required": True}}
        made = tmp_path / "cloud"
        made.mkdir()
        (made / "put.py").write_text(PUSHED)
        offers = {"put": {"title": "Put", "main": "put.py"}}
        described = {"title": "Cloud", "credentials": {"fields": fields, "oauth2": oauth2}, "actions": offers}
        (made / "component.json").write_text(json.dumps(described))
        push(desk.running, made)
        page = draft(desk, "connected", [{"id": "put", "after": "order", "action": "cloud/put"}])
        page.get_by_role("group", name=re.compile("action put")).click()
        panel = page.get_by_role("region", name="Step put")
        panel.get_by_role("button", name="New", exact=True).click()
        form = panel.get_by_role("form", name="New credential")
        form.get_by_label("Name of the credential").fill("cloud-prod")
        form.get_by_label("SECRET").fill(CLIENT_SECRET)
        form.get_by_role("button", name="Save and verify").click()
        expect(panel.get_by_text("not connected", exact=True)).to_be_visible()
        with page.context.expect_page() as opened:
            panel.get_by_role("button", name="Connect", exact=True).click()
        expect(opened.value.get_by_role("heading", name="Connected")).to_be_visible()
        expect(panel.get_by_role("button", name="Connect again")).to_be_visible()
        expect(panel.get_by_text("not connected", exact=True)).to_be_hidden()
        assert CLIENT_SECRET not in page.content()


def test_an_input_is_built_with_completion_and_checked_against_both_sides(desk: Desk, crm: Path) -> None:
    tell = {"id": "tell", "after": "order", "action": "crm/tell", "fields": {"account": "acme"}}
    again = {"id": "again", "after": "tell", "action": "crm/tell", "fields": {"account": "acme"}}
    page = draft(desk, "built", [tell, again])
    page.get_by_role("group", name=re.compile("action again")).click()
    page.get_by_role("button", name="Map with a sample").click()
    panel = page.get_by_role("region", name="Mapping of again")
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("`email` is required and not there")

    # By keyboard alone: names are offered, the chosen one is written, the result stands beside it.
    address = panel.get_by_label("email", exact=True)
    address.click()
    page.keyboard.type("$string(bo")
    expect(page.get_by_role("option", name=re.compile("^body"))).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.type(".se")
    expect(page.get_by_role("option", name=re.compile("^sent"))).to_be_visible()
    page.keyboard.press("Tab")
    expect(result).to_contain_text('"email": "true"')
    expect(panel.get_by_text('→ "true"')).to_be_visible()

    panel.get_by_label("total", exact=True).fill("body.snet")
    expect(panel.get_by_text("did you mean `sent`?")).to_be_visible()
    panel.get_by_label("total", exact=True).fill('"12"')
    expect(panel.get_by_text("must be a number, and is text").first).to_be_visible()
    desk.look("mapping-fields")
    panel.get_by_label("total", exact=True).fill("12")
    panel.get_by_label("place.street", exact=True).click()
    panel.get_by_role("button", name=re.compile("^sent")).first.click()
    expect(result).to_contain_text('"street": true')

    panel.get_by_text("Expression", exact=True).first.click()
    whole = panel.get_by_role("textbox", name="Expression", exact=True)
    text = whole.inner_text()
    assert '"place": {' in text
    whole.press("Control+End")
    page.keyboard.type(" & ;")
    expect(result.get_by_role("alert")).to_contain_text("Line 7, column 5")
    desk.look("mapping-expression")
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(whole).not_to_be_focused()
    panel.get_by_text("Fields", exact=True).click()
    expect(panel.get_by_label("email", exact=True)).to_have_text("$string(body.sent)")
    assert "street" in str(written(desk, "built", "again")["input"])


def test_a_push_is_seen_while_it_is_built_and_rolled_out(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "copier"
    made.mkdir()
    (made / "copy.py").write_text(PUSHED)
    (made / "component.json").write_text(
        '{"title": "Copier", "actions": {"copy": {"title": "Copy", "main": "copy.py"}}}'
    )
    page = desk.open("/components")
    page.get_by_role("button", name="How to push").click()
    expect(page.get_by_role("dialog").get_by_label("What to type")).to_contain_text(
        f"git push {desk.url}/git/my-component"
    )
    page.keyboard.press("Escape")
    push(desk.running, made)
    page.get_by_role("link", name="copier", exact=True).click()
    expect(page.get_by_text("latest", exact=True)).to_be_visible()
    copied = "flow: copied\nsteps:\n  - {id: a, trigger: webhook/receive}\n  - {id: b, after: a, action: copier/copy}\n"
    desk.running.publish(copied, tmp_path)

    # Pushed by git in the background: the page opens the new revision, its log grows, and it becomes the latest.
    (made / "copy.py").write_text(PUSHED + "\n")
    (made / "requirements.txt").write_text("idna==3.10\n")
    pushing = ThreadPoolExecutor(1).submit(push, desk.running, made)
    log = page.get_by_role("log", name="Build log")
    expect(log).to_contain_text("==>")
    expect(page.get_by_role("button", name=re.compile("Revision 2 .*(building|waits)"))).to_be_visible()
    early = log.inner_text()
    expect(page.get_by_role("button", name=re.compile("Revision 2 .*built latest"))).to_be_visible(timeout=60_000)
    assert len(log.inner_text()) > len(early)
    assert "built revision" in pushing.result()
    desk.look("component")

    page.get_by_role("tab", name="Flows (1)").click()
    row = page.get_by_role("row", name=re.compile("copied"))
    expect(row).to_contain_text("moves it to revision 2")
    desk.look("rollout")
    page.get_by_role("button", name="Roll out to 1 flow").click()
    expect(page.get_by_role("status").filter(has_text="Rollout done")).to_be_visible(timeout=30_000)
    expect(row).to_contain_text("revision 2")
    page.get_by_role("tab", name="Descriptor").click()
    desk.look("descriptor")

    # A step that is pinned to the older one is told what it would get.
    draft(desk, "pinned", [{"id": "copy", "after": "order", "action": "copier/copy", "version": 1}])
    page.get_by_role("group", name=re.compile("action copy")).click()
    panel = page.get_by_role("region", name="Step copy")
    expect(panel.get_by_role("alert").filter(has_text="Revision 2 is newer").get_by_role("listitem")).to_have_count(1)
    panel.get_by_role("button", name="Use the latest").click()
    expect(panel.get_by_role("alert")).to_be_hidden()
    assert "version" not in written(desk, "pinned", "copy")
