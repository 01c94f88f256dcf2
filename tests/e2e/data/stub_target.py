"""A plugin for these tests: a runner whose quality is known beforehand, and its dataset."""

from orchestra_core.testing.stubs import StubDatasets, StubRunner

RUNNER = StubRunner()
DATASETS = StubDatasets()

orchestra_describe_runner = RUNNER.orchestra_describe_runner
orchestra_runner = RUNNER.orchestra_runner
orchestra_datasets = DATASETS.orchestra_datasets
