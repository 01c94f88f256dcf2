"""The quick fold of a long journal says what the slow one says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.skimming import skim
from orchestra_core.journal.state import fold
from orchestra_core.testing import StubTarget

KEYS = (
    *("stage", "rung", "kind", "configurations", "queries", "requests", "repetitions"),
    *("cost_usd", "failures", "seconds", "unit"),
)
UNIT = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["smoke", "grid", "ab"]),
        "rung": st.integers(0, 2),
        "kind": st.sampled_from(["evaluate", "probe"]),
        "configurations": st.just(1),
        "queries": st.integers(1, 3),
        "requests": st.integers(1, 3),
        "repetitions": st.integers(0, 1),
        "cost_usd": st.sampled_from([0.0, 0.1, 1e-7]),
        "failures": st.sampled_from([{}, {"timeout": 1}, {'"failures":{},': 3}]),
        "seconds": st.floats(0, 1),
        "unit": st.sampled_from(["a" * 64, "b" * 64]),
    }
).map(lambda unit: {key: unit[key] for key in KEYS})  # as the engine writes them
EVENTS = st.one_of(
    st.tuples(st.just(EventType.UNIT_DONE), UNIT),
    st.tuples(st.just(EventType.UNIT_DONE), UNIT.map(lambda unit: {**unit, "reused_from": "other"})),
    st.tuples(st.just(EventType.UNIT_DONE), UNIT.map(lambda unit: dict(sorted(unit.items())))),
    st.tuples(st.just(EventType.UNIT_FAILED), UNIT),
    st.tuples(st.just(EventType.UNIT_STARTED), st.just({"unit": "a" * 64})),
    st.tuples(st.just(EventType.RETRY), st.just({"event_type": "UNIT_STARTED", "payload": {}})),
    st.tuples(st.just(EventType.GRID_RUNG_STARTED), st.fixed_dictionaries({"rung": st.integers(0, 2)})),
    st.tuples(st.just(EventType.GRID_STARTED), st.just({"evaluations": 7})),
    st.tuples(st.just(EventType.RUN_FAILED), st.just({"error": {"type": "x"}})),
    st.tuples(st.just(EventType.RUN_RESUMED), st.just({"pid": 1, "host": "here"})),
)


@given(st.lists(EVENTS, max_size=25), st.sampled_from([b"", b"damaged\n", b'{"v":1,"torn']))
def test_skimming_is_folding(tmp_path_factory, items, damage):
    path = tmp_path_factory.mktemp("skim") / "run.jsonl"
    writer = JournalWriter(path, "run", create=True)
    writer.append(EventType.RUN_STARTED, {"name": "a"})
    for item in items:
        writer.append(*item)
    writer.close()
    with path.open("ab") as stream:
        stream.write(damage)
    slow, quick = JournalReader(path), JournalReader(path)
    assert skim(quick) == fold(slow)
    assert (quick.bad_lines, quick.position) == (slow.bad_lines, slow.position)


@pytest.mark.parametrize("target", [StubTarget(), StubTarget(cost=0.1)])
def test_a_whole_run(run_orchestra, stub_runner, target):
    stub_runner.target = target
    run = run_orchestra()
    path = run.home / "reports" / "events" / f"{run.run_id}.jsonl"
    assert skim(JournalReader(path)) == fold(JournalReader(path)) == run.state
