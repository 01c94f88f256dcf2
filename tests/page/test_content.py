"""What the run page says of a run, whatever state it is in."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("jinja2")

from orchestra_core.course import StageSummary
from orchestra_core.page.content import RunPage, page_of
from orchestra_core.page.rendering import render_list, render_live, render_run
from orchestra_core.report import Decision, Rung
from orchestra_core.testing import reports

CANCELLED = {"type": "run_cancelled", "msg": "interrupted by the user", "hint": "orchestra resume r"}


def shown(report, **more):
    """The page's text without markup."""
    html = render_live(page_of(report, str, **more))
    html = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def with_stage(name, status, done, planned, **changes):
    stage = StageSummary(name=name, status=status, done=done, planned=planned)
    return reports.no_verdict().model_copy(update={"stages": (stage,), **changes})


def test_a_cancelled_run_has_no_error_but_a_word_on_what_to_do():
    report = reports.no_verdict().model_copy(update={"status": "cancelled", "error": CANCELLED})
    text = shown(report, offers="resume")
    assert "The run was cancelled before an A/B: interrupted by the user" in text
    assert "Resume the run" in text
    assert "orchestra resume" not in text
    html = render_live(page_of(report, str))
    assert 'role="alert"' not in html
    assert "orchestra resume r" in html  # in the file by itself there is no button


def test_a_failed_run_tells_its_error_once():
    html = render_live(page_of(reports.failed(), str))
    assert html.count("answered 503") == 1
    assert 'role="alert"' in html
    assert "Start the service." in html


def test_a_resume_that_failed_is_told_even_of_a_cancelled_run():
    report = reports.no_verdict().model_copy(update={"status": "cancelled", "error": CANCELLED})
    page = page_of(report, str, error={"msg": "the data changed", "hint": "--fork"}, offers="resume")
    assert 'role="alert"><strong>the data changed' in render_live(page)


def test_an_interrupted_run_is_not_still_going():
    report = reports.no_verdict().model_copy(update={"status": "running", "decisions": ()})
    assert "still going" in shown(report, status="running", live=True)
    text = shown(report, status="interrupted", offers="resume")
    assert "still going" not in text
    assert "process is gone" in text


@pytest.mark.parametrize(
    ("status", "offers", "words"),
    [
        ("queued", "cancel", ("Place 3 in the queue", "Cancel the run")),
        ("cancelled", "resume", ("cancelled before it began", "Start it after all")),
        ("refused", "", ("Ask for another run",)),
    ],
)
def test_a_run_that_has_not_begun_is_no_dead_end(status, offers, words):
    from orchestra_core.service.pages import TO_BEGIN

    page = RunPage(
        run_id="r",
        status=status,
        mode="full",
        opening=TO_BEGIN.get(status, "It never began"),
        reason="",
        report=None,
        queue_position=3 if status == "queued" else None,
        offers=offers,
    )
    html = render_run(page)
    assert all(word in html for word in words)


def test_at_most_is_said_only_while_it_holds():
    assert "400 of at most 648 evaluations" in shown(with_stage("ab", "running", 400, 648), live=True)
    beyond = shown(with_stage("ab", "running", 648, 400), live=True)  # an older journal
    assert "648 evaluations" in beyond
    assert "at most" not in beyond
    assert "at most" not in shown(with_stage("ab", "done", 400, 648))


def test_the_share_of_the_grid_counts_the_rung_that_runs():
    report = with_stage("grid", "running", 135, 800, rungs=(), evaluations=0, evaluations_full=5400)
    assert "2.5% (135 of 5,400)" in shown(report, live=True)
    report = with_stage("grid", "running", 1, 800, rungs=(), evaluations=0, evaluations_full=5400)
    assert "less than 0.1%" in shown(report, live=True)
    report = with_stage("smoke", "running", 9, 800, rungs=(), evaluations=0, evaluations_full=5400)
    assert "full grid" not in shown(report, live=True)


