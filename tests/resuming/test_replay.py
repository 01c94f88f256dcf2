"""A run's journal and stored results give everything that it derived, byte by byte."""

import gzip
import shutil

import pytest
from orchestra_reporters import plugin as reporters

from orchestra_core import Decision, hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.errors import StorageError
from orchestra_core.journal.log import JournalWriter
from orchestra_core.replaying import replay_run

REPORTERS = ("reporters", reporters)


def replay(lab, run_id, *plugins, **more):
    session = lab.session(lab.runner(), *plugins)
    return replay_run(Home(lab.home), run_id, session.calls, **more)


def test_a_run_comes_out_as_it_was(lab):
    run = lab.run(None, REPORTERS)
    before = {path: path.read_bytes() for path in lab.home.rglob("*") if path.is_file()}
    ledger = replay(lab, run.run_id, REPORTERS)
    assert ledger.findings == []
    assert ledger.checked["events"] == len(run.events)
    assert ledger.checked["files"] > 3 * len(run.report.jobs)
    assert {path: path.read_bytes() for path in lab.home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("at", [2, 9, 16, 20])
def test_a_run_that_was_resumed_too(lab, doomed, at):
    first = lab.run(doomed(at=at), REPORTERS)
    assert replay(lab, first.run_id, REPORTERS).findings == []  # as far as it came
    lab.resume(first.run_id, doomed(at=3), REPORTERS)
    lab.resume(first.run_id, None, REPORTERS)
    assert replay(lab, first.run_id, REPORTERS).findings == []


def test_a_run_with_failed_units(lab, doomed):
    run = lab.run(doomed(at=9, how=RuntimeError("once")))
    assert replay(lab, run.run_id).findings == []


def test_deleted_files_come_back_byte_for_byte(lab):
    run = lab.run(None, REPORTERS)
    gone = [lab.home / path for path in run.outcome.artifacts]
    gone += [lab.home / job.path / "queries.jsonl" for job in run.report.jobs]
    before = [path.read_bytes() for path in gone]
    for path in gone:
        path.unlink()
    ledger = replay(lab, run.run_id, REPORTERS)
    assert {f.kind for f in ledger.findings} == {"missing"}
    assert {lab.home / f.file for f in ledger.findings} == set(gone)
    assert not any(path.exists() for path in gone)
    assert replay(lab, run.run_id, REPORTERS, write=True).findings == []
    assert [path.read_bytes() for path in gone] == before


def test_an_altered_job_is_named(lab):
    run = lab.run()
    path = lab.home / run.report.jobs[0].path / "metrics.json"
    path.write_bytes(path.read_bytes().replace(b"recall", b"RECALL"))
    (found,) = replay(lab, run.run_id).findings
    assert (found.kind, found.file) == ("differs", path.relative_to(lab.home).as_posix())


def forged(lab, run, change):
    """The journal with one event changed, every checksum right."""
    lab.journal(run.run_id).unlink()
    writer = JournalWriter(lab.journal(run.run_id), run.run_id, create=True)
    for event in run.events:
        writer.append(event.event_type, change(event.event_type, dict(event.payload)))
    writer.close()


@pytest.mark.parametrize(
    ("kind", "lie"),
    [
        ("REFLECTION_DECISION", {"reason": "forged"}),
        ("GRID_RUNG_DONE", {"evaluations": 1}),
        ("VERDICT", {"wins": 40}),
        ("JOB_DONE", {"failures_by_reason": {"forged": 1}}),
    ],
)
def test_a_forged_event_is_found(lab, kind, lie):
    run = lab.run()
    forged(lab, run, lambda event_type, payload: {**payload, **(lie if event_type == kind else {})})
    ledger = replay(lab, run.run_id)
    assert ledger.exit_code == 1
    assert any(kind in finding.what or kind in str(finding.recomputed) for finding in ledger.findings)


def test_a_result_that_was_altered_is_refused(lab):
    run = lab.run()
    stored = (lab.home / ".runs" / run.run_id / "units").iterdir()
    path = next(p for p in stored if b'"d0' in gzip.decompress(p.read_bytes()))
    lines = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress((lines + " ").encode(), 1, mtime=0))
    ledger = replay(lab, run.run_id)
    assert (ledger.findings[0].what, ledger.findings[0].file) == ("sha256", relative(path, lab))
    assert ledger.exit_code == 1


def relative(path, lab):
    return path.relative_to(lab.home).as_posix()


def test_a_run_that_was_killed_anywhere(lab):
    """Whatever its last line is, what follows from the rest is not a difference."""
    run = lab.run()
    whole = lab.journal(run.run_id).read_bytes().splitlines(keepends=True)
    for path in (lab.home / ".runs").glob(f"{run.run_id}-*"):
        shutil.rmtree(path)
    shutil.rmtree(lab.home / "reports" / run.run_id)
    (lab.home / "reports" / "winners.final.json").unlink()
    ends = {
        e.seq for e in run.events if not e.event_type.startswith(("UNIT", "JOB", "ARTIFACT", "RUN_C"))
    }
    for end in sorted(ends):
        lab.journal(run.run_id).write_bytes(b"".join(whole[:end]))
        ledger = replay(lab, run.run_id)
        told = [f for f in ledger.findings if "winners.final" not in f.file and ".runs/" not in f.file]
        assert told == [], run.events[end - 1].event_type
        lost = {f.file.split("/")[1] for f in ledger.findings if ".runs/" in f.file}
        assert lost == {e.payload["job_id"] for e in run.events[:end] if e.event_type == "JOB_DONE"}


def test_a_plugin_that_decides_otherwise_now_is_found(lab):
    class Fickle:
        kind = "keep"

        @hookimpl
        def orchestra_reflect(self, evidence):
            return Decision(kind="keep", rule="fickle", reason=self.kind)

    fickle = Fickle()
    run = lab.run(None, ("fickle", fickle))
    assert replay(lab, run.run_id, ("fickle", fickle)).findings == []
    fickle.kind = "changed"
    assert replay(lab, run.run_id, ("fickle", fickle)).exit_code == 1


def test_nothing_is_written_by_a_replay_of_a_damaged_journal(lab):
    run = lab.run()
    with lab.journal(run.run_id).open("ab") as stream:
        stream.write(b"damaged\n")
    with pytest.raises(StorageError, match="damaged"):
        replay(lab, run.run_id)


def test_an_index_that_changed_during_the_run(lab, doomed):
    """What was seen of the index is said, not derived."""
    runner = lab.runner()
    runner.target.failing = lambda _c, _q: bool(setattr(runner.target, "index", "2"))
    run = lab.run(runner)
    assert not all(job.comparable for job in run.report.jobs)
    assert replay(lab, run.run_id).findings == []
