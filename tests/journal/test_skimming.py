"""The quick fold of a long journal says what the slow one says."""

from itertools import chain

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
        "cost_usd": st.one_of(st.sampled_from([0.0, 0.1, 1e-7, 3]), st.floats(0, 1)),
        "failures": st.sampled_from([{}, {}, {"timeout": 1}, {"http_503": 3}, {'"failures":{},': 3}]),
        "seconds": st.floats(0, 1),
        "unit": st.sampled_from(["a" * 64, "b" * 64]),
    }
).map(lambda unit: {key: unit[key] for key in KEYS})  # as the engine writes them
EVENTS = st.one_of(
    st.tuples(st.just(EventType.UNIT_DONE), UNIT),
    st.tuples(st.just(EventType.UNIT_DONE), UNIT.map(lambda unit: {**unit, "reused_from": "other"})),
    st.tuples(st.just(EventType.UNIT_DONE), UNIT.map(lambda unit: dict(sorted(unit.items())))),
    st.tuples(st.just(EventType.UNIT_FAILED), UNIT),
    st.tuples(st.just(EventType.RUNNER_TIMEOUT), st.just({"error": {"msg": "late"}})),
    st.tuples(st.just(EventType.ALIAS_APPLIED), st.just({"host": "a"})),
    st.tuples(st.just(EventType.UNIT_STARTED), st.just({"unit": "a" * 64})),
    st.tuples(st.just(EventType.RETRY), st.just({"event_type": "UNIT_STARTED", "payload": {}})),
    st.tuples(st.just(EventType.GRID_RUNG_STARTED), st.fixed_dictionaries({"rung": st.integers(0, 2)})),
    st.tuples(st.just(EventType.GRID_STARTED), st.just({"evaluations": 7})),
    st.tuples(st.just(EventType.RUN_FAILED), st.just({"error": {"type": "x"}})),
    st.tuples(st.just(EventType.RUN_RESUMED), st.just({"pid": 1, "host": "here"})),
)


RUNS = st.lists(UNIT, min_size=1, max_size=3).flatmap(
    lambda few: st.lists(st.sampled_from([(EventType.UNIT_DONE, unit) for unit in few]), max_size=12)
)
"""As in an A/B, where the arms take turns: equal ends come again after others."""


SEVERAL = st.lists(st.one_of(EVENTS.map(lambda event: [event]), RUNS), max_size=25)


@given(
    SEVERAL.map(lambda parts: list(chain.from_iterable(parts))),
    st.sampled_from([b"", b"damaged\n", b'{"v":1,"torn']),
)
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
