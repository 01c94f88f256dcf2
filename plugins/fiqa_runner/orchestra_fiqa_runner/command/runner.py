"""The core's `Runner` over a program: one process per configuration and block of queries."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_core.artifacts import storage_errors, write_atomic
from orchestra_core.errors import ExperimentError
from orchestra_core.names import check_name
from orchestra_core.observation import Failure, LatencySample, Observation, Query
from orchestra_core.outbound.secrets import SHORTEST
from orchestra_core.runner import Fingerprint, Health
from orchestra_fiqa_runner.command.process import Processes
from orchestra_fiqa_runner.command.results import Result, read_result
from orchestra_fiqa_runner.extras import DISTRIBUTION

if TYPE_CHECKING:
    from orchestra_core.datasets import Dataset
    from orchestra_core.experiment import Experiment
    from orchestra_core.plan import Configuration
    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.settings import CommandSettings

QUERIES_FILE, QRELS_FILE = "asked.tsv", "asked.qrels"
_NO_TIMES = Failure("not_timed", "the program gives no latency of single requests")


class CommandRunner:
    """Asks a program. `evaluate` and `probe` may be called from several threads."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        settings: CommandSettings,
        folder: Path,
        base: str,
    ) -> None:
        """`folder`: RUNS_DIR of this run alone; `base`: what `--base` and BASE say."""
        self._command = experiment.runner.runner_cmd
        self._objective = experiment.objective.maximize
        self._timeout = experiment.runner.runner_timeout_s
        self._dataset = dataset
        self._settings = settings
        self._folder = folder
        self._base = base
        self._processes = Processes(self._secrets)
        self._numbers = itertools.count(1)
        self._untimed: set[str] = set()

    def fingerprint(self) -> Fingerprint:
        """The program: its words, and the content of every file among them. Its target is its own."""
        words = hashlib.sha256("\0".join((*self._command, self._base)).encode()).hexdigest()
        return Fingerprint(
            target=f"command {Path(self._command[0]).name}",
            corpus_sha256=self._dataset.corpus_sha256,
            documents=len(self._dataset.corpus),
            indexes={"command": _content_hash(self._command, words)},
            versions={DISTRIBUTION: version(DISTRIBUTION)},
        )

    def health(self) -> Health:
        """Whether the program is there; nothing is started."""
        program = shutil.which(self._command[0])
        if program is None:
            return Health(
                ok=False,
                message=f"there is no program '{self._command[0]}'",
                hint="Correct runner.runner_cmd: the program must be on the PATH, or a path to an "
                "executable file.",
            )
        unset = [name for name in self._settings.environment if name not in os.environ]
        message = "the program is there" + (f"; {', '.join(unset)} is not set" if unset else "")
        return Health(ok=True, message=message, details={"runs_in": self._folder.name})

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        """One process per configuration. Raises RunnerTimeout, TargetError when it gives no result."""
        for configuration in configurations if queries else ():
            result = self._run(configuration, queries)
            if result.aggregate_only or not any(o.latency_ms for o in result.observations):
                self._untimed.add(configuration.config_id)
            yield from result.observations

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """The latencies that the program itself reports of these queries, in a process of their own."""
        config_id = configuration.config_id
        if config_id in self._untimed:
            yield from (_untimed(config_id, query.query_id) for query in queries)
            return
        result = self._run(configuration, queries, load.concurrency) if queries else None
        for seen in result.observations if result else ():
            failure = seen.failure or (None if seen.latency_ms is not None else _NO_TIMES)
            latency = 0.0 if failure or seen.latency_ms is None else seen.latency_ms
            yield LatencySample(config_id, seen.query_id, latency, cost=seen.cost, failure=failure)

    def close(self) -> None:
        """End every process that still runs."""
        self._processes.close()

    def _run(
        self, configuration: Configuration, queries: Sequence[Query], concurrency: int = 1
    ) -> Result:
        number = next(self._numbers)
        job_id = check_name(f"{number:05}-{configuration.config_id}"[:200], "job id")
        folder = self._folder / job_id
        with storage_errors(folder):
            folder.mkdir(parents=True)
        words = [*self._command, *self._arguments(configuration, len(queries), concurrency)]
        if self._settings.files:
            words += self._write_files(folder, queries)
        self._processes.run(words, self._environment(job_id), folder, self._timeout)
        return read_result(
            folder,
            configuration.config_id,
            queries,
            self._objective,
            asked_these=self._settings.files,
        )

    def _arguments(self, configuration: Configuration, sample: int, concurrency: int) -> Iterator[str]:
        parameters: dict[str, Any] = dict(configuration.parameters)
        yield from ("--base", self._base)
        yield from ("--collection", str(parameters.pop("collection", "")))
        yield from ("--sample", str(sample))
        yield from ("--top_k", str(parameters.pop("top_k", 10)))
        yield from ("--concurrency", str(concurrency))
        mmr = parameters.pop("mmr", "off")
        if mmr != "off":
            yield from ("--mmr", "--mmr-lambda", str(mmr))
        for name, value in parameters.items():
            yield from (f"--{name.replace('_', '-')}", _word(value))

    def _write_files(self, folder: Path, queries: Sequence[Query]) -> list[str]:
        """The block's queries and their judgements, as files beside the result."""
        asked = "".join(f"{q.query_id}\t{' '.join(q.text.split())}\n" for q in queries)
        grades = self._dataset.qrels
        judged = "".join(
            f"{q.query_id} 0 {document_id} {grade}\n"
            for q in queries
            for document_id, grade in grades.get(q.query_id, {}).items()
        )
        write_atomic(folder / QUERIES_FILE, asked.encode("utf-8", "replace"))
        write_atomic(folder / QRELS_FILE, judged.encode("utf-8", "replace"))
        paths = str(folder / QUERIES_FILE), str(folder / QRELS_FILE)
        return ["--queries", paths[0], "--qrels", paths[1]]

    def _secrets(self) -> list[str]:
        """Values of the declared variables: any of them may be one."""
        names = (name for name in self._settings.environment if name != "PATH")
        return [value for name in names if len(value := os.environ.get(name, "")) >= SHORTEST]

    def _environment(self, job_id: str) -> dict[str, str]:
        declared = (name for name in self._settings.environment if name in os.environ)
        own = {"RUNS_DIR": str(self._folder), "JOB_ID": job_id, "BASE": self._base}
        return {**{name: os.environ[name] for name in declared}, **own}


def check_command(command: Sequence[str]) -> None:
    """Raises ExperimentError when there is no program to run."""
    if not command or not command[0].strip():
        raise ExperimentError(
            "the backend 'command' needs a program",
            where="runner.runner_cmd",
            hint="Give program and arguments as a list, such as [python3, evaluate.py]; no shell runs.",
        )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content_hash(command: Sequence[str], words: str) -> str:
    digest = hashlib.sha256(words.encode())
    for word in command:
        path = Path(shutil.which(word) or word)
        if path.is_file():
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _untimed(config_id: str, query_id: str) -> LatencySample:
    return LatencySample(config_id, query_id, 0.0, failure=_NO_TIMES)
