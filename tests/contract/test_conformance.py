"""The conformance classes accept the stubs, and turn away each kind of misbehaviour they are for."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from orchestra_core import hookimpl
from orchestra_core.observation import LatencySample, Observation
from orchestra_core.runner import Fingerprint, Health
from orchestra_core.testing import (
    ReporterConformance,
    RunnerConformance,
    StubDatasets,
    StubReporter,
    StubRunner,
    StubTarget,
)
from orchestra_core.testing.stubs import OpenStub


class TestStubRunner(RunnerConformance):
    @pytest.fixture
    def plugin(self) -> object:
        return StubRunner(StubTarget(timed=True, cost=1e-6))

    @pytest.fixture
    def other_plugins(self) -> list[tuple[str, object]]:
        return [("data", StubDatasets())]


class TestSharingStubRunner(TestStubRunner):
    @pytest.fixture
    def plugin(self) -> object:
        return StubRunner(StubTarget(shares_work=True, nested=False))


class TestStubReporter(ReporterConformance):
    @pytest.fixture
    def plugin(self) -> object:
        return StubReporter()


class Bent(OpenStub):
    """An open stub with one of its methods bent; subclasses override one each."""


class Forgetful(Bent):
    def evaluate(self, configurations, queries):
        return list(super().evaluate(configurations, queries))[1:]


class Doubling(Bent):
    def evaluate(self, configurations, queries):
        found = list(super().evaluate(configurations, queries))
        return [*found, *found[:1]]


class Foreign(Bent):
    def evaluate(self, configurations, queries):
        for observation in super().evaluate(configurations, queries):
            yield replace(observation, ranking=("nowhere",), scores=())


class Repeating(Bent):
    def evaluate(self, configurations, queries):
        for observation in super().evaluate(configurations, queries):
            yield replace(observation, ranking=observation.ranking[:1] * 2, scores=())


class Finding(Bent):
    def evaluate(self, configurations, queries):
        for observation in super().evaluate(configurations, queries):
            yield Observation(observation.config_id, observation.query_id)


class SharingWrongly(Bent):
    def evaluate(self, configurations, queries):
        for observation in super().evaluate(configurations, queries):
            cut = observation.ranking[: 3 if len(configurations) > 1 else 5]
            yield replace(observation, ranking=cut, scores=())


class Moody(Bent):
    def evaluate(self, configurations, queries):
        turn = len(self.calls) % 2
        for observation in super().evaluate(configurations, queries):
            yield replace(observation, ranking=observation.ranking[turn:], scores=())


class WarmupTelling(Bent):
    def probe(self, configuration, queries, load):
        yield from super().probe(configuration, [*queries[: load.warmup], *queries], load)


class Timeless(Bent):
    def probe(self, configuration, queries, load):
        return [LatencySample(configuration.config_id, q.query_id, 0.0) for q in queries]


class Restless(Bent):
    def fingerprint(self):
        return Fingerprint(f"stub {id(self)}", "", 0)


class Unwell(Bent):
    def health(self):
        return Health(ok=False, message="unwell")


class Racing(Bent):
    """Keeps the block it works on in an attribute, which several threads overwrite."""

    def evaluate(self, configurations, queries):
        import threading

        barrier = self.__dict__.setdefault("barrier", threading.Barrier(4))
        found = list(super().evaluate(configurations, queries))
        self.block = [q.query_id for q in queries]
        if threading.current_thread() is not threading.main_thread():
            barrier.wait()
        return [replace(o, query_id=self.block[0]) if o.query_id == queries[0].query_id else o
                for o in found]  # fmt: skip


def check(test: Callable[..., Any], bent: type[OpenStub], tmp_path, monkeypatch) -> None:
    """Run one conformance test against a bent runner, with the fixtures resolved by hand."""
    suite = RunnerConformance()
    plugin = BentPlugin(bent)
    others = [("data", StubDatasets())]
    session = _body(RunnerConformance.session)(
        suite, plugin, others, {}, tmp_path, tmp_path, monkeypatch
    )
    if test is RunnerConformance.test_fingerprint_is_stable_json:
        extra = {"session": session, "cache": tmp_path}
    else:
        extra = {}
    opening = _body(RunnerConformance.opened)(suite, session, 3, 6, tmp_path)
    test(suite, next(opening), **extra)
    opening.close()


def _body(fixture: Any) -> Callable[..., Any]:
    return getattr(fixture, "_fixture_function", None) or fixture.__wrapped__


@dataclass
class BentPlugin(StubRunner):
    bent: type[OpenStub] = OpenStub

    def __init__(self, bent: type[OpenStub]) -> None:
        super().__init__()
        self.bent = bent

    @hookimpl
    def orchestra_runner(self, request):
        return self.bent(self.target, request.dataset, self.calls)


@pytest.mark.parametrize(
    ("bent", "test"),
    [
        (Forgetful, RunnerConformance.test_one_observation_per_pair),
        (Doubling, RunnerConformance.test_one_observation_per_pair),
        (Foreign, RunnerConformance.test_rankings_are_sound),
        (Repeating, RunnerConformance.test_rankings_are_sound),
        (Finding, RunnerConformance.test_something_is_found),
        (SharingWrongly, RunnerConformance.test_shared_work_changes_no_ranking),
        (Moody, RunnerConformance.test_the_same_question_gets_the_same_answer),
        (Racing, RunnerConformance.test_evaluate_from_several_threads),
        (WarmupTelling, RunnerConformance.test_probe_times_every_query_once),
        (Timeless, RunnerConformance.test_probed_latencies_are_positive),
        (Restless, RunnerConformance.test_fingerprint_is_stable_json),
        (Unwell, RunnerConformance.test_health_is_ok),
    ],
)
def test_runner_conformance_turns_away(bent, test, tmp_path, monkeypatch) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(AssertionError):
        check(test, bent, tmp_path, monkeypatch)


class Silent:
    @hookimpl
    def orchestra_report(self, request):
        return None


class Choking:
    @hookimpl
    def orchestra_report(self, request):
        request.artifacts.write_text("winner.txt", request.report.winner.config_id)


class Clocked:
    turn = 0

    @hookimpl
    def orchestra_report(self, request):
        Clocked.turn += 1
        request.artifacts.write_text("turn.txt", str(Clocked.turn))


class Straying:
    @hookimpl
    def orchestra_report(self, request):
        (request.artifacts.home / "stray.txt").parent.mkdir(parents=True, exist_ok=True)
        (request.artifacts.home / "stray.txt").write_text("here")


class Swallowing:
    @hookimpl
    def orchestra_report(self, request):
        with suppress(Exception):
            request.artifacts.write_text("a.txt", "a")


@pytest.mark.parametrize(
    ("plugin", "test", "kind"),
    [
        (Silent(), ReporterConformance.test_writes_something_about_a_win, None),
        (Choking(), ReporterConformance.test_renders_every_kind_of_report, "no_verdict"),
        (Clocked(), ReporterConformance.test_rendering_again_changes_no_byte, "win"),
        (Swallowing(), ReporterConformance.test_a_full_disk_is_an_orchestra_error, None),
    ],
)
def test_reporter_conformance_turns_away(plugin, test, kind, tmp_path) -> None:
    arguments = [plugin, *([kind] if kind else []), tmp_path]
    with pytest.raises(AssertionError):
        test(ReporterConformance(), *arguments)


def test_reporter_conformance_turns_away_a_straying_one(tmp_path, monkeypatch) -> None:
    with pytest.raises(AssertionError):
        ReporterConformance().test_writes_only_inside_its_folder(
            Straying(), "win", tmp_path, monkeypatch
        )
