"""What the journal should know and does not: its own end, and what else lies in the run's folders."""

from __future__ import annotations

import json
from collections.abc import Iterator

from orchestra_core.artifacts import Home
from orchestra_core.evaluation.job_files import METRICS
from orchestra_core.journal.lock import is_locked
from orchestra_core.journal.memory import altered_entries
from orchestra_core.journal.state import RunState
from orchestra_core.plan import STAGE_ORDER
from orchestra_core.verification.journal import Story
from orchestra_core.verification.ledger import ABSENT, Ledger


def check_remains(ledger: Ledger, home: Home, story: Story) -> None:
    """The journal has an end, and knows whatever the run left; not while the run is under way.

    What a killed process may have left between a file and its line is missing, all else differs.
    """
    state = story.state
    if is_locked(home.lock(ledger.run_id)):
        return
    if state.status == "running":
        ledger.missing(
            story.file,
            "end of journal: the run was killed, or the end was cut off; if it was killed, go on with: "
            f"orchestra resume {ledger.run_id}",
        )
    for job_id, stage in _jobs_on_disk(home, ledger.run_id):
        if job_id not in state.jobs:
            file = home.relative(home.job(job_id))
            _unknown(ledger, file, f"job {job_id}", explained=_under_way(state, stage))
    folder = home.report_folder(ledger.run_id).folder
    for path in sorted(folder.glob("[!.]*")):
        if (file := home.relative(path)) not in state.artifacts:
            _unknown(ledger, file, "artifact", explained=not state.told)


def check_index(ledger: Ledger, home: Home, story: Story) -> None:
    """The index over runs says of this run what its journal says."""
    if is_locked(home.lock(ledger.run_id)):
        return
    for path in altered_entries(home, ledger.run_id, ended=story.state.status != "running"):
        ledger.differs(home.relative(path), f"entry of run {ledger.run_id}", "another", "the journal's")


def _under_way(state: RunState, stage: str) -> bool:
    return state.stage == stage and state.stages[stage].status == "running"


def _unknown(ledger: Ledger, file: str, what: str, *, explained: bool) -> None:
    if explained:
        ledger.missing(file, f"{what}: its line in the journal is not there")
    else:
        ledger.differs(file, f"{what} · in the journal", "there", ABSENT)


def _jobs_on_disk(home: Home, run_id: str) -> Iterator[tuple[str, str]]:
    """Job and stage of every job folder of the run; another run's id may begin with this one's."""
    for path in sorted(home.units(run_id).parents[1].glob(f"{run_id}-*/{METRICS}")):
        job_id = path.parent.name
        stage = job_id.removeprefix(f"{run_id}-").partition("-")[0]
        if stage in STAGE_ORDER and _owner(path.read_bytes()) in {run_id, None}:
            yield job_id, stage


def _owner(content: bytes) -> str | None:
    """The run whose job it is; None where that cannot be read."""
    try:
        return str(json.loads(content)["run_id"])
    except (ValueError, KeyError, TypeError):
        return None
