"""The page in a real browser: Debian's Chromium, headless. Skipped where there is none.

Screenshots are kept in the folder that SERVICE_SCREENSHOTS names, else in the test run's own.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

pytest.importorskip("playwright.sync_api")
SPACE = [round(0.3 + i / 300, 4) for i in range(180)]


def fits(page):
    """Nothing sticks out to the right."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture(scope="module")
def slow(serve_module):
    """A service whose runs leave all artifacts."""
    return serve_module(target=("--plugins", "service_target"))


@pytest.fixture(scope="module")
def large(slow):
    """A finished run of 180 configurations."""
    run_id = slow.run(experiment={"space": {"quality": SPACE}, "name": "large"})["run_id"]
    slow.wait(run_id, seconds=120)
    slow.events(run_id)  # to the last artifact
    return run_id


def test_a_run_from_the_form_to_its_artifacts(serve, held, open_page, shots):
    served = serve(target=("--plugins", "service_target"), **held.environ)
    held("asking")
    page = open_page()
    page.goto(served.url + "/")
    page.select_option("select[name=collection]", "fiqa_para_50k")
    page.fill("input[name=top_k]", "5, 10")
    page.get_by_role("button", name="Dry run").click()
    plan = page.locator("#plan")
    plan.wait_for(state="visible")
    assert "Nothing was sent." in page.locator("#told").inner_text()
    assert "6 configurations" in plan.inner_text()
    page.screenshot(path=shots / "form.png", full_page=True)
    assert served.get("/orchestrate/runs").json()["total"] == 0
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/stub-"))
    page.locator("#s-stages .running").first.wait_for()
    page.screenshot(path=shots / "running.png", full_page=True)
    held.release()
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
    page.locator(".mark.winner").click()
    page.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="hidden")


def test_an_error_is_told_in_the_form(slow, open_page):
    page = open_page(expected="409")  # Chromium logs every answer above 399
    page.goto(slow.url + "/")
    page.select_option("select[name=collection]", "absent_para")
    with page.expect_response(lambda r: r.url.endswith("/run")) as answer:
        page.get_by_role("button", name="Dry run").click()
    assert answer.value.status == 409
    page.get_by_role("alert").wait_for()
    assert "orchestra data pull absent" in page.get_by_role("alert").inner_text()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"


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


def test_a_large_run_costs_the_browser_little(slow, large, open_page):
    """Processor time until all is there, which a busy machine does not stretch as it does a paint."""
    page = open_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(slow.url + f"/runs/{large}")
    assert page.locator("#s-chart .mark").count() >= 180
    figures = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    assert 0 < figures["TaskDuration"] < 1


def test_the_chart_fits_a_narrow_screen(slow, large, open_page):
    page = open_page(360)
    page.goto(slow.url + f"/runs/{large}")
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.chart .mark, .chart text')].filter((e) => {
            const box = e.getBoundingClientRect();
            return box.width && (box.left < 0 || box.right > window.innerWidth);
        }).map((e) => e.outerHTML)"""
    )
    assert outside == []
    numbers = page.evaluate(
        """() => [...document.querySelectorAll('.chart .grid text[text-anchor="middle"]')]
            .map((e) => e.getBoundingClientRect()).filter((box) => box.width)
            .map((box) => [box.left, box.right]).sort((a, b) => a[0] - b[0])"""
    )
    assert all(left > right for (_, right), (left, _) in pairwise(numbers))


def test_marks_beneath_others_can_be_reached(slow, large, open_page):
    page = open_page()
    page.goto(slow.url + f"/runs/{large}")
    page.locator('.mark[href="#c-q0p3"]').first.hover(force=True)  # many have the same figures
    assert "more at this place" in page.locator("#tip").inner_text()
    page.mouse.down()
    page.mouse.up()
    dialog = page.locator("dialog")
    dialog.wait_for(state="visible")
    assert "configurations at this place" in page.locator("#job-title").inner_text()
    one = dialog.locator("[data-config]").last
    name = one.inner_text()
    one.click()
    assert page.locator("#job-title").inner_text() == name
    assert "grid · ok" in dialog.inner_text()


def place(page):
    """Where the mark with the focus lies."""
    return tuple(page.evaluate("(({ x, y }) => [+x, +y])(document.activeElement.dataset)"))


def places(page):
    return page.evaluate(
        "[...document.querySelectorAll('.mark')].map(({ dataset: { x, y } }) => [+x, +y])"
    )


def test_the_keyboard_reaches_everything(slow, large, open_page, shots):
    page = open_page()
    page.goto(slow.url + f"/runs/{large}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator('.mark[tabindex="0"]').focus()
    assert page.locator('.mark[tabindex="0"]').count() == 1
    page.keyboard.press("Home")
    assert place(page)[0] == min(x for x, _ in places(page))
    page.keyboard.press("End")
    assert place(page)[0] == max(x for x, _ in places(page))
    assert fits(page)
    page.keyboard.press("Home")
    assert place(page)[0] == min(x for x, _ in places(page))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    before = place(page)
    page.keyboard.press("ArrowUp")
    assert place(page)[1] < before[1]
    before = place(page)
    page.keyboard.press("ArrowDown")
    assert place(page)[1] > before[1]
    first = page.locator("#tip").inner_text()
    page.keyboard.press("ArrowUp")
    second = page.locator("#tip").inner_text()
    assert first != second
    page.evaluate("document.addEventListener('keydown', (e) => { window.taken = e.defaultPrevented; })")
    for keys in ("Alt+ArrowLeft", "Control+Home", "Control+ArrowRight", "Shift+End"):
        page.keyboard.press(keys)
        assert page.evaluate("window.taken") is False, keys
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
    page.goto(slow.url + "/")
    assert "The form needs JavaScript" in page.locator("noscript .note").inner_text()
    assert not page.get_by_role("button", name="Start the run").is_visible()
    context.close()


def test_an_address_is_never_markup(slow, open_page):
    page = open_page(expected="404")
    page.goto(slow.url + "/runs/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert page.locator("img").count() == 0
    assert "is not a valid run id" in page.inner_text("h1")
