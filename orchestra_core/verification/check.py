"""Verify one run: every kind of evidence in turn, as far as there is any."""

from __future__ import annotations

from collections.abc import Callable

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import DataError, InfrastructureError, RunNotFound
from orchestra_core.evaluation.metrics import Scorer, metric_names
from orchestra_core.fingerprints import fingerprint_of
from orchestra_core.journal.reporting import plan_of
from orchestra_core.plan import Plan
from orchestra_core.report import PluginRecord
from orchestra_core.verification.files import check_artifacts, check_history, check_results
from orchestra_core.verification.jobs import check_jobs
from orchestra_core.verification.journal import Story, check_journal
from orchestra_core.verification.ledger import Ledger
from orchestra_core.verification.remains import check_index, check_remains
from orchestra_core.verification.stages import Evidence, check_stages, check_winner


def verify_run(home: Home, run_id: str, open_dataset: Callable[[str], Dataset]) -> Ledger:
    """Recompute what the run recorded, and note what differs or is missing.

    `open_dataset`: from a dataset's name in the experiment to the dataset.
    Raises StorageError when there is no journal to begin with.
    """
    ledger = Ledger(run_id)
    story = check_journal(ledger, home)
    journal_is_sound = not ledger.findings
    check_artifacts(ledger, home, story)
    check_results(ledger, home, story.events)
    check_history(ledger, home, story)
    check_remains(ledger, home, story)
    if journal_is_sound:
        check_index(ledger, home, story)
    try:
        plan = plan_of(story.state)
    except (RunNotFound, ValueError) as error:  # pydantic's errors are ValueErrors
        # A damaged beginning is among the differences already; here only what follows from it.
        ledger.missing(story.file, f"the plan cannot be read, so nothing was recomputed: {error}")
        return ledger
    _check_figures(ledger, home, story, plan, _dataset(ledger, plan, open_dataset))
    return ledger


def _check_figures(
    ledger: Ledger, home: Home, story: Story, plan: Plan, dataset: Dataset | None
) -> None:
    if dataset is None:
        check_jobs(ledger, home, story, plan, None)
        check_winner(ledger, story, plan)
        return
    _check_fingerprint(ledger, story, plan, dataset)
    scorer = Scorer(metric_names(plan.experiment.objective.maximize), dataset.qrels)
    jobs = check_jobs(ledger, home, story, plan, scorer)
    check_stages(ledger, Evidence(story, plan, dataset, jobs))


def _dataset(ledger: Ledger, plan: Plan, open_dataset: Callable[[str], Dataset]) -> Dataset | None:
    name = plan.experiment.dataset
    try:
        return open_dataset(name)
    except DataError as error:
        ledger.differs(f"dataset {name}", "content", "readable", str(error))
    except InfrastructureError as error:
        ledger.missing(f"dataset {name}", str(error))
    return None


def _check_fingerprint(ledger: Ledger, story: Story, plan: Plan, dataset: Dataset) -> None:
    started = story.state.started
    recorded = dict(started.get("fingerprint", {}))
    plugins = [PluginRecord.model_validate(p, strict=False) for p in started.get("plugins", ())]
    again = fingerprint_of(plan, dataset, plugins, recorded)
    where = f"dataset {dataset.name}"
    ledger.compare(where, "sha256", recorded.pop("dataset", {}), again.pop("dataset"))
    ledger.compare(story.file, "RUN_STARTED · fingerprint", recorded, again)
    ledger.compare(story.file, "RUN_STARTED · plan_hash", started.get("plan_hash"), plan.plan_hash)
