"""What `verify_run` finds in runs of the stub: what agrees, what differs, what is missing."""

import gzip
import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orchestra_reflection_rules import plugin as reflection_rules
from orchestra_reporters import plugin as reporters

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import DatasetUnavailable
from orchestra_core.journal.events import Event, EventType, parse_line
from orchestra_core.journal.lock import RunLock
from orchestra_core.testing import StubRunner, make_dataset, run_stubs
from orchestra_core.verification.check import verify_run

RULES = ("reflection_rules", reflection_rules)
REPORTERS = ("reporters", reporters)
PLAIN = {"plugins": {"reporters": {"plots": False}}}


def verify(home, run_id, dataset=None):
    return verify_run(Home(home), run_id, lambda _name: dataset or make_dataset())


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    home = tmp_path_factory.mktemp("run") / "home"
    runner = StubRunner()
    # Some queries fail, but no timed request does: else nothing could win.
    runner.target.failing = lambda _config_id, query_id: (
        query_id.endswith("7") and runner.calls[-1][0] == "evaluate"
    )
    runner.target.cost = 0.00001
    run = run_stubs(home, RULES, REPORTERS, experiment=PLAIN, runner=runner)
    assert run.report.published
    return home, run.run_id


@pytest.fixture
def finished(finished_once, tmp_path):
    """A published run in a folder of this test's own."""
    shutil.copytree(finished_once[0], tmp_path / "home")
    return tmp_path / "home", finished_once[1]


def files_of(home):
    found = sorted(path for path in home.rglob("*") if path.is_file() and path.stat().st_size)
    return [path for path in found if path.name != "orchestra.yaml"]


def kind_of(path):
    return path.name if ".runs" in path.parts else f"{path.parent.name}/{path.suffix}"


def named(ledger, what):
    return [f for f in ledger.findings if what in f.what]


# -- what agrees ------------------------------------------------------------------------------------


def test_a_run_agrees_with_itself(finished):
    ledger = verify(*finished)
    assert (ledger.findings, ledger.exit_code) == ([], 0)
    assert ledger.checked["jobs"] == 8
    assert ledger.checked["rankings"] == 3 * 5 + 3 * 20 + 2 * 40
    assert ledger.checked["files"] > 3 * 8
    assert ledger.checked["figures"] > 1000


@pytest.mark.parametrize(
    ("experiment", "target"),
    [
        ({"baseline": {"quality": 0.9}}, {}),
        ({"baseline": {"quality": 0.95}, "space": {"quality": [0.2]}}, {}),
        (
            {
                "baseline": {"quality": 0.50},
                "space": {"quality": [0.52]},
                "stages": {"ab": {"sample": 20}},
            },
            {"nested": False},
        ),
        ({"stages": {"grid": {"sample": 20, "budget": 0.4}}}, {"timed": True, "cost": 0.01}),
        ({}, {"failing": lambda config_id, query_id: "q0p5" in config_id}),
        ({}, {"raises": RuntimeError("broken")}),
        ({}, {"raises_in_probe": KeyboardInterrupt()}),
        ({"objective": {"maximize": "AP"}}, {"shares_work": True}),
        (
            {"stages": {"ab": {"load": {"mode": "open", "rate": 500.0, "arrivals": "poisson"}}}},
            {"latency_ms": 3.0, "waits": True},
        ),
    ],
    ids=[
        "baseline",
        "regression",
        "two looks",
        "timed",
        "failures",
        "broken",
        "interrupted",
        "AP",
        "open load",
    ],
)
def test_every_ending_agrees_with_itself(run_orchestra, stub_runner, experiment, target):
    for name, value in target.items():
        setattr(stub_runner.target, name, value)
    run = run_orchestra(RULES, experiment=experiment)
    assert verify(run.home, run.run_id).findings == []


# -- what differs -----------------------------------------------------------------------------------


def test_a_flipped_bit_in_every_file_is_found_and_its_file_named(finished):
    home, run_id = finished
    kinds = set()
    for path in files_of(home):
        if kind_of(path) in kinds and not path.name.endswith("gz"):
            continue
        kinds.add(kind_of(path))
        whole = path.read_bytes()
        altered = bytearray(whole)
        altered[len(whole) // 3] ^= 1
        path.write_bytes(bytes(altered))
        ledger = verify(home, run_id)
        path.write_bytes(whole)
        assert ledger.exit_code == 1, path
        assert path.relative_to(home).as_posix() in {f.file for f in ledger.findings}, path
    assert len(kinds) >= 8, kinds


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_found(finished_once, data):
    home, run_id = finished_once
    path = data.draw(st.sampled_from(files_of(home)))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(altered))
    try:
        ledger = verify(home, run_id)
    finally:
        path.write_bytes(whole)
    assert ledger.exit_code == 1
    assert path.relative_to(home).as_posix() in {f.file for f in ledger.findings}


