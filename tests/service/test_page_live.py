"""The page while its run goes on: focus and messages stay, and no state is a dead end."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api")

TARGET = ("--plugins", "service_target,no:reporters")
FOCUS = "document.activeElement.id"


@pytest.fixture
def paced(serve, held):
    """A service for one run at a time, which waits until `held.release()`, and then takes a while."""
    held("asking")
    return serve("--workers", "1", target=TARGET, SERVICE_STUB_SECONDS="1", **held.environ)


def watch(paced, page, run_id, *, stage="smoke"):
    page.goto(paced.url + f"/runs/{run_id}")
    page.locator(f"#stage-{stage}.running").wait_for()


def test_a_button_keeps_focus_and_press_while_the_page_changes(paced, held, open_page):
    page, run_id = open_page(), paced.run()["run_id"]
    watch(paced, page, run_id)
    button = page.get_by_role("button", name="Cancel the run")
    button.focus()
    handle, box = button.element_handle(), button.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    held.release()
    page.locator("#stage-grid.running").wait_for()
    assert page.evaluate(FOCUS) == "do-cancel"
    assert handle.evaluate("(button) => button.isConnected")
    page.mouse.up()
    page.locator("#s-head .state.cancelled").wait_for()
    assert paced.wait(run_id)["status"] == "cancelled"


def test_a_refusal_stays_and_has_the_focus(paced, held, open_page):
    page, run_id = open_page(expected="409"), paced.run()["run_id"]
    watch(paced, page, run_id)
    refused = {"status": 409, "content_type": "application/problem+json"}
    refused["body"] = '{"message": "It <b>cannot</b> be cancelled", "hint": "Wait."}'
    page.route("**/orchestrate/cancel", lambda route: route.fulfill(**refused))
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("alert").wait_for()
    held.release()
    page.locator("#stage-grid.running").wait_for()
    assert page.get_by_role("alert").inner_text() == "It <b>cannot</b> be cancelled\nWait."
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.unroute("**/orchestrate/cancel")
    page.get_by_role("button", name="Cancel the run").click()  # it is not off
    page.locator("#s-head .state.cancelled").wait_for()


def test_cancelled_by_keyboard_then_resumed(paced, held, open_page):
    page, run_id = open_page(), paced.run(mode="smoke")["run_id"]
    watch(paced, page, run_id)
    page.get_by_role("button", name="Cancel the run").focus()
    page.keyboard.press("Enter")
    page.locator("#s-head .state.cancelled").wait_for()
    assert page.evaluate(FOCUS) == "state"  # the button is gone
    assert page.get_by_role("alert").count() == 0
    assert "interrupted by the user" in page.locator("#s-head").inner_text()
    held.release()
    page.get_by_role("button", name="Resume the run").click()
    page.locator("#s-head .state.completed").wait_for()
    assert paced.status(run_id)["status"] == "completed"
    assert "Asked" not in page.locator("#told").inner_text()


def test_a_run_cancelled_in_the_queue_can_be_started_after_all(paced, held, open_page):
    first = paced.run(mode="smoke")["run_id"]
    second = paced.run(mode="smoke", again=True)["run_id"]
    page = open_page()
    page.goto(paced.url + f"/runs/{second}")
    assert "Place 1 in the queue" in page.locator("#s-head").inner_text()
    page.get_by_role("button", name="Cancel the run").click()
    page.locator("#s-head .state.cancelled").wait_for()
    assert "cancelled before it began" in page.locator("#s-head").inner_text()
    page.get_by_role("button", name="Start it after all").click()
    page.locator("#s-head .state.queued").wait_for()
    held.release()
    page.locator("#s-head .state.completed").wait_for()
    assert paced.wait(first)["status"] == "completed"


def test_a_run_that_is_starting_has_a_page(paced, held, open_page):
    held("starting")
    page, run_id = open_page(), paced.run(mode="smoke")["run_id"]
    assert page.goto(paced.url + f"/runs/{run_id}").status == 200
    page.locator("#s-head .state.starting").wait_for()
    held.release()
    page.locator("#s-head .state.completed").wait_for()
    assert page.locator("#stage-smoke.done").count() == 1


def test_the_list_is_updated_around_the_focus(paced, held, open_page):
    page, run_id = open_page(), paced.run(mode="smoke")["run_id"]
    paced.wait(run_id, "running")
    page.goto(paced.url + "/")
    page.get_by_role("link", name=run_id).focus()
    held.release()
    page.locator("#runs .state.completed").wait_for()
    assert page.evaluate("document.activeElement.textContent") == run_id
