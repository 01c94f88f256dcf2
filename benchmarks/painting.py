"""How soon a browser shows a page: Debian's Chromium, headless, with an empty cache each time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
    for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""
"""ms from the start of the navigation to the first paint with content in it."""


@dataclass(frozen=True)
class Paints:
    """What the browser saw of one page."""

    seconds: list[float]
    """Wall time to the first paint, one for each time it was opened."""
    marks: int
    """Configurations in its chart."""
    complaints: list[str]
    """What its console said."""


def missing() -> str:
    """What this machine lacks; empty when nothing."""
    if CHROMIUM is None:
        return "it needs Chromium (apt-get install chromium)"
    return "" if find_spec("playwright") else "it needs playwright (pip install playwright)"


def first_paints(url: str, times: int) -> Paints:
    """Open a page so many times, each in a context of its own."""
    from playwright.sync_api import sync_playwright

    seconds: list[float] = []
    complaints: list[str] = []
    marks = 0
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(url)
            seconds.append(page.evaluate(PAINTED) / 1000)
            marks = page.locator("#s-chart .mark").count()
            context.close()
        browser.close()
    return Paints(seconds, marks, complaints)
