"""The fold: applying in order is folding, no prefix and no gap breaks it, views can be rebuilt."""

import json
import shutil
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra_reflection_rules import plugin as reflection_rules

from orchestra_core.artifacts import Home
from orchestra_core.errors import RunNotFound
from orchestra_core.journal import memory
from orchestra_core.journal.events import parse_line
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.reporting import build_report
from orchestra_core.journal.state import RunState, fold
from orchestra_core.journal.words import describe
from orchestra_core.testing import StubRunner, StubTarget, run_stubs

RUNS = {
    "win": {},
    "early_stop": {"failing": lambda config_id, query_id: True},
    "unhealthy": {"healthy": False},
    "cancelled": {"raises_in_probe": KeyboardInterrupt()},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRA_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return {
            name: run_stubs(
                tmp_path_factory.mktemp(name),
                ("reflection_rules", reflection_rules),
                runner=StubRunner(StubTarget(**behaviour)),
            )
            for name, behaviour in RUNS.items()
        }


@pytest.mark.parametrize("name", RUNS)
def test_applying_in_order_is_folding(runs, name):
    events = runs[name].events
    state = RunState()
    for count, event in enumerate(events, 1):
        state.apply(event)
        assert state == fold(events[:count])
    assert state.events == len(events)


@pytest.mark.parametrize("name", RUNS)
def test_every_prefix_makes_a_report(runs, name):
    events = runs[name].events
    for count in range(1, len(events) + 1):
        report = build_report(fold(events[:count]))
        assert report.run_id == runs[name].run_id
        assert report.status in {"running", runs[name].report.status}


@given(data=st.data())
def test_lost_lines_break_no_fold(runs, data):
    events = runs[data.draw(st.sampled_from(sorted(RUNS)))].events
    kept = data.draw(st.lists(st.sampled_from(events), unique_by=lambda e: e.seq))
    state = fold(sorted(kept, key=lambda e: e.seq))
    assert state.events == len(kept)
    if state.started:
        build_report(state)


def test_the_fold_counts_what_was_asked(runs):
    run = runs["win"]
    state = run.state
    # The stub's log holds what was reported; two warm-ups a grid probe and five an arm come on top.
    probes = sum(rung["entered"] for rung in state.rungs)
    asked = len(run.runner.asked()) + len(run.runner.asked("probe"))
    assert state.requests == asked + 2 * probes + 2 * 5
    assert state.stages["grid"].done == state.grid_evaluations == 60
    assert state.leader == "q0p9"
    assert set(state.stages) == {"smoke", "grid", "ab", "select", "publish"}
    assert all(progress.status == "done" for progress in state.stages.values())


def test_an_event_of_a_later_version_only_counts(runs):
    known = runs["win"].events
    line = known[-1].to_line().replace(b"RUN_COMPLETED", b"RUN_ARCHIVED_")
    body = line.rpartition(b',"crc"')[0] + b"}"
    later = parse_line(body[:-1] + b',"crc":"%08x"}' % zlib.crc32(body))
    state = fold([*known, later])
    assert state.events == len(known) + 1
    assert (state.status, state.jobs) == ("completed", fold(known).jobs)
    assert describe(later, state) == ""


def test_a_journal_without_a_beginning_is_no_run():
    with pytest.raises(RunNotFound, match="first line is missing or damaged"):
        build_report(RunState())


# -- memory: an index that can be deleted -----------------------------------------------------------


@pytest.fixture
def home(runs, tmp_path):
    """Two runs in one home folder of this test's own."""
    for name in ("win", "early_stop"):
        source = Home(runs[name].home).reports
        shutil.copytree(source, tmp_path / "reports", dirs_exist_ok=True)
    return Home(tmp_path)


def test_an_entry_says_what_happened(home, runs):
    found = {e["run_id"]: e for e in memory.entries(home)}
    win = found[runs["win"].run_id]
    assert (win["status"], win["verdict"], win["winner"]) == ("completed", "win", "q0p9")
    assert win["published"] is True
    assert win["plan_hash"] == runs["win"].report.plan_hash
    assert win["stages"] == dict.fromkeys(["smoke", "grid", "ab", "select", "publish"], "done")
    stopped = found[runs["early_stop"].run_id]
    assert (stopped["status"], stopped["verdict"], stopped["winner"]) == ("early_stopped", None, None)
    assert stopped["decisions"][0]["rule"] == "failure_rate"


def test_rebuilding_changes_nothing(home):
    memory.rebuild(home)
    index = home.reports / "memory" / "index.jsonl"
    before, entries = index.read_bytes(), memory.entries(home)
    shutil.rmtree(home.reports / "memory")
    assert memory.entries(home) == entries
    assert memory.rebuild(home) == 2
    assert index.read_bytes() == before
    for entry in entries:
        assert json.loads(home.memory(entry["run_id"]).read_text()) == entry


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"\xff\xfe", b"[]\n", b"{}\n", b"3\n", b'{"run_id": []}\n']
)
def test_a_spoilt_index_is_only_a_cache(home, content):
    entries = memory.entries(home)
    (home.reports / "memory" / "index.jsonl").write_bytes(content)
    assert memory.entries(home) == entries
    memory.remember(home, entries[0]["run_id"])
    assert memory.entries(home) == entries


