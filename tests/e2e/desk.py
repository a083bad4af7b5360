"""Somebody in front of the designer: opens pages, looks at them in every light, and lets axe look."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Page
from tests.acceptance.headrace import Headrace

__all__ = ["SETTLED", "Desk"]

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
"""Pictures of every page, for whoever changes one."""
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", 390)}

SETTLED = """Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
  .map((each) => each.finished.catch(() => null)))"""
"""Resolves when nothing moves any more but what always does."""


BEYOND = """(() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > page.clientWidth + 0.5)
    .slice(0, 5).map((each) => each.outerHTML.slice(0, 160));
})()"""
"""What is wider than the page, when it has to be scrolled to the side."""


class Desk:
    """A page of the designer, and the platform behind it."""

    def __init__(self, running: Headrace, page: Page) -> None:
        self.running = running
        self.page = page

    @property
    def url(self) -> str:
        """Of the server."""
        return str(self.running.server["url"])

    def signed_in(self) -> Self:
        """With the link that ``headrace up`` prints."""
        self.page.goto(f"{self.url}/signin?token={self.running.token}")
        return self

    def open(self, path: str) -> Page:
        """The page at an address."""
        self.page.goto(self.url + path)
        return self.page

    def look(self, name: str) -> None:
        """Take its picture in light, dark and narrow, and fail when axe finds anything serious in one of them."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        for look, (scheme, width) in LOOKS.items():
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.locator(f"html[data-mantine-color-scheme={scheme}]").wait_for(state="attached")
            self.page.evaluate(SETTLED)
            self.page.screenshot(path=SHOTS / f"{name}-{look}.png")
            found = self._serious()
            assert not found, f"{name}, {look}: {found}"
            wide = self.page.evaluate(BEYOND)
            assert not wide, f"{name}, {look}: has to be scrolled to the side for {wide}"
        self.page.set_viewport_size({"width": 1280, "height": 800})
        self.page.emulate_media(color_scheme="light")

    def _serious(self) -> list[Any]:
        """What the page's own policy forbids, scripts from elsewhere, the browser's debugger may still add."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (each["id"], each["help"], [node["html"][:200] for node in each["nodes"]][:3])
            for each in result["violations"]
            if each["impact"] in ("serious", "critical")
        ]
