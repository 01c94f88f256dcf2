"""What the API says of a run: made from the fold and the order, never kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.journal.continuity import damage_told
from orchestra_core.journal.reporting import told_events
from orchestra_core.journal.sameness import warnings_of
from orchestra_core.journal.state import RunState
from orchestra_core.service.following import Follower
from orchestra_core.service.orders import Order
from orchestra_core.service.standing import Standing

BRIEF_EVENTS = 30
BRIEF_DECISIONS = 20
_DECISION = ("kind", "rule", "reason", "stage", "rung", "plugin")
_VERDICT = ("kind", "reason", "metric", "baseline", "challenger", "queries")
_PROSPECT = ("undecided", "queries_needed", "detectable")


def status_view(follower: Follower, standing: Standing) -> dict[str, Any]:
    """The content of `models.Status`."""
    state, run_id, order = follower.state, follower.run_id, standing.order
    best = _best(state)
    publication = state.publication or {}
    return {
        "run_id": run_id,
        "name": state.name or (order.name if order else ""),
        "status": standing.status,
        "mode": order.mode if order else mode_of(state),
        "stage": state.stage,
        "stages": dict(_stages(state, standing.status)),
        "rung": state.rung if state.rung >= 0 else None,
        "queue_position": standing.position,
        "progress": _progress(state, order),
        "times": {
            "queued_at": order.created_at if order else None,
            "started_at": state.started_at or None,
            "ended_at": state.ended_at or _given_up_at(standing),
            "last_event_at": state.last_event_at or None,
        },
        "best": best,
        "metrics": _metrics(state, best),
        "decisions": [_kept(d, _DECISION) for d in state.decisions[-BRIEF_DECISIONS:]],
        "events": [told.model_dump() for told in told_events(state)][-BRIEF_EVENTS:],
        "last_seq": follower.last_seq,
        "verdict": _kept(state.verdict, _VERDICT + _PROSPECT) if state.verdict else None,
        "winner": ((state.selected or {}).get("winner") or {}).get("config_id"),
        "published": bool(publication.get("published", False)),
        "requests": state.requests,
        "retries": state.retries,
        "cost_usd": state.cost_usd,
        "failures": dict(state.failures),
        "warnings": [*warnings_of(state), *_damage(follower)],
        "error": _error(state, order),
        "bad_lines": follower.reader.bad_lines,
        "artifacts": list(state.artifacts),
        "links": links_of(run_id),
    }


def _given_up_at(standing: Standing) -> str | None:
    """When a run was cancelled that never began."""
    order = standing.order
    return order.cancelled_at if order and standing.status == "cancelled" else None


def _stages(state: RunState, status: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A stage in which a run stopped says so; a stage that went on beyond what it began with, too."""
    for name, progress in state.stages.items():
        stopped = progress.status == "running" and status not in {"starting", "running"}
        yield (
            name,
            {
                "status": "interrupted" if stopped else progress.status,
                "planned": max(progress.planned, progress.done),
                "done": progress.done,
            },
        )


def links_of(run_id: str) -> dict[str, str]:
    """Where everything of a run is served."""
    return {
        "status": f"/orchestrate/status?run_id={run_id}",
        "report": f"/orchestrate/report?run_id={run_id}",
        "events": f"/orchestrate/events?run_id={run_id}",
        "page": f"/runs/{run_id}",
    }


def artifacts_of(home: Home, run_id: str, state: RunState) -> Iterator[tuple[str, str]]:
    """(path relative to the home folder, SHA-256 as written or empty) of all that a run left."""
    yield from state.artifacts.items()
    for job in state.jobs.values():
        for name, sha256 in job.get("files", {}).items():
            yield f"{job['path']}/{name}", sha256
    yield home.relative(home.journal(run_id)), ""


def mode_of(state: RunState) -> str:
    """How far the plan goes, in the API's words."""
    stages = state.started.get("plan", {}).get("stages") or [{"name": "publish"}]
    last = str(stages[-1]["name"])
    return last if last in {"smoke", "grid", "ab"} else "full"


def _progress(state: RunState, order: Order | None) -> dict[str, int]:
    stage = state.stages.get(state.stage)
    stages = state.started.get("plan", {}).get("stages", ())
    return {
        "stage_done": stage.done if stage else 0,
        "stage_planned": max(stage.planned, stage.done) if stage else 0,
        "requests": state.requests,
        "requests_at_most": order.requests if order else sum(s.get("requests", 0) for s in stages),
    }


def _best(state: RunState) -> dict[str, Any] | None:
    if not (state.rungs and state.started):  # of a journal without its beginning
        return None
    rung = state.rungs[-1]
    objective = state.started["plan"]["experiment"]["objective"]["maximize"]
    return {"config_id": rung["best"], "metric": objective, "value": rung["best_value"]}


def _metrics(state: RunState, best: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Of the best configuration, as last measured; before the race, of the last job."""
    jobs = list(state.jobs.values())
    if best is None:
        return dict(jobs[-1]["metrics"]) if jobs else {}
    found = [job for job in jobs if job["config_id"] == best["config_id"]]
    return dict(found[-1]["metrics"]) if found else {best["metric"]: best["value"]}


def _error(state: RunState, order: Order | None) -> dict[str, Any] | None:
    if order and order.refused:
        return dict(order.refused)
    return dict(state.error) if state.error is not None else None


def _damage(follower: Follower) -> Iterator[str]:
    if follower.lost:
        yield damage_told(follower.run_id, follower.lost)[0]


def _kept(content: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: content[key] for key in keys if key in content}
