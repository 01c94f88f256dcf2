"""The page in a real browser: Debian's Chromium, headless. Skipped where there is none.

Screenshots are kept in the folder that SERVICE_SCREENSHOTS names, else in the test run's own.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
SPACE = [round(0.3 + i / 300, 4) for i in range(180)]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    named = os.environ.get("SERVICE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser):
    """`open_page(width=360, scheme="dark")`: a page on which nothing may be logged, or go elsewhere."""
    contexts, complaints = [], []

    def open_(width=1280, scheme="light", *, expected="nothing"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda m: complaints.append(m.text) if expected not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not is_own(r.url) else None)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def is_own(url):
    return url.startswith(("http://127.0.0.1:", "data:", "file:"))


def fits(page):
    """Nothing sticks out to the right."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture(scope="module")
def slow(serve_module):
    """A service whose runs take a few seconds, with all artifacts."""
    return serve_module(target=("--plugins", "service_target"), SERVICE_STUB_SECONDS="0.3")


@pytest.fixture(scope="module")
def large(slow):
    """A finished run of 180 configurations."""
    run_id = slow.run(experiment={"space": {"quality": SPACE}, "name": "large"})["run_id"]
    slow.wait(run_id, seconds=120)
    slow.events(run_id)  # to the last artifact
    return run_id


def test_a_run_from_the_form_to_its_artifacts(slow, open_page, shots):
    page = open_page()
    page.goto(slow.url + "/")
    page.select_option("select[name=collection]", "fiqa_para_50k")
    page.fill("input[name=top_k]", "5, 10")
    page.get_by_role("button", name="Dry run").click()
    plan = page.locator("#plan")
    plan.wait_for(state="visible")
    assert "Nothing was sent." in page.locator("#told").inner_text()
    assert "6 configurations" in plan.inner_text()
    page.screenshot(path=shots / "form.png", full_page=True)
    assert slow.get("/orchestrate/runs").json()["total"] == 0
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/stub-"))
    page.locator("#s-stages .running").first.wait_for()
    page.screenshot(path=shots / "running.png", full_page=True)
    page.locator("#s-head .state.completed").wait_for(timeout=90_000)
    page.get_by_text("The run has ended.").wait_for()
    assert page.locator("#s-head .verdict").inner_text() == "Win"
    assert page.locator("#s-stages li.done").count() == 5
    page.screenshot(path=shots / "finished.png", full_page=True)
    page.get_by_role("link", name=re.compile("winners.md")).click()
    page.wait_for_load_state()
    assert "run stub-" in page.inner_text("body")
    page.go_back()
    page.get_by_role("link", name=re.compile("report.html")).click()
    page.wait_for_load_state()
    assert page.locator("#s-head .verdict").inner_text() == "Win"
    page.locator(".mark.winner").hover()
    assert "recall@10" in page.locator("#tip").inner_text()


def test_an_error_is_told_in_the_form(slow, open_page):
    page = open_page(expected="409")  # Chromium logs every answer above 399
    page.goto(slow.url + "/")
    page.select_option("select[name=collection]", "absent_para")
    with page.expect_response(lambda r: r.url.endswith("/run")) as answer:
        page.get_by_role("button", name="Dry run").click()
    assert answer.value.status == 409
    page.get_by_role("alert").wait_for()
    assert "orchestra data pull absent" in page.get_by_role("alert").inner_text()


WIDTHS = [(360, "light"), (360, "dark"), (768, "light"), (1600, "light"), (1600, "dark")]


@pytest.mark.parametrize(("width", "scheme"), WIDTHS)
def test_everything_fits_at_every_width(width, scheme, slow, large, open_page, shots):
    page = open_page(width, scheme)
    for path, name in (("/", "home"), (f"/runs/{large}", "run")):
        page.goto(slow.url + path)
        assert fits(page), path
        page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
    page.locator("#all-candidates summary").click()
    assert fits(page)


