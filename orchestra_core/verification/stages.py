"""What follows from the jobs: smoke's overlap, every rung, the leader, the verdict, the winner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_core.datasets import Dataset
from orchestra_core.evaluation.jobs import Job
from orchestra_core.plan import Plan
from orchestra_core.report import Decision
from orchestra_core.stages.conclusion import concluded
from orchestra_core.stages.grid import summarise, surviving
from orchestra_core.stages.select import choose
from orchestra_core.stages.smoke import seen
from orchestra_core.stages.verdict import nothing_to_compare, replay
from orchestra_core.verification.jobs import Jobs
from orchestra_core.verification.journal import Story
from orchestra_core.verification.ledger import Ledger


@dataclass(frozen=True)
class Evidence:
    """What a stage's results are derived from."""

    story: Story
    plan: Plan
    dataset: Dataset
    jobs: Jobs


def check_stages(ledger: Ledger, evidence: Evidence) -> None:
    """Derive again whatever a stage derived, and compare."""
    story = evidence.story
    for name, check in (("SMOKE_DONE", _smoke), ("GRID_RUNG_DONE", _grid), ("VERDICT", _verdict)):
        if story.last(name) is not None:
            with ledger.reading(story.file, name):
                check(ledger, evidence)
    check_winner(ledger, story, evidence.plan)


def check_winner(ledger: Ledger, story: Story, plan: Plan) -> None:
    """The winner follows from the verdict and the recorded jobs alone."""
    if (recorded := story.last("SELECT_DONE")) is None:
        return
    with ledger.reading(story.file, "SELECT_DONE"):
        again = {"winner": choose(plan, story.state).model_dump(mode="json")}
        ledger.compare(story.file, "SELECT_DONE", recorded, again)


def _smoke(ledger: Ledger, evidence: Evidence) -> None:
    story, dataset = evidence.story, evidence.dataset
    found = _of_stage(ledger, evidence, "smoke")
    if found is not None:
        recorded = story.last("SMOKE_DONE") or {}
        again = seen(evidence.plan, dataset, list(found.values()))
        ledger.compare(story.file, "SMOKE_DONE", recorded, again)


def _grid(ledger: Ledger, evidence: Evidence) -> None:
    story, plan = evidence.story, evidence.plan
    found = _of_stage(ledger, evidence, "grid")
    if found is None:
        return
    stage = plan.stage("grid")
    alive = [config_id for config_id in stage.config_ids if config_id in found]
    asked: tuple[str, ...] = ()
    for recorded in story.state.rungs:
        rung = recorded["rung"]
        # The budget may cut the last block; how many were asked so far is on record.
        queries = recorded["queries"] - len(asked)
        asked = stage.query_ids[: recorded["queries"]]
        if short := [c for c in alive if found[c].query_ids[: len(asked)] != asked]:
            ledger.differs(story.file, f"GRID_RUNG_DONE {rung}", "asked", f"not asked of {short}")
            return
        heads = {config_id: found[config_id].only(asked) for config_id in alive}
        decisions = _decisions(story, rung)
        survivors = surviving(alive, decisions)
        summary = summarise(plan, rung, heads, survivors, decisions, queries).model_dump(mode="json")
        ledger.compare(story.file, f"GRID_RUNG_DONE {rung}", recorded, summary)
        alive = survivors
    if (done := story.last("GRID_DONE")) is not None:
        forced = [c for one in story.state.rungs for c in one["dropped_forced"]]
        again = concluded(plan, found, alive, forced)
        ledger.compare(story.file, "GRID_DONE", {key: done.get(key) for key in again}, again)


def _decisions(story: Story, rung: int) -> list[Decision]:
    found = (Decision.model_validate(d, strict=False) for d in story.state.decisions)
    return [d for d in found if (d.stage, d.rung) == ("grid", rung) and d.plugin != "core"]


def _verdict(ledger: Ledger, evidence: Evidence) -> None:
    story, plan, jobs = evidence.story, evidence.plan, evidence.jobs
    recorded: Mapping[str, Any] = story.state.verdict or {}
    baseline, challenger = plan.baseline.config_id, story.state.leader
    if baseline == challenger:
        again = nothing_to_compare(plan.experiment, baseline, story.state.jobs.values())
    elif ("ab", baseline) in jobs and ("ab", challenger) in jobs:
        again = replay(plan, evidence.dataset, jobs["ab", baseline], jobs["ab", challenger])
    else:
        ledger.missing(story.file, "VERDICT: the A/B's jobs cannot be read")
        return
    ledger.compare(story.file, "VERDICT", recorded, again.model_dump(mode="json"))
    if (done := story.last("AB_DONE")) is not None:
        ledger.compare(story.file, "AB_DONE", done, {"warnings": list(again.warnings)})


def _of_stage(ledger: Ledger, evidence: Evidence, stage: str) -> dict[str, Job] | None:
    """The stage's jobs by configuration; None, and a note, when one of them cannot be read."""
    story, jobs = evidence.story, evidence.jobs
    recorded = [job["config_id"] for job in story.state.jobs.values() if job["stage"] == stage]
    if any((stage, config_id) not in jobs for config_id in recorded):
        ledger.missing(story.file, f"{stage}: a job cannot be read, so nothing can follow from it")
        return None
    return {config_id: jobs[stage, config_id] for config_id in recorded}
