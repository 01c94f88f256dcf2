"""The pictures, measured on the canvas that draws them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from orchestra_reporters import ab_diff_png, pareto_png, winners_md
from orchestra_reporters.labels import Clutter, nearest, place
from orchestra_reporters.pareto_axes import spans_a_decade
from orchestra_reporters.pareto_labels import LABEL
from orchestra_reporters.settings import ReportersSettings

from orchestra_core.experiment import Objective
from orchestra_core.pictures import data_of
from orchestra_core.report import Ruling
from orchestra_core.stages.verdict import TEST
from orchestra_core.telling.points import scatter

SETTINGS = ReportersSettings()


def labels_of(figure):
    return [text for text in figure.axes[0].texts if text.get_gid() == LABEL]


def boxes_of(texts):
    return [text.get_window_extent() for text in texts]


def all_text(figure):
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return "\n".join(text.get_text() for text in texts)


def apart(one, other):
    return one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0


def check_labels(figure):
    figure.canvas.draw()
    boxes, area = boxes_of(labels_of(figure)), figure.axes[0].get_window_extent()
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert area.x0 <= box.x0 < box.x1 <= area.x1
        assert area.y0 <= box.y0 < box.y1 <= area.y1
    return len(boxes)


def check_headings(figure):
    width, height = figure.canvas.get_width_height()
    for box in boxes_of(figure.texts):
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height


@pytest.mark.parametrize("race", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5, 12, 44, 162, 180, 500])
def test_labels_never_overlap_nor_leave_the_axes(make_report, count, race):
    figure = pareto_png.draw(make_report("win", count, race=race, seed=count), SETTINGS)
    assert check_labels(figure) >= min(count, 2)
    check_headings(figure)


@pytest.mark.parametrize("dpi", [72, 200])
@pytest.mark.parametrize("step", [0.0, 1e-9, 1e-4])
def test_nearly_coincident_points(make_report, candidates, step, dpi):
    crowd = [
        c.model_copy(
            update={"metrics": {"recall@10": 0.7 + step * i, "p95_ms": 0.5 + step * i, "count": 100.0}}
        )
        for i, c in enumerate(candidates(180))
    ]
    figure = pareto_png.draw(make_report("win", candidates=crowd), ReportersSettings(dpi=dpi))
    assert check_labels(figure) >= 2


def test_the_overlap_check_can_fail(make_report):
    figure = pareto_png.draw(make_report("win", 44), SETTINGS)
    first, second = labels_of(figure)[:2]
    second.set_position(first.get_position())
    with pytest.raises(AssertionError):
        check_labels(figure)


def test_the_winner_the_baseline_and_the_front_are_named(make_report):
    report = make_report("win", 162)
    names = "\n".join(text.get_text() for text in labels_of(pareto_png.draw(report, SETTINGS)))
    shown = scatter(report)
    for role in ("winner", "baseline"):
        point = shown.with_role(role)
        figures = f"{point.quality:.4f} at {point.latency:.3f} ms"
        assert f"{role}: {figures}\n{point.config_id}" in names
    assert "fiqa_win256_o64-k10-a0p0-ef64" in names


def test_every_point_is_named_while_there_are_few(make_report):
    report = make_report("inconclusive", 5)
    names = "\n".join(text.get_text() for text in labels_of(pareto_png.draw(report, SETTINGS)))
    assert all(candidate.config_id in names for candidate in report.candidates)


def test_the_axis_is_logarithmic_beyond_a_decade(make_report, candidates):
    assert not spans_a_decade([1.0, 10.0])
    assert spans_a_decade([1.0, 10.1])
    assert not spans_a_decade([0.0, 10.1])
    wide = [
        c.model_copy(update={"metrics": {"recall@10": 0.5 + i / 500, "p95_ms": 10 * 1.03**i}})
        for i, c in enumerate(candidates(120))
    ]
    axes = pareto_png.draw(make_report("win", candidates=wide), SETTINGS).axes[0]
    assert axes.get_xscale() == "log"
    assert "milliseconds, logarithmic" in axes.get_xlabel()
    assert "0 to 1" in axes.get_ylabel()


def test_titles_tell_the_finding(make_report):
    def title(*args, **changes):
        return pareto_png.draw(make_report(*args, **changes), SETTINGS).texts[0].get_text()

    assert "takes recall@10 from 0.660 to 0.712" in title("win", 162)
    assert "baseline stays" in title("regression", 44)
    assert "Undecided" in title("inconclusive", 44)
    assert "stopped early" in title(None, 44, status="early_stopped")


def test_what_was_left_out_is_said(make_report, candidates):
    some = candidates(20)
    some[3] = some[3].model_copy(update={"metrics": {"recall@10": 0.7}})
    figure = pareto_png.draw(make_report("win", candidates=some), SETTINGS)
    assert "1 left out" in all_text(figure)


def test_nothing_measured_is_still_a_picture(make_report):
    report = make_report(None, 0, status="failed", error={"type": "health", "msg": "no answer"})
    report = report.model_copy(update={"baseline": report.baseline.model_copy(update={"metrics": {}})})
    figure = pareto_png.draw(report, SETTINGS)
    assert "Nothing to plot" in all_text(figure)
    assert "no answer" in all_text(figure)
    check_headings(figure)


def test_weird_strings_are_drawn_literally(make_report, candidates):
    odd = [
        c.model_copy(update={"config_id": name})
        for c, name in zip(candidates(4), ("$x^$", "日本語_🙂", "a\\b{", "n" * 300), strict=True)
    ]
    report = make_report("win", candidates=odd, dataset="$$", name="a\nb", run_id="r" * 190)
    figure = pareto_png.draw(report, SETTINGS)
    assert check_labels(figure) == 5
    check_headings(figure)
    assert "$x^$" in all_text(figure)
    assert "□" in all_text(figure)
    assert ab_diff_png.render(report, SETTINGS)


def test_one_panel_per_unit(make_report):
    report = make_report("win", 5)
    panels = ab_diff_png.panels(report.verdict)
    assert [unit for unit, _ in panels] == ["", "ms", "USD"]
    figure = ab_diff_png.draw(report, SETTINGS)
    assert len(figure.axes) == 3
    figure.canvas.draw()
    names = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    assert names == [
        ["recall@10", "ndcg@10", "mrr@10"],
        ["p50_ms", "p95_ms", "p99_ms"],
        ["cost_per_query"],
    ]
    assert all(axes.get_xlim()[0] < 0 < axes.get_xlim()[1] for axes in figure.axes)
    assert "+0.0307 to +0.0735" in all_text(figure)
    assert "USD per million queries" in all_text(figure)


def test_the_ab_picture_keeps_its_figures_apart(make_report):
    figure = ab_diff_png.draw(make_report("regression", 5, slow=130.0), SETTINGS)
    figure.canvas.draw()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    boxes = boxes_of(texts)
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    check_headings(figure)
    width = figure.canvas.get_width_height()[0]
    assert max(box.x1 for box in boxes) <= width


def test_an_ab_without_intervals_or_figures(make_report):
    report = make_report("win", 5)
    empty = {"baseline": None, "challenger": None, "delta": None, "ci_low": None, "ci_high": None}
    rows = [row.model_copy(update={**empty, "p_value": None}) for row in report.verdict.diff_table]
    verdict = report.verdict.model_copy(update={"diff_table": tuple(rows)})
    figure = ab_diff_png.draw(report.model_copy(update={"verdict": verdict}), SETTINGS)
    assert figure.texts[0].get_text() == "Win"
    same = verdict.model_copy(update={"challenger": verdict.baseline, "diff_table": ()})
    figure = ab_diff_png.draw(report.model_copy(update={"verdict": same}), SETTINGS)
    assert "nothing better than the baseline" in all_text(figure)


def test_a_denied_winner_has_no_star_and_says_why(make_report):
    told = "p95_ms is 5.19, limit 0.0001"
    denial = Ruling(kind="deny", rule="subject_to", reason=told, plugin="limits", point="publish")
    limits = Objective(subject_to={"p95_ms": 0.0001})
    report = make_report("win", 12, rulings=(denial,), objective=limits, published=False)
    front = pareto_png.draw(report, SETTINGS)
    assert front.texts[0].get_text().replace("\n", " ").startswith(f"Denied: {told}")
    assert scatter(report).with_role("winner") is None
    names = [text.get_text() for text in front.axes[0].get_legend().get_texts()]
    assert "breaks a limit" in names
    assert "above the limit of 0.000100 ms" in names
    assert ab_diff_png.draw(report, SETTINGS).texts[0].get_text() == f"Win, but denied: {told}"
    page = winners_md.render(report, SETTINGS).decode()
    assert page.splitlines()[2].startswith(f"**Win, but denied: {told}.**")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (2.05e-6, " among the 3 of 6 that keep cost_per_query ≤ 2.05e-06"),
        (1e-7, ", and nobody keeps cost_per_query ≤ 1e-07"),
        (1.0, ""),
    ],
)
def test_nothing_better_names_the_limits_that_left_few(make_report, candidates, limit, told):
    cheap = {"cost_per_query": 2e-6}
    few = [
        c.model_copy(update={"metrics": c.metrics | cheap}) if i < 3 else c
        for i, c in enumerate(candidates(6))
    ]
    verdict = make_report("no_difference", 6).verdict
    same = {"challenger": verdict.baseline, "diff_table": (), "queries": 0}
    report = make_report(
        "no_difference",
        candidates=few,
        objective=Objective(subject_to={"cost_per_query": limit}),
        verdict=verdict.model_copy(update=same),
    )
    for picture in (pareto_png, ab_diff_png):
        title = picture.draw(report, SETTINGS).texts[0].get_text().replace("\n", " ")
        assert title.endswith(f"nothing better than the baseline{told}")
    crossed = "Crossed out: breaks cost_per_query" in all_text(pareto_png.draw(report, SETTINGS))
    assert crossed == (limit < 1)


def test_the_small_print_of_an_ab_is_whole(make_report):
    report = make_report("win", 5)
    long = report.verdict.model_copy(update={"test": TEST})
    figure = ab_diff_png.draw(report.model_copy(update={"verdict": long}), SETTINGS)
    assert figure.texts[-1].get_text().replace("\n", " ").endswith(f"Method: {TEST}.")
    check_headings(figure)


def test_a_baseline_that_leads_is_not_set_against_itself(make_report):
    verdict = make_report("no_difference", 6).verdict
    same = {"challenger": verdict.baseline, "diff_table": (), "queries": 0}
    report = make_report("no_difference", 6, verdict=verdict.model_copy(update=same))
    assert "against" not in all_text(ab_diff_png.draw(report, SETTINGS))
    page = winners_md.render(report, SETTINGS).decode()
    assert "0 that nobody tuned on" not in page
    assert "\n- No A/B: " in page


@pytest.mark.parametrize("seed", [0, 5, 8, 10, 12, 15])
def test_no_leader_crosses_a_label_in_a_crowd(seed):
    anchors = np.array([250, 150]) + np.random.default_rng(seed).normal(0, 25, (14, 2))
    sizes = np.tile([110.0, 12.0], (14, 1))
    crowd = Clutter(anchors, anchors, anchors.copy(), np.full(14, 2.0))
    boxes = place(anchors, sizes, (0, 0, 500, 300), crowd)
    for index, (anchor, box) in enumerate(zip(anchors, boxes, strict=True)):
        leader = nearest(box[None], anchor)[0] - anchor
        line = anchor + leader * np.linspace(0, 1, 400)[:, None]
        if np.hypot(*leader) <= 10:  # none is drawn
            continue
        for other in (*boxes[:index], *boxes[index + 1 :]):
            assert not ((line > other[:2] + 1) & (line < other[2:] - 1)).all(axis=1).any()


def test_threads_draw_the_same_bytes(make_report):
    report = make_report("win", 44)
    alone = pareto_png.render(report, SETTINGS)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: pareto_png.render(report, SETTINGS), range(6))) == {alone}


def test_a_label_without_room_is_left_out():
    nowhere = Clutter(*(np.empty((0, 2)) for _ in range(3)), np.empty(0))
    anchors, sizes = np.array([[50.0, 50.0]] * 2), np.array([[80.0, 30.0]] * 2)
    boxes = place(anchors, sizes, (0, 0, 100, 60), nowhere)
    assert [box is not None for box in boxes] == [True, False]


@pytest.mark.parametrize("picture", [pareto_png, ab_diff_png])
def test_a_picture_says_what_data_it_shows(make_report, picture):
    """However it is drawn; and other data, if only in the last digit, are others."""
    report = make_report("win", 12)
    small, large = (picture.render(report, ReportersSettings(dpi=dpi)) for dpi in (80, 160))
    assert small != large
    assert data_of(small) == data_of(large) is not None
    other = report.model_dump(mode="json")
    for candidate in other["candidates"]:
        candidate["metrics"]["recall@10"] = np.nextafter(candidate["metrics"]["recall@10"], 1)
    for row in other["verdict"]["diff_table"]:
        row["delta"] = float(np.nextafter(row["delta"], 1))
    changed = picture.render(
        type(report).model_validate(other, strict=False), ReportersSettings(dpi=80)
    )
    assert data_of(changed) != data_of(small)
    assert data_of(small[:-1]) is data_of(b"garbage") is data_of(b"") is None