def test_an_entry_of_another_version_is_read_from_its_journal(home):
    entries = memory.entries(home)
    index = home.reports / "memory" / "index.jsonl"
    older = [{k: e[k] for k in ("run_id", "status", "journal_bytes")} for e in entries]
    index.write_text("".join(json.dumps(entry) + "\n" for entry in older))
    assert memory.entries(home) == entries


def test_a_stale_entry_is_read_from_its_journal(home, runs):
    memory.rebuild(home)
    path = home.journal(runs["win"].run_id)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))
    (entry,) = [e for e in memory.entries(home) if e["run_id"] == runs["win"].run_id]
    assert (entry["status"], entry["verdict"]) == ("running", None)
    assert entry["journal_bytes"] == path.stat().st_size


def test_a_deleted_journal_is_a_forgotten_run(home, runs):
    memory.rebuild(home)
    home.journal(runs["win"].run_id).unlink()
    assert [e["run_id"] for e in memory.entries(home)] == [runs["early_stop"].run_id]


def test_bad_lines_are_counted_in_the_entry(home, runs):
    with home.journal(runs["win"].run_id).open("ab") as stream:
        stream.write(b"garbage\n")
    (entry,) = [e for e in memory.entries(home) if e["run_id"] == runs["win"].run_id]
    assert (entry["bad_lines"], entry["status"]) == (1, "completed")


def test_an_unknown_run_is_answered_with_the_nearest(home, runs):
    wanted = runs["win"].run_id
    with pytest.raises(RunNotFound) as caught:
        memory.load_state(home, wanted[:-1])
    assert caught.value.hint.startswith("Did you mean 'stub-")
    with pytest.raises(RunNotFound) as caught:
        memory.load_state(Home(home.root / "elsewhere"), wanted)
    assert "orchestra run" in caught.value.hint


def test_a_state_can_be_loaded_by_name(home, runs):
    assert memory.load_state(home, runs["win"].run_id) == fold(
        JournalReader(home.journal(runs["win"].run_id))
    )


def test_run_tools_tell_of_runs(home, runs, plugin_host):
    from orchestra_core.builtin.run_tools import NoArguments, RunArguments
    from orchestra_core.payloads import ToolContext
    from orchestra_core.plugins.calls import HookCalls

    tools = HookCalls(plugin_host).tools(ToolContext(home.root))
    assert len(tools["list_runs"].call(NoArguments())["runs"]) == 2
    report = tools["run_report"].call(RunArguments(run_id=runs["win"].run_id))
    assert report["verdict"]["kind"] == "win"
    json.dumps(report)