def test_an_altered_score_is_named_by_query_and_metric(finished):
    home, run_id = finished
    path = home / ".runs" / f"{run_id}-ab-q0p9" / "queries.jsonl"
    lines = path.read_text().splitlines()
    line = json.loads(lines[3])
    right, line["scores"]["ndcg@10"] = line["scores"]["ndcg@10"], 0.987
    lines[3] = json.dumps(line)
    path.write_text("\n".join(lines) + "\n")
    found = [f for f in verify(home, run_id).findings if "scores" in f.what]
    assert [(f.what, f.recorded, f.recomputed) for f in found] == [
        (f"query {line['query_id']} · scores · ndcg@10", 0.987, right)
    ]


def test_a_ranking_made_better_changes_figures_and_verdict(finished):
    """Whoever rewrites rankings, hashes and checksums still has to rewrite every figure."""
    home, run_id = finished
    path = home / ".runs" / f"{run_id}-ab-q0p3" / "run.trec.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    query_id = lines[0].split()[0]
    swapped = f"{query_id} Q0 d{query_id[1:]} 1 -1 q0p3"
    path.write_bytes(gzip.compress("\n".join([swapped, *lines[1:], ""]).encode()))
    ledger = verify(home, run_id)
    assert named(ledger, "sha256")
    assert named(ledger, f"query {query_id} · scores · mrr@10")
    assert named(ledger, f"job {run_id}-ab-q0p3 · metrics · mrr@10")
    assert named(ledger, "VERDICT · diff_table[2]")


def rewrite(home, run_id, event_type, change):
    """Change an event's payload and give the line a checksum that fits."""
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    lines = []
    for line in path.read_bytes().splitlines():
        event = parse_line(line)
        if event.event_type == event_type:
            payload = json.loads(json.dumps(event.payload))
            change(payload)
            event = Event(event.seq, event.run_id, EventType(event_type), payload, event.created_at)
        lines.append(event.to_line())
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("event_type", "key", "value", "what"),
    [
        ("VERDICT", "reason", "because I say so", "VERDICT · reason"),
        ("VERDICT", "wins", 39, "VERDICT · wins"),
        ("GRID_RUNG_DONE", "best_value", 0.99, "· best_value"),
        ("GRID_DONE", "leader", "q0p5", "GRID_DONE · leader"),
        ("SELECT_DONE", "winner", {}, "SELECT_DONE · winner · config_id"),
        ("SMOKE_DONE", "overlap", {"share": 0.5}, "SMOKE_DONE · overlap · share"),
        ("SMOKE_DONE", "warnings", ["all is well"], "SMOKE_DONE · warnings"),
        ("AB_DONE", "warnings", ["all is well"], "AB_DONE · warnings"),
        ("RUN_STARTED", "plan_hash", "0" * 64, "RUN_STARTED · plan_hash"),
        ("JOB_DONE", "failures_by_reason", {}, "· failures_by_reason · stub_failure"),
    ],
)
def test_a_rewritten_journal_is_found(finished, event_type, key, value, what):
    home, run_id = finished
    rewrite(home, run_id, event_type, lambda payload: payload.update({key: value}))
    ledger = verify(home, run_id)
    assert ledger.exit_code == 1
    assert named(ledger, what), ledger.findings


def test_a_removed_line_leaves_a_gap(finished):
    home, run_id = finished
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:9] + lines[10:]))
    (gap,) = named(verify(home, run_id), "· seq")
    assert (gap.what, gap.recorded, gap.recomputed) == ("line 10 · seq", 11, 10)


def cut(home, run_id, lines):
    """Take so many lines off the end of the journal; returns the type of the last one left."""
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    rest = path.read_bytes().splitlines(keepends=True)[:-lines]
    path.write_bytes(b"".join(rest))
    return parse_line(rest[-1].rstrip()).event_type