def test_a_large_run_is_painted_within_a_second(slow, large, open_page):
    page = open_page()
    page.goto(slow.url + f"/runs/{large}")
    painted = page.evaluate(
        """() => new Promise((told) => new PerformanceObserver((list) => {
            const paint = list.getEntriesByName("first-contentful-paint")[0];
            if (paint) told(paint.startTime);
        }).observe({ type: "paint", buffered: true }))"""
    )
    assert page.locator(".mark").count() >= 180
    assert painted < 1000


def test_the_keyboard_reaches_everything(slow, large, open_page, shots):
    page = open_page()
    page.goto(slow.url + f"/runs/{large}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator('.mark[tabindex="0"]').focus()
    assert page.locator('.mark[tabindex="0"]').count() == 1
    first = page.locator("#tip").inner_text()
    page.keyboard.press("ArrowLeft")
    second = page.locator("#tip").inner_text()
    assert first.splitlines()[0] != second.splitlines()[0]
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    dialog.wait_for(state="visible")
    assert page.locator("#job-title").inner_text() == second.splitlines()[0]
    assert "grid · ok" in dialog.inner_text()
    page.screenshot(path=shots / "job.png")
    link = dialog.get_by_role("link", name="metrics.json").first.get_attribute("href")
    assert slow.get(link).json()["config"]["config_id"] == second.splitlines()[0]
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.dataset.config") == second.splitlines()[0]


def test_every_focus_and_control_has_a_name(slow, large, open_page):
    page = open_page()
    for path in ("/", f"/runs/{large}"):
        page.goto(slow.url + path)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, [tabindex="0"]')]
                .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label')
                    || e.labels?.length)).map((e) => e.outerHTML)"""
        )
        assert nameless == []
        assert page.locator("h1").count() == 1


def test_a_run_is_cancelled_from_its_page(slow, open_page):
    run_id = slow.run(again=True)["run_id"]
    slow.wait(run_id, "running")
    page = open_page()
    page.goto(slow.url + f"/runs/{run_id}")
    page.get_by_role("button", name="Cancel the run").click()
    page.locator("#s-head .state.cancelled").wait_for()
    assert slow.status(run_id)["status"] == "cancelled"
    page.get_by_role("button", name="Resume the run").click()
    page.locator("#s-head .state.completed").wait_for(timeout=90_000)
    assert slow.status(run_id)["status"] == "completed"


def test_the_file_by_itself_is_the_same_page(slow, large, open_page, shots):
    live, file = open_page(), open_page()
    live.goto(slow.url + f"/runs/{large}")
    path = slow.home / "reports" / large / "report.html"
    file.goto(path.as_uri())
    for section in ("#s-head h1", "#s-stages", "#s-chart", "#s-race", "#s-ab", "#s-candidates"):
        assert file.locator(section).inner_text() == live.locator(section).inner_text(), section
    file.locator(".mark.winner").click()
    assert "ab · ok" in file.locator("dialog").inner_text()
    href = file.locator("dialog").get_by_role("link", name="metrics.json").first.get_attribute("href")
    assert (path.parent / href).resolve().is_file()
    file.screenshot(path=shots / "standalone.png", full_page=True)


def test_it_can_be_read_without_a_script(slow, large, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(slow.url + f"/runs/{large}")
    assert page.locator("#s-head .verdict").inner_text() == "Win"
    assert page.locator(".mark.winner").get_attribute("aria-label").startswith("q0p")
    page.locator("#all-candidates summary").click()
    assert page.locator("#s-candidates tbody tr").count() >= 180
    context.close()


def test_texts_of_plugins_and_users_are_never_markup(slow, open_page):
    experiment = {
        "name": "quoted",
        "space": {"quality": [0.3, 0.9]},
        "objective": {"maximize": "RR@10"},
    }
    run_id = slow.run(experiment=experiment, mode="smoke")["run_id"]
    slow.wait(run_id)
    journal = slow.home / "reports" / "events" / f"{run_id}.jsonl"
    assert journal.exists()
    page = open_page(expected="404")
    page.goto(slow.url + "/runs/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert page.locator("img").count() == 0
    assert "is not a valid run id" in page.inner_text("h1")
