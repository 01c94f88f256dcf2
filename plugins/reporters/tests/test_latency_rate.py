"""`latency_rate.png` shows every rate, the limit and the highest rate that kept it."""

import pytest
from orchestra_reporters import plugin
from orchestra_reporters.latency_rate_png import draw
from orchestra_reporters.settings import ReportersSettings

from orchestra_core import LatencyFigure, LoadFigures, LoadReport, LoadReportRequest


def step(rate, p95):
    def around(ms):
        return LatencyFigure(value=ms, ci_low=ms * 0.9, ci_high=ms * 1.2)

    latency = {"p50_ms": around(5.0), "p95_ms": around(p95), "p99_ms": around(p95 * 2)}
    return LoadFigures(
        mode="open", concurrency=None, rate=rate, arrivals="constant", requests=100, answered=99,
        errors={"timeout": 1}, seconds=5.0, scheduled_rate=rate, sent_rate=rate, achieved_rate=rate,
        repeated=0, backoff_ms=None, latency=latency, confidence=0.95,
        p95_with_errors_ms=p95 if p95 < 1000 else None, sent_late_ms=0.2,
    )  # fmt: skip


def report(*steps, highest=20.0):
    return LoadReport(
        load_id="load-x", created_at="2025-11-07T10:15:00Z", dataset="fiqa-mini", config_id="fiqa-k10",
        limit_ms=250.0, step_seconds=5.0, steps=steps, highest_rate=highest, ended="found",
    )  # fmt: skip


CURVE = report(step(10.0, 20.0), step(20.0, 200.0), step(40.0, 2000.0))


def test_the_hook_writes_the_picture_and_again_the_same(folder):
    for _ in range(2):
        plugin.orchestra_load_report(LoadReportRequest(CURVE, folder))
        picture = (folder.folder / "latency_rate.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    plugin.orchestra_load_report(LoadReportRequest(CURVE, folder))
    assert (folder.folder / "latency_rate.png").read_bytes() == picture


def test_without_plots_there_is_no_picture(folder):
    settings = ReportersSettings(plots=False)
    plugin.orchestra_load_report(LoadReportRequest(CURVE, folder, settings=settings))
    assert not folder.folder.exists()


def test_lines_limit_and_highest_rate_are_drawn():
    (axes,) = draw(CURVE, ReportersSettings()).axes
    lines = {tuple(map(tuple, line.get_xydata())) for line in axes.lines}
    assert ((10.0, 20.0), (20.0, 200.0), (40.0, 2000.0)) in lines
    assert ((0.0, 250.0), (1.0, 250.0)) in lines
    assert ((20.0, 0.0), (20.0, 1.0)) in lines
    assert ((40.0, 1.0),) in lines  # its p95 has no end


@pytest.mark.parametrize("steps", [(), (step(10.0, 20.0),)])
def test_a_search_that_came_to_little_is_drawn_too(steps):
    title = draw(report(*steps, highest=None), ReportersSettings()).texts[0].get_text()
    assert title == "No rate that was tried keeps p95 at or below 250 ms"


def test_every_sign_is_explained_and_rates_too_close_are_not_named():
    crowded = report(*(step(rate, 20.0) for rate in (10.0, 500.0, 538.0, 587.0)), step(640.0, 2000.0))
    (axes,) = draw(crowded.model_copy(update={"highest_rate": 587.0}), ReportersSettings()).axes
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"p50", "p95", "p99", "limit 250 ms", "highest rate 587/s", "p95 endless"} == set(told)
    assert list(axes.get_xticks()) == [10.0, 587.0]
