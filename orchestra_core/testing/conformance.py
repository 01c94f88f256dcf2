"""Inheritable tests: what every runner and every reporter must do.

Subclass, give the fixture `plugin` (and, for a runner, whatever else differs), and run pytest:

    class TestMyRunner(RunnerConformance):
        @pytest.fixture
        def plugin(self):
            return my_package.plugin

        @pytest.fixture
        def experiment(self):
            return {"dataset": "my-small-dataset"}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from orchestra_core.artifacts import ArtifactFolder
from orchestra_core.datasets import Dataset
from orchestra_core.errors import HookError, OrchestraError, StorageError
from orchestra_core.observation import Observation, Query
from orchestra_core.payloads import ReportRequest, RunnerRequest
from orchestra_core.plan import Configuration, Plan
from orchestra_core.plugins.manager import open_host
from orchestra_core.runner import Fingerprint, Health, Load, Runner
from orchestra_core.session import Request, Session, open_session
from orchestra_core.testing.reports import SAMPLES

NAME = "under_test"
THREADS = 4


@dataclass(frozen=True)
class OpenRunner:
    """A runner that is open on the first configurations and queries of its own experiment."""

    runner: Runner
    dataset: Dataset
    plan: Plan
    configurations: tuple[Configuration, ...]
    queries: tuple[Query, ...]

    def rankings(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> dict[tuple[str, str], tuple[str, ...]]:
        """(config_id, query_id) → ranking."""
        found = self.runner.evaluate(configurations, queries)
        return {(o.config_id, o.query_id): o.ranking for o in found}


class RunnerConformance:
    """What the engine takes for granted of a runner."""

    @pytest.fixture
    def plugin(self) -> object:
        """The plugin's module or object. Override it."""
        raise NotImplementedError("give the fixture `plugin`")

    @pytest.fixture
    def other_plugins(self) -> Sequence[tuple[str, object]]:
        """(name, plugin)s that the runner needs beside it, such as one with datasets."""
        return ()

    @pytest.fixture
    def experiment(self) -> Mapping[str, Any]:
        """Keys of the experiment over the runner's own defaults."""
        return {}

    @pytest.fixture
    def configurations_asked(self) -> int:
        """How many configurations of the plan are asked (spread evenly, the baseline besides)."""
        return 6

    @pytest.fixture
    def queries_asked(self) -> int:
        """How many queries are asked."""
        return 8

    @pytest.fixture
    def cache(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Where the runner may keep what it builds: one folder for all tests of the class."""
        return tmp_path_factory.getbasetemp() / f"cache-{type(self).__qualname__}"

    @pytest.fixture
    def session(
        self,
        plugin: object,
        other_plugins: Sequence[tuple[str, object]],
        experiment: Mapping[str, Any],
        cache: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Session:
        """The runner's experiment, complete."""
        monkeypatch.setenv("ORCHESTRA_CACHE_DIR", str(cache))
        file = tmp_path / "orchestra.yaml"
        file.write_text(json.dumps(dict(experiment)), encoding="utf-8")
        return open_session(
            Request(file=file, home=tmp_path / "home", environ={}),
            extra_plugins=[(NAME, plugin), *other_plugins],
            discover=False,
        )

    @pytest.fixture
    def opened(
        self, session: Session, configurations_asked: int, queries_asked: int, cache: Path
    ) -> Iterator[OpenRunner]:
        """The runner, open; closed after the test."""
        dataset = session.open_dataset()
        plan = session.make_plan(dataset)
        chosen = _spread((plan.baseline, *plan.configurations), configurations_asked)
        runner = _open(session, dataset, plan, cache)
        try:
            yield OpenRunner(runner, dataset, plan, chosen, dataset.judged_queries()[:queries_asked])
        finally:
            runner.close()

    def test_one_observation_per_pair(self, opened: OpenRunner) -> None:
        """Every (configuration, query) is answered exactly once, and nothing else."""
        found = list(opened.runner.evaluate(opened.configurations, opened.queries))
        assert Counter((o.config_id, o.query_id) for o in found) == Counter(
            (c.config_id, q.query_id) for c in opened.configurations for q in opened.queries
        )

    def test_rankings_are_sound(self, opened: OpenRunner) -> None:
        """Documents come from the corpus, none twice; scores are aligned and fall."""
        for observation in opened.runner.evaluate(opened.configurations, opened.queries):
            assert set(observation.ranking) <= opened.dataset.corpus.keys()
            assert len(set(observation.ranking)) == len(observation.ranking)
            assert not (observation.failure and observation.ranking)
            _check_scores(observation)

    def test_something_is_found(self, opened: OpenRunner) -> None:
        """A runner that finds nothing for any query would pass every other test."""
        assert any(opened.rankings(opened.configurations, opened.queries).values())

    def test_shared_work_changes_no_ranking(self, opened: OpenRunner) -> None:
        """Asked together or one by one, a configuration answers the same."""
        together = opened.rankings(opened.configurations, opened.queries)
        alone: dict[tuple[str, str], tuple[str, ...]] = {}
        for configuration in opened.configurations:
            for query in opened.queries:
                alone |= opened.rankings([configuration], [query])
        assert alone == together

    def test_the_same_question_gets_the_same_answer(self, opened: OpenRunner) -> None:
        """Rankings do not change from one call to the next."""
        first = opened.rankings(opened.configurations, opened.queries)
        assert opened.rankings(opened.configurations, opened.queries) == first

    def test_evaluate_from_several_threads(self, opened: OpenRunner) -> None:
        """Blocks asked at the same time get the rankings they get alone."""
        expected = opened.rankings(opened.configurations, opened.queries)
        blocks = [opened.queries[i:] + opened.queries[:i] for i in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda b: opened.rankings(opened.configurations, b), blocks))
        assert found == [expected] * THREADS

    def test_no_queries_no_observations(self, opened: OpenRunner) -> None:
        """An empty block is answered with nothing."""
        assert list(opened.runner.evaluate(opened.configurations, [])) == []

    def test_probe_times_every_query_once(self, opened: OpenRunner) -> None:
        """One sample per query, of the configuration asked; warm-up requests are not reported."""
        configuration = opened.configurations[-1]
        samples = list(opened.runner.probe(configuration, opened.queries, Load(warmup=2)))
        assert Counter(s.query_id for s in samples) == Counter(q.query_id for q in opened.queries)
        assert {s.config_id for s in samples} == {configuration.config_id}

    def test_probed_latencies_are_positive(self, opened: OpenRunner) -> None:
        """Milliseconds above zero, and parts that do not exceed the whole by much."""
        samples = opened.runner.probe(opened.configurations[0], opened.queries, Load())
        for sample in samples:
            assert sample.failure is None, sample.failure
            assert isfinite(sample.latency_ms)
            assert sample.latency_ms > 0
            assert sum(sample.breakdown_ms.values()) <= sample.latency_ms * 1.1 + 0.1
            assert sample.cost is None or sample.cost >= 0

    def test_fingerprint_is_stable_json(
        self, opened: OpenRunner, session: Session, cache: Path
    ) -> None:
        """A second runner on the same data has the same fingerprint, which is plain JSON."""
        first = opened.runner.fingerprint()
        assert isinstance(first, Fingerprint)
        assert json.loads(json.dumps(asdict(first))) == asdict(first)
        again = _open(session, opened.dataset, opened.plan, cache)
        try:
            assert again.fingerprint() == first
        finally:
            again.close()

    def test_health_is_ok(self, opened: OpenRunner) -> None:
        """A runner that is tested can be asked."""
        health = opened.runner.health()
        assert isinstance(health, Health)
        assert health.ok, health.message
        json.dumps(dict(health.details), allow_nan=False)

    def test_description_is_stable(self, session: Session) -> None:
        """Parameter names and abbreviations are unique, and the default plan can be made."""
        parameters = session.description.parameters or ()
        names = [parameter.name for parameter in parameters]
        shorts = [parameter.short for parameter in parameters if parameter.short]
        assert len(set(names)) == len(names)
        assert len(set(shorts)) == len(shorts)
        dataset = session.open_dataset()
        assert session.make_plan(dataset).plan_hash == session.make_plan(dataset).plan_hash