def test_a_shrink_beside_a_stop_is_not_told_as_if_it_had_happened():
    said = {"stage": "grid", "rung": 0, "plugin": "reflection_rules"}
    ids = ("k10-a0", "k10-a0p5", "k20-a0p5")
    decisions = (
        Decision(kind="early_stop", rule="plateau", reason="nobody gains", **said),
        Decision(kind="shrink", rule="recall_variance", reason="1 of 3", survivors=ids[:1], **said),
    )
    rung = Rung(rung=0, queries=5, entered=3, survivors=ids, best=ids[0], best_value=0.6)
    text = shown(reports.win().model_copy(update={"decisions": decisions, "rungs": (rung,)}))
    assert "nobody plateau: nobody gains Not followed: recall_variance: 1 of 3" in text
    followed = rung.model_copy(update={"survivors": ids[:1], "dropped_forced": ids[1:]})
    text = shown(reports.win().model_copy(update={"decisions": decisions[1:], "rungs": (followed,)}))
    assert "Not followed" not in text
    assert "2 to keep the budget" in text


def test_race_table_and_job_say_why_in_the_same_words():
    report = reports.win()
    first, *others = report.candidates
    first = first.model_copy(update={"dropped_in_rung": 0, "drop": "forced"})
    page = page_of(report.model_copy(update={"candidates": (first, *others)}), str)
    row = next(row for row in page.rows if row["config_id"] == first.config_id)
    assert row["left"] == "rung 1: to keep the budget"


def test_every_time_has_a_zone():
    assert "2025-11-07 10:15:00 UTC" in shown(reports.win())
    row = {"run_id": "r", "status": "queued", "verdict": None, "winner": None, "published": False}
    row |= {"started_at": None, "queued_at": "2025-11-07T10:15:00.000Z"}
    assert "queued 2025-11-07 10:15:00 UTC" in render_list([row])


def test_baseline_and_winner_stand_where_the_ab_measured_them():
    report = reports.win()
    few = report.candidates[-1].model_copy(
        update={"metrics": {"recall@10": 0.99, "p95_ms": 0.1, "count": 5.0}, "drop": "forced"}
    )
    update = {"candidates": (*report.candidates[:-1], few)}
    chart = page_of(report.model_copy(update=update), str).chart
    tested = {mark.kind: mark for mark in chart.marks if mark.stage == "ab"}
    assert tested["winner"].y < tested["baseline"].y  # higher up
    assert f"on {report.verdict.queries} other queries" in tested["baseline"].label
    early = next(m for m in chart.marks if m.stage == "grid" and m.config_id == few.config_id)
    assert early.early
    assert "on 5 tuning queries" in early.label
    assert early.kind == "dropped"
    assert any("Hollow" in note for note in chart.notes)
    assert ("○", "fewer queries") in {(one.sign, one.meaning) for one in chart.legend}


def test_a_baseline_outside_the_space_stands_nowhere_but_in_the_ab():
    report = reports.win()
    rest = tuple(c for c in report.candidates if c.config_id != report.baseline.config_id)
    page = page_of(report.model_copy(update={"candidates": rest}), str)
    marks = [m for m in page.chart.marks if m.config_id == report.baseline.config_id]
    assert [mark.stage for mark in marks] == ["ab"]
    assert any(f"{len(rest)} configurations as the grid" in note for note in page.chart.notes)
    (row,) = [row for row in page.rows if row["baseline"]]
    assert row["outside"]
    assert "outside the space: asked other queries" in render_live(page)


def test_latencies_that_hardly_differ_are_drawn_close_together():
    report = reports.win().model_copy(update={"verdict": None, "winner": None})
    near = [
        c.model_copy(update={"metrics": {**c.metrics, "p95_ms": 3.0 + 0.001 * i}})
        for i, c in enumerate(report.candidates)
    ]
    update = {"candidates": tuple(near), "baseline": near[0]}
    marks = page_of(report.model_copy(update=update), str).chart.marks
    assert max(m.x for m in marks) - min(m.x for m in marks) < 5
