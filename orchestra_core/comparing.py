"""Compare two finished runs, configuration against configuration, on the queries both were asked.

Used by `orchestra compare`. Rankings are read from the jobs' folders and scored anew; nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import RunsDiffer, UsageError, nearest
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer, metric_names
from orchestra_core.fingerprints import PARTS, dataset_differences, index_differences
from orchestra_core.journal.memory import load_state
from orchestra_core.journal.reporting import plan_of
from orchestra_core.journal.sameness import changed_index
from orchestra_core.journal.state import RunState
from orchestra_core.plan import Plan
from orchestra_core.report import Verdict
from orchestra_core.stages.verdict import Pairing, error_of_all, verdict_of
from orchestra_core.statistics.judging import Judgement

STAGES = ("ab", "grid", "smoke")
TEST = (
    "paired by query, one look; empirical likelihood interval for bounded differences; sign-flip "
    "randomisation p-value, Holm over the other quality metrics; latency percentiles by circular "
    "block bootstrap of runs that were not timed together"
)
TUNED = (
    "these are tuning queries (stage {}), by which configurations were chosen, so what looks best on "
    "them is overrated; only an A/B says by how much"
)
TIMING = "the runs were timed at different times, so latencies differ by more than the configurations"

SAME = "one configuration, which gave the same rankings in both runs"


@dataclass(frozen=True)
class Comparison:
    """The second run's configuration (challenger) against the first run's (baseline)."""

    runs: tuple[str, str]
    stage: str
    """The stage whose queries are compared."""
    asked: tuple[int, int]
    """Queries that each run asked in it; `verdict.queries` of them are common."""
    verdict: Verdict


@dataclass(frozen=True)
class _Side:
    state: RunState
    plan: Plan
    config_id: str

    def stages(self) -> Iterator[str]:
        """The stages in which the configuration was asked."""
        jobs = self.state.jobs.values()
        return (job["stage"] for job in jobs if job["config_id"] == self.config_id)

    def job(self, home: Home, stage: str, scorer: Scorer) -> Job:
        """Raises StorageError, RunsDiffer when the index changed during the run."""
        chosen = self.plan.configuration(self.config_id)
        job = Job.read(home, self.state.run_id, stage, chosen, scorer)
        if told := changed_index(self.state.jobs[job.job_id]):
            raise RunsDiffer(f"in run '{self.state.run_id}' {told}")
        return job


def compare_runs(
    home: Home,
    run_ids: tuple[str, str],
    open_dataset: Callable[[str], Dataset],
    config_ids: tuple[str | None, str | None] = (None, None),
) -> Comparison:
    """Pair two runs on their common queries, in the first of A/B, grid and smoke that has any.

    On queries of grid or smoke nothing is claimed for a run's own leader, and a warning says why.

    `config_ids`: per run; None is the run's winner, else its grid's leader. Objective, margins,
    confidence and seed are those of the first run. Raises RunsDiffer when dataset or index differ,
    UsageError when a configuration is unknown or no query is common, StorageError.
    """
    first, second = (
        _side(home, run_id, asked) for run_id, asked in zip(run_ids, config_ids, strict=True)
    )
    _refuse_other_measures(first.state, second.state)
    dataset = open_dataset(first.plan.experiment.dataset)
    _refuse_other_dataset(first.state, dataset)
    scorer = Scorer(metric_names(first.plan.experiment.objective.maximize), dataset.qrels)
    both = set(first.stages()) & set(second.stages())
    for stage in (stage for stage in STAGES if stage in both):
        arms = first.job(home, stage, scorer), second.job(home, stage, scorer)
        common = set(arms[1].query_ids)
        if query_ids := [query_id for query_id in arms[0].query_ids if query_id in common]:
            cut = arms[0].only(query_ids), arms[1].only(query_ids)
            experiment = first.plan.experiment
            pairing = Pairing(experiment, dataset, *cut, error_of_all(experiment))
            leads = first.config_id == first.state.leader, second.config_id == second.state.leader
            verdict = _judged(pairing, stage, leads)
            told = (*verdict.warnings, *_other_objective(first, second), TIMING)
            verdict = verdict.model_copy(update={"warnings": told})
            asked = len(arms[0].query_ids), len(arms[1].query_ids)
            return Comparison((first.state.run_id, second.state.run_id), stage, asked, verdict)
    raise UsageError(
        "the runs have no query in common for these configurations",
        hint="Runs of one dataset with the same seed ask the same queries.",
    )


def _judged(pairing: Pairing, stage: str, leads: tuple[bool, bool]) -> Verdict:
    """`leads`: whether baseline and challenger led their own races."""
    judgement = pairing.judge(pairing.counted)
    warnings = []
    if stage != "ab":
        warnings.append(TUNED.format(stage))
        judgement = _without_luck(judgement, leads)
    verdict = verdict_of(pairing, 1, judgement)
    found: dict[str, object] = {"warnings": (*verdict.warnings, *warnings), "test": TEST}
    if _alike(pairing):
        found |= {"kind": "no_difference", "reason": SAME}
        found |= dict.fromkeys(("undecided", "queries_needed", "detectable"))
    return verdict.model_copy(update=found)


def _alike(pairing: Pairing) -> bool:
    """One configuration, with the same rankings in both runs."""
    one, other = pairing.baseline, pairing.challenger
    same = one.configuration.parameters == other.configuration.parameters
    return same and one.rankings() == other.rankings()


def _without_luck(judgement: Judgement, leads: tuple[bool, bool]) -> Judgement:
    """No claim for a leader rests on the queries that it was chosen by."""
    favoured = {"regression": leads[0], "win": leads[1]}
    if not favoured.get(judgement.settled.kind):
        return judgement
    return judgement.doubted("these queries are those it was chosen by")


def _other_objective(first: _Side, second: _Side) -> tuple[str, ...]:
    ours, theirs = (side.plan.experiment.objective.maximize for side in (first, second))
    if ours == theirs:
        return ()
    return (f"run B maximised {theirs}; both are judged by {ours}, the objective of run A",)


def _side(home: Home, run_id: str, config_id: str | None) -> _Side:
    state = load_state(home, run_id)
    plan = plan_of(state)
    winner = ((state.selected or {}).get("winner") or {}).get("config_id")
    chosen = config_id or winner or state.leader
    known = {job["config_id"] for job in state.jobs.values()}
    if chosen in known:
        return _Side(state, plan, chosen)
    if not chosen:
        raise UsageError(
            f"run '{run_id}' has neither a winner nor a leader", hint="Name one with --config."
        )
    raise UsageError(
        f"run '{run_id}' did not ask configuration '{chosen}'", hint=nearest(chosen, known)
    )


def _refuse_other_measures(first: RunState, second: RunState) -> None:
    prints = first.started.get("fingerprint", {}), second.started.get("fingerprint", {})
    found = [f"dataset {told}" for told in dataset_differences(*prints)]
    found += index_differences(*prints)
    if found:
        raise RunsDiffer(
            f"the runs measured different things: {'; '.join(found)}",
            hint="Only runs on the same dataset and the same index compare.",
            details={"differences": found},
        )


def _refuse_other_dataset(state: RunState, dataset: Dataset) -> None:
    recorded = state.started.get("fingerprint", {}).get("dataset", {})
    now = dataset.parts_sha256
    if changed := [part for part in PARTS if recorded.get(part) != now[part]]:
        raise RunsDiffer(
            f"dataset '{dataset.name}' is no longer what the runs were made on: "
            f"{', '.join(changed)} differ",
            hint="Restore the dataset, or run again.",
        )