class ReporterConformance:
    """What the engine takes for granted of a reporter."""

    @pytest.fixture
    def plugin(self) -> object:
        """The plugin's module or object. Override it."""
        raise NotImplementedError("give the fixture `plugin`")

    @pytest.mark.parametrize("kind", SAMPLES)
    def test_renders_every_kind_of_report(self, plugin: object, kind: str, tmp_path: Path) -> None:
        """No report is beyond it, the failed and the empty included."""
        folder = ArtifactFolder(tmp_path / "reports" / "run", tmp_path)
        assert _report_errors(plugin, kind, folder) == []

    @pytest.mark.parametrize("kind", SAMPLES)
    def test_rendering_again_changes_no_byte(self, plugin: object, kind: str, tmp_path: Path) -> None:
        """The report is all that decides what is written."""
        for name in ("one", "two"):
            _report_errors(plugin, kind, ArtifactFolder(tmp_path / name, tmp_path))
        assert _files(tmp_path / "one") == _files(tmp_path / "two")

    @pytest.mark.parametrize("kind", SAMPLES)
    def test_writes_only_inside_its_folder(
        self, plugin: object, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the working folder nor the rest of the home folder is touched."""
        monkeypatch.chdir(tmp_path)
        folder = ArtifactFolder(tmp_path / "home" / "reports" / "run", tmp_path / "home")
        _report_errors(plugin, kind, folder)
        inside = {f"home/reports/run/{name}" for name in _files(folder.folder)}
        assert set(_files(tmp_path)) == inside
        assert {f"home/{name}" for name in folder.written} == inside

    def test_writes_something_about_a_win(self, plugin: object, tmp_path: Path) -> None:
        """A reporter that writes nothing would pass every other test."""
        _report_errors(plugin, "win", ArtifactFolder(tmp_path / "out", tmp_path))
        assert any(_files(tmp_path / "out").values())

    def test_a_full_disk_is_an_orchestra_error(self, plugin: object, tmp_path: Path) -> None:
        """What a disk refuses is told as an OrchestraError, and leaves no part of a file."""
        folder = _FullDisk(tmp_path / "out", tmp_path)
        errors = _report_errors(plugin, "win", folder)
        assert errors
        assert all(isinstance(error, OrchestraError) for error in errors)
        assert not any(isinstance(error, HookError) for error in errors), errors
        assert _files(tmp_path) == {}


@dataclass(frozen=True)
class _FullDisk(ArtifactFolder):
    def write_bytes(self, name: str, data: bytes) -> str:
        raise StorageError("cannot write: No space left on device", where=name, hint="Free some.")


def _open(session: Session, dataset: Dataset, plan: Plan, cache: Path) -> Runner:
    request = RunnerRequest(
        experiment=plan.experiment,
        dataset=dataset,
        configurations=(plan.baseline, *plan.configurations),
        cache_dir=cache / "plugins" / NAME,
        emit=lambda _event_type, _payload: None,
    )
    return session.calls.runner(session.runner_plugin, request)


def _spread(configurations: Sequence[Configuration], count: int) -> tuple[Configuration, ...]:
    step = max(1, len(configurations) // count)
    chosen = {c.config_id: c for c in configurations[::step][: count + 1]}
    return tuple(chosen.values())


def _check_scores(observation: Observation) -> None:
    scores = observation.scores
    assert len(scores) in {0, len(observation.ranking)}
    assert all(isfinite(score) for score in scores)
    assert list(scores) == sorted(scores, reverse=True)


def _report_errors(plugin: object, kind: str, folder: ArtifactFolder) -> list[Exception]:
    """What the hook raised: called directly, so that nothing stands between the test and the error."""
    host = open_host(extra=[(NAME, plugin)], discover=False)
    request = ReportRequest(SAMPLES[kind](), folder, settings=host.settings.get(NAME))
    try:
        answer = plugin.orchestra_report(request)  # type: ignore[attr-defined]
    except Exception as error:
        return [error]
    folder.written.extend(answer or ())
    return []


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
