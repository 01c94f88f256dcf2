"""Texts of plugins and users are never markup: in no sentence of the page, and in nothing scripted.

Every text of a run is replaced by one that would begin an element wherever it stood unescaped.
"""

from __future__ import annotations

import shutil
from html.parser import HTMLParser

import pytest
from pydantic import ValidationError

pytest.importorskip("jinja2")

from orchestra_core.course import StageSummary, ToldEvent
from orchestra_core.page.content import RunPage, page_of
from orchestra_core.page.rendering import (
    render_home,
    render_list,
    render_live,
    render_problem,
    render_run,
    render_standalone,
)
from orchestra_core.report import Report, Ruling
from orchestra_core.testing import reports

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SPARED = {"stage", "point", "metric", "maximize", "unit"}
"""Keys whose text chooses what is shown: with another one less would be."""
BREAKOUT = "'\"></script><x-hostile onx=window.XSS=1></x-hostile><img src=x onerror=window.XSS=1>"


def hostile(number):
    """`<` for text, quotes for attributes, `</script>` for data within a script."""
    return f"t{number}{BREAKOUT}"


class Poison:
    """Replaces texts, the same one always by the same, so that ids still match."""

    def __init__(self):
        self.known = {}

    def of(self, text):
        return self.known.setdefault(text, hostile(len(self.known)))

    def within(self, value, spared, path=()):
        if isinstance(value, dict):
            return {k: self.within(v, spared, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.within(v, spared, (*path, i)) for i, v in enumerate(value)]
        keeps = not isinstance(value, str) or not value or path in spared or path[-1] in SPARED
        return value if keeps else self.of(value)


def poisoned(report):
    """The report with every text replaced that may be any text; what a model refuses stays."""
    poison, spared = Poison(), set()
    content = report.model_dump(mode="json")
    while True:
        try:
            return Report.model_validate(poison.within(content, spared), strict=False), poison
        except ValidationError as error:
            refused = {tuple(e["loc"]) for e in error.errors()}
            assert refused - spared
            spared |= refused


def everything():
    """A report that fills every section: warnings, rulings, stages, events, moved queries and so on."""
    content = reports.win().model_dump(mode="json")
    moved = [{"query_id": "q1", "text": "why?", "baseline": 0.0, "challenger": 1.0}]
    for chosen in (content["winner"], content["baseline"], *content["candidates"]):
        chosen["parameters"] = {hostile("key"): "a word"}
    content["candidates"][1] |= {"dropped_in_rung": 0, "drop": "forced"}
    content["verdict"] |= {"gained": moved, "lost": moved, "test": "a sign test"}
    content["jobs"][0] |= {"failures_by_reason": {hostile("why"): 2}}
    content["jobs"][0]["files"] = {hostile("file"): "0" * 64}
    return Report.model_validate(content, strict=False).model_copy(
        update={
            "warnings": ("the index changed",),
            "rulings": (Ruling(kind="warn", reason="slow", rule="p95", hint="Look.", plugin="guard"),),
            "stages": (StageSummary(name="grid", status="done"),),
            "events": (ToldEvent(seq=1, event_type="VERDICT", created_at="2025", message="ab won"),),
            "error": {"type": "odd", "msg": "it broke", "hint": "Mend it."},
            "not_published_because": "because",
            "published": False,
        }
    )  # fmt: skip


def others():
    """Reports that say what a win does not: a denial, a race without an A/B, and a user's end."""
    deny = Ruling(kind="deny", reason="not in office hours", rule="hours", point="publish")
    error = {"type": "run_cancelled", "msg": "by the user", "hint": "Go on with it."}
    race = {"verdict": None, "winner": None}
    yield "denied", everything().model_copy(update={"rulings": (deny,)}), deny.reason
    yield "racing", everything().model_copy(update=race), reports.BASELINE
    ended = {"status": "cancelled", "error": error}
    yield "cancelled", everything().model_copy(update=race | ended), "Go on with it."


class Elements(HTMLParser):
    """Names of elements and attributes that no template has, and all text outside of tags."""

    def __init__(self, html):
        super().__init__()
        self.strange, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag in {"x-hostile", "img"} or any(name.startswith("on") for name, _ in attrs):
            self.strange.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


def run_pages(report, offers="cancel"):
    link = hostile("link")
    page = page_of(report, lambda _: link, artifacts=[(hostile("a"), link)], offers=offers)
    return {"run": render_run(page), "live": render_live(page), "file": render_standalone(page)}


def test_no_text_of_a_run_becomes_markup():
    report, poison = poisoned(everything())
    win = reports.win()
    texts = [
        "why?",
        "a sign test",
        "the index changed",
        "slow",
        "Look.",
        "ab won",
        "it broke",
        "because",
    ]
    texts += ["Mend it.", reports.CHALLENGER, win.name, win.dataset]
    texts += [win.decisions[0].reason, win.verdict.reason]
    for name, html in run_pages(report).items():
        found = Elements(html)
        assert found.strange == [], name
        for said in texts:
            assert poison.of(said) in found.text, (name, said)
        assert hostile("a") in found.text


def test_no_text_of_a_run_that_ends_otherwise_becomes_markup():
    for name, report, said in others():
        bad, poison = poisoned(report)
        for html in run_pages(bad, offers="").values():
            found = Elements(html)
            assert found.strange == [], name
            assert poison.of(said) in found.text, name


def test_no_text_of_the_other_pages_becomes_markup():
    bad = hostile("b")
    row = dict.fromkeys(
        ("run_id", "status", "verdict", "winner", "started_at", "queued_at", "published"), bad
    )
    empty = RunPage(bad, bad, bad, bad, bad, None, error={"msg": bad, "hint": bad})
    pages = {
        "list": render_list([row]),
        "problem": render_problem(bad, bad),
        "unbegun": render_run(empty),
        "home": render_home(
            {
                "runs": [row],
                "collections": [(bad, bad)],
                "parameters": (bad,),
                "values": {bad: bad, "sample": bad, "concurrency": bad},
                "trouble": {"msg": bad, "hint": bad},
            }
        ),
    }
    for name, html in pages.items():
        assert Elements(html).strange == [], name
        assert "&lt;x-hostile" in html, name


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_what_the_script_makes_of_a_run_is_no_markup_either(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    report, _ = poisoned(everything())
    file = tmp_path / "report.html"
    file.write_text(run_pages(report)["file"])
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        for index in range(page.locator(".mark").count()):
            page.locator(".mark").nth(index).focus()
            assert "<x-hostile" in page.locator("#tip").inner_text()
            page.keyboard.press("Enter")
            assert "<x-hostile" in page.locator("#job-title").inner_text()
            assert hostile("key") in page.locator("#job-body").inner_text()
            page.keyboard.press("Escape")
        page.locator(".mark.winner").click()
        assert "<x-hostile" in page.locator("dialog").inner_text()
        assert page.locator("x-hostile, img").count() == 0
        assert page.evaluate("window.XSS") is None
        assert errors == []
        browser.close()
