"""winners.json, the CSV files and winners.md."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra_reporters import ab_diff_csv, csv_text, failures_csv, markdown, winners_json, winners_md
from orchestra_reporters.differences import change
from orchestra_reporters.settings import ReportersSettings

from orchestra_core.report import Verdict
from orchestra_core.telling.units import figure, p_value, significant, unit_of
from orchestra_core.testing import reports

SETTINGS = ReportersSettings()
TOP = ["run_id", "generated_at", "dataset", "fingerprints", "winner", "ab", "front", "grid_decision"]


def document(report):
    return json.loads(winners_json.render(report, SETTINGS))


def page(report, **settings):
    return winners_md.render(report, ReportersSettings(**settings)).decode()


def test_winners_json_of_a_win(make_report):
    report = make_report("win", 44)
    found = document(report)
    assert list(found) == TOP
    assert found["generated_at"] == "2025-11-07T10:16:31Z"
    assert found["winner"]["config_id"] == report.winner.config_id
    assert found["winner"]["metrics"]["recall@10"] == 0.7124
    assert found["winner"]["parameters"] == report.winner.parameters
    assert found["winner"]["published"] is True
    assert {"verdict", "diff_table", "baseline", "challenger", "test"} <= set(found["ab"])
    assert found["ab"]["verdict"] == "win"
    assert found["ab"]["diff_table"][0]["metric"] == "recall@10"
    assert found["ab"]["baseline"] == report.verdict.baseline
    assert found["grid_decision"]["kind"] == "shrink"
    assert found["fingerprints"]["plan_hash"] == report.plan_hash
    assert found["fingerprints"]["documents"] == 1200


def test_each_arm_tells_its_latency_with_intervals_and_its_errors():
    report = reports.win()
    latency = document(report)["ab"]["latency"]
    assert latency["load"] == "open, 50/s poisson"
    assert latency["baseline"]["latency"]["p95_ms"] == {"value": 2.0, "ci_low": 1.8, "ci_high": 2.4}
    assert latency["challenger"]["errors"] == {"timeout": 3}
    text = page(report)
    assert "open, 50/s poisson" in text
    row = next(line for line in text.splitlines() if line.startswith("| challenger | "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "1.40 ms (1.26 to 1.68)"
    assert cells[4:] == ["197 of 200", "timeout: 3", "0.120 ms"]


def test_without_timed_requests_nothing_is_told_of_latency(make_report):
    report = make_report("win", 5)
    assert document(report)["ab"]["latency"] is None
    assert "## Latency" not in page(report)


def test_winners_json_keeps_its_shape_without_winner_and_verdict(make_report):
    win = document(make_report("win", 5))
    failed = document(make_report(None, 0, status="failed", ended_at=None, decisions=()))
    assert list(failed) == TOP
    for part in ("winner", "ab"):
        assert list(failed[part]) == list(win[part])
    assert failed["winner"]["config_id"] is None
    assert failed["ab"]["verdict"] is None
    assert failed["ab"]["diff_table"] is None
    assert failed["grid_decision"] is None
    assert failed["generated_at"] is None


def test_ab_diff_csv_reads_back_exactly(make_report):
    report = make_report("win", 5)
    text = ab_diff_csv.render(report, SETTINGS).decode()
    assert text.splitlines()[0] == "metric,baseline,challenger,delta,ci_low,ci_high,p_value"
    rows = list(csv.DictReader(io.StringIO(text)))
    for row, known in zip(rows, report.verdict.diff_table, strict=True):
        assert row["metric"] == known.metric
        assert float(row["delta"]) == known.delta
        assert float(row["ci_low"]) == known.ci_low


def test_ab_diff_csv_leaves_unmeasured_cells_empty(make_report):
    report = make_report("win", 5)
    row = report.verdict.diff_table[0].model_copy(update={"ci_low": None, "p_value": None})
    verdict = report.verdict.model_copy(update={"diff_table": (row,)})
    line = ab_diff_csv.render(report.model_copy(update={"verdict": verdict}), SETTINGS).decode()
    assert re.search(r",,0\.07\d*,\n$", line)


def test_ab_diff_csv_without_verdict_is_the_header_alone(make_report):
    text = ab_diff_csv.render(make_report(None, 0, status="failed"), SETTINGS)
    assert text == b"metric,baseline,challenger,delta,ci_low,ci_high,p_value\n"


def test_failures_are_sorted_and_limited(make_report):
    report = make_report("win", 1, failures={"b": 2, "a": 2, "c": 9, "d": 1})
    text = failures_csv.render(report, ReportersSettings(top_n_failures=3))
    assert text == b"reason,count\nc,9\na,2\nb,2\n"


def test_failures_cannot_inject_formulas(make_report):
    reasons = {"=cmd|'/C calc'!A0": 4, "\t@SUM(A1)": 3, " +1": 2, "-1": 1, 'a,"b"\nc': 0}
    report = make_report("win", 1, failures=reasons)
    text = failures_csv.render(report, SETTINGS).decode()
    cells = [row[0] for row in csv.reader(io.StringIO(text))]
    assert cells == ["reason", "'=cmd|'/C calc'!A0", "'@SUM(A1)", "'+1", "'-1", 'a,"b" c']


@given(st.text())
def test_no_text_becomes_a_formula(text):
    assert not csv_text.words(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_values_cannot_break_a_table(cells):
    table = markdown.table(["h"] * len(cells), [cells])
    row = table.split("\n", 2)[2]
    assert row.count("\n") == 1
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == len(cells) + 1


def test_config_ids_can_be_searched_for():
    assert markdown.escape("fiqa_win256_o64-k30") == "fiqa_win256_o64-k30"
    assert markdown.escape("_a_ <b> $x$") == r"\_a\_ &lt;b&gt; \$x\$"


def test_the_page_of_a_win(make_report):
    text = page(make_report("win", 162, race=True))
    assert "**Win.** recall@10 changes by +0.0521 on 200 queries." in text
    assert (
        "| recall@10 | 0 to 1 | 0.6603 | 0.7124 | +0.0521 | +0.0307 to +0.0735 | 95 % | &lt; 0.001 |"
        in text
    )
    assert "| cost_per_query | USD per million queries | 2.00 | 2.10 |" in text
    assert "| 1 | 12 | 162 | 81 | 16 | 0 | 65 | 1,944 |" in text
    assert "15.0 % of the 16,200" in text
    assert "Published." in text
    assert "fiqa_para-k10-a0p0-ef64 (baseline)" in text


HEALTH = {"type": "health", "msg": "no answer", "hint": "start it"}
ENDS = [
    ("regression", {}, "**Regression.**"),
    ("inconclusive", {}, "About 900 queries in all, 700 more, would settle it"),
    ("no_difference", {}, "Not published: the verdict is not a win."),
    (None, {"status": "failed", "error": HEALTH}, "What to do: start it"),
    (None, {"status": "early_stopped"}, "was stopped early, before an A/B.** 44 are beaten"),
    (None, {"status": "cancelled"}, "None: the run recommends nothing."),
]


@pytest.mark.parametrize(("kind", "changes", "expected"), ENDS)
def test_the_page_of_other_ends(make_report, kind, changes, expected):
    assert expected in page(make_report(kind, 5, **changes))


def test_candidates_asked_more_queries_come_first(make_report, candidates):
    lucky, steady = candidates(2)
    lucky = lucky.model_copy(update={"metrics": {"recall@10": 1.0, "count": 10.0}})
    text = page(make_report("win", candidates=[lucky, steady]), top_n_candidates=1)
    table = text.split("## Candidates")[1].split("##")[0]
    assert lucky.config_id + " |" not in table
    assert "of 2;" in table


def test_weird_values_stay_on_their_line(make_report):
    report = make_report("win", 3, name="a|b\n# c", dataset="x`y", failures={"bad|\n<script>": 1})
    text = page(report)
    assert text.startswith("# a\\|b # c: run")
    assert "bad\\| &lt;script&gt;" in text
    assert not any(line.startswith("# c") for line in text.splitlines())


def test_figures_for_people():
    assert (figure(12.0, "count"), figure(1234.0, "count")) == ("12", "1,234")
    assert (figure(None, "ms"), figure(0.5, ""), figure(0.0999999999, "ms")) == ("–", "0.5000", "0.100")
    assert (significant(0.0000213), significant(12345.0), significant(0)) == ("0.0000213", "12345", "0")
    assert (p_value(0.0), p_value(0.0432), p_value(None)) == ("< 0.001", "0.043", "–")
    units = [unit_of(metric) for metric in ("recall@10", "p95_ms", "cost_per_query", "failures")]
    assert units == ["", "ms", "USD", "count"]
    assert unit_of("p95_ms", "ms") == "ms"
    assert unit_of("tokens", "tokens") == "tokens"


def test_a_difference_and_its_interval_have_the_same_decimals(make_report):
    verdict: Verdict = make_report("win", 1).verdict
    row = verdict.diff_table[3].model_copy(update={"delta": 0.1, "ci_low": -0.05, "ci_high": 0.25})
    assert change(row, "ms") == ("+0.100", "-0.050 to +0.250")
    nothing = row.model_copy(update={"delta": 0.0, "ci_low": None})
    assert change(nothing, "ms") == ("0.000", "–")


def test_the_page_tells_which_margin_is_open(make_report):
    report = make_report("inconclusive", 5)
    open_margin = {"undecided": "p95_ms", "queries_needed": 640, "detectable": 1.57}
    verdict = report.verdict.model_copy(update=open_margin)
    report = report.model_copy(update={"verdict": verdict})
    text = page(report)
    assert "About 640 queries in all, 440 more, would settle p95_ms" in text
    assert "a p95_ms that is in truth 1.57 ms off its margin in 4 of 5 runs" in text
    found = document(report)["ab"]
    assert {key: found[key] for key in open_margin} == open_margin


def test_the_page_tells_what_a_verdict_hangs_on(make_report):
    from orchestra_core.report import Alternative, IdOverlap, MovedQuery

    report = make_report("inconclusive", 5)
    row = report.verdict.diff_table[0]
    judged = row.model_copy(update={"metric": "judged@10", "baseline": 0.11, "challenger": 0.12})
    up = MovedQuery(query_id="q7", text="how | to save?", baseline=0.0, challenger=1.0)
    other = Alternative(assumption="unjudged_baseline", kind="win", row=row, affected=1234)
    changes = {"gained": (up,), "judged": judged, "alternatives": (other,), "detectable": 0.0312}
    verdict = report.verdict.model_copy(update=changes)
    ids = IdOverlap(share=0.25, retrieved=("x1",), dataset=("d1", "d2"))
    report = report.model_copy(update={"verdict": verdict, "ids": ids})
    text = page(report)
    assert r"| q7 | how \| to save? | 0.0000 | 1.0000 |" in text
    assert "For the worse:\n\nnone" in text
    assert "judged@10: 0.1100 (baseline), 0.1200 (challenger)" in text
    assert "Were the 1,234 unjudged documents relevant that the baseline alone found: " in text
    assert "200 queries show a true difference of 0.0312 in 4 of 5 runs" in text
    assert "25 % of the ids" in text
    assert "| Dataset | d1, d2 |" in text
    found = document(report)["ab"]
    assert found["gained"][0]["query_id"] == "q7"
    assert found["detectable"] == 0.0312