@pytest.mark.parametrize("lines", [1, 5, 6, 7, 8, 12, 16, 20, 30])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_journal_cut_off_at_the_end_is_found(finished, lines, remembered):
    home, run_id = finished
    cut(home, run_id, lines)
    if not remembered:
        shutil.rmtree(home / "reports" / "memory")
    ledger = verify(home, run_id)
    assert ledger.exit_code == (1 if remembered else ledger.exit_code) != 0, ledger.findings
    if EventType.RUN_COMPLETED not in kinds_of(home, run_id):
        (end,) = named(ledger, "end of journal")
        assert (end.kind, f"orchestra resume {run_id}" in end.what) == ("missing", True)


def kinds_of(home, run_id):
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    return {parse_line(line).event_type for line in path.read_bytes().splitlines()}


def test_a_record_job_or_artifact_that_the_journal_does_not_know_differs(finished):
    home, run_id = finished
    while cut(home, run_id, 1) != EventType.AB_STARTED:
        pass
    shutil.rmtree(home / "reports" / "memory")
    while cut(home, run_id, 1) != EventType.GRID_STARTED:
        pass
    (home / "reports" / run_id / "winners.md").unlink()
    ledger = verify(home, run_id)
    differing = {f.file for f in ledger.findings if f.kind == "differs"}
    assert "reports/winners.final.json" in differing
    assert f".runs/{run_id}-ab-q0p9" in differing
    assert f".runs/{run_id}-smoke-q0p9" not in {f.file for f in ledger.findings}


def test_a_stranger_in_the_folder_of_a_finished_run_differs(finished):
    home, run_id = finished
    (home / "reports" / run_id / "better.json").write_text("{}\n")
    (found,) = verify(home, run_id).findings
    assert (found.kind, found.file) == ("differs", f"reports/{run_id}/better.json")


def test_a_run_under_way_lacks_nothing(finished):
    home, run_id = finished
    while cut(home, run_id, 1) != EventType.GRID_STARTED:
        pass
    shutil.rmtree(home / "reports" / "memory")
    for path in (*(home / ".runs").glob("*-grid-*"), *(home / ".runs").glob("*-ab-*")):
        shutil.rmtree(path)
    (home / "reports" / "winners.final.json").unlink()
    lock = RunLock(Home(home).lock(run_id))
    assert verify(home, run_id).exit_code == 0
    lock.release()
    assert verify(home, run_id).exit_code == 3


def test_a_record_removed_from_the_history_is_missed(finished):
    home, run_id = finished
    (home / "reports" / "winners.final.json").write_text("[]\n")
    ledger = verify(home, run_id)
    assert [(f.kind, f.file) for f in ledger.findings] == [("missing", "reports/winners.final.json")]


def test_other_judgements_are_named_as_such(finished):
    home, run_id = finished
    same = make_dataset()
    lines = (home / ".runs" / f"{run_id}-ab-q0p9" / "queries.jsonl").read_text().splitlines()
    found = next(q for q in map(json.loads, lines) if q["scores"]["recall@10"])["query_id"]
    qrels = {**same.qrels, found: {"d0199": 1}}
    ledger = verify(home, run_id, Dataset("stub", same.corpus, same.queries, qrels))
    assert [f.what for f in ledger.findings if f.file == "dataset stub"] == ["sha256 · qrels"]
    assert named(ledger, f"query {found} · scores")


# -- what is missing --------------------------------------------------------------------------------


def test_deleted_jobs_are_missing_not_wrong(finished):
    home, run_id = finished
    shutil.rmtree(home / ".runs")
    ledger = verify(home, run_id)
    assert ledger.exit_code == 3
    assert {f.kind for f in ledger.findings} == {"missing"}


def test_without_the_dataset_hashes_are_checked_all_the_same(finished):
    home, run_id = finished

    def unavailable(name):
        raise DatasetUnavailable(f"'{name}' is not here")

    ledger = verify_run(Home(home), run_id, unavailable)
    assert [(f.kind, f.file) for f in ledger.findings] == [("missing", "dataset stub")]
    assert ledger.checked["files"] > 3 * 8


def test_a_difference_weighs_more_than_a_gap(finished):
    home, run_id = finished
    shutil.rmtree(home / ".runs" / f"{run_id}-grid-q0p5")
    (home / "reports" / run_id / "winners.md").write_text("We won.\n")
    assert verify(home, run_id).exit_code == 1
