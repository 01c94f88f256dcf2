"""The files of a job's folder, written and read: `metrics.json`, `queries.jsonl`, `run.trec.gz`.

Used by `Job.write` and `Job.read` alone. What is read back gives the same figures to the last digit.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_core.artifacts import json_bytes, storage_damage
from orchestra_core.observation import Failure, LatencySample, Observation

if TYPE_CHECKING:
    from orchestra_core.evaluation.jobs import Job
    from orchestra_core.report import JobSummary

METRICS, QUERIES, RANKINGS = "metrics.json", "queries.jsonl", "run.trec.gz"
Line = dict[str, Any]


@dataclass(frozen=True)
class StoredJob:
    """What a folder holds of what was seen; samples in the order in which they were taken."""

    query_ids: tuple[str, ...]
    observations: list[Observation]
    samples: list[LatencySample]


def content_of(job: Job, summary: JobSummary) -> dict[str, bytes]:
    """File name → content."""
    probes: dict[str, list[tuple[int, LatencySample]]] = {}
    for order, sample in enumerate(job.samples):
        probes.setdefault(sample.query_id, []).append((order, sample))
    lines = (_query_line(job, i, probes) for i in range(len(job.query_ids)))
    return {
        METRICS: json_bytes(metrics_content(job, summary)),
        QUERIES: b"".join(lines),
        RANKINGS: gzip.compress(_trec_run(job).encode(), 1, mtime=0),
    }


def read_folder(folder: Path, config_id: str) -> StoredJob:
    """Rankings, timings and failures. Raises StorageError for a file that is missing or damaged."""
    with storage_damage(folder / RANKINGS):
        rankings = _rankings(gzip.decompress((folder / RANKINGS).read_bytes()).decode())
    with storage_damage(folder / QUERIES):
        lines = query_lines(folder)
        seen = [_observation(config_id, line, rankings) for line in lines]
        probes = [
            (p["order"], _sample(config_id, q["query_id"], p)) for q in lines for p in q["probes"]
        ]
        query_ids = tuple(str(line["query_id"]) for line in lines)
        samples = [sample for _, sample in sorted(probes, key=itemgetter(0))]
    return StoredJob(query_ids, [o for o in seen if o is not None], samples)


def query_lines(folder: Path) -> list[Line]:
    """The lines of `queries.jsonl`, parsed. Raises OSError, ValueError."""
    text = (folder / QUERIES).read_bytes().decode()
    return [json.loads(line) for line in text.split("\n") if line]


def metrics_content(job: Job, summary: JobSummary) -> Line:
    """What `metrics.json` says."""
    return {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "stage": job.stage,
        "status": summary.status,
        "config": {"config_id": summary.config_id, "parameters": job.configuration.parameters},
        "metrics": summary.metrics,
        "latency_breakdown_ms": summary.latency_breakdown_ms,
        "failures_by_reason": summary.failures_by_reason,
        "aggregate_only": summary.aggregate_only,
        "error": summary.error,
    }


def _query_line(
    job: Job, index: int, probes: Mapping[str, Sequence[tuple[int, LatencySample]]]
) -> bytes:
    query_id = job.query_ids[index]
    observation = job.observations.get(query_id)
    content = {
        "query_id": query_id,
        "scores": {name: float(values[index]) for name, values in job.scores.items()},
        "latency_ms": observation.latency_ms if observation else None,
        "cost": observation.cost if observation else None,
        "attempts": observation.attempts if observation else 0,
        "breakdown_ms": _plain(observation.breakdown_ms) if observation else {},
        "failure": _failure(observation.failure) if observation else None,
        "reported": _plain(observation.reported) if observation else {},
        "claimed": _plain(observation.claimed) if observation else {},
        "probes": [_probe(order, sample) for order, sample in probes.get(query_id, ())],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items()}


def _probe(order: int, sample: LatencySample) -> Line:
    return {
        "order": order,
        "scheduled_s": sample.scheduled_s,
        "sent_s": sample.sent_s,
        "latency_ms": sample.latency_ms,
        "cost": sample.cost,
        "attempts": sample.attempts,
        "breakdown_ms": _plain(sample.breakdown_ms),
        "failure": _failure(sample.failure),
    }


def _sample(config_id: str, query_id: str, probe: Line) -> LatencySample:
    return LatencySample(
        config_id,
        query_id,
        probe["latency_ms"],
        probe["scheduled_s"],
        probe["sent_s"],
        cost=probe["cost"],
        breakdown_ms=probe["breakdown_ms"],
        failure=_stored_failure(probe["failure"]),
        attempts=probe.get("attempts", 1),
    )


def _observation(
    config_id: str, line: Line, rankings: Mapping[str, Sequence[str]]
) -> Observation | None:
    if not line["attempts"]:  # nothing came back for this query
        return None
    return Observation(
        config_id,
        line["query_id"],
        ranking=tuple(rankings.get(line["query_id"], ())),
        latency_ms=line["latency_ms"],
        cost=line["cost"],
        attempts=line["attempts"],
        breakdown_ms=line["breakdown_ms"],
        failure=_stored_failure(line["failure"]),
        reported=line.get("reported", {}),
        claimed=line.get("claimed", {}),
    )


def _stored_failure(content: Line | None) -> Failure | None:
    return Failure(content["reason"], content["message"]) if content else None


def _failure(failure: Failure | None) -> dict[str, str] | None:
    return {"reason": failure.reason, "message": failure.message} if failure else None


def _trec_run(job: Job) -> str:
    """TREC run format: query, Q0, document, rank, score, tag; scores fall with rank."""
    lines = []
    tag = job.configuration.config_id
    for query_id in job.query_ids:
        observation = job.observations.get(query_id)
        ranking = observation.ranking if observation and observation.failure is None else ()
        lines += [f"{query_id} Q0 {d} {i} {-i} {tag}" for i, d in enumerate(ranking, 1)]
    return "\n".join(lines) + ("\n" if lines else "")


def _rankings(text: str) -> dict[str, list[str]]:
    """Query id → documents in file order. Raises ValueError for a line that is none."""
    found: dict[str, list[str]] = {}
    for query_id, document_id in _trec_lines(text):
        found.setdefault(query_id, []).append(document_id)
    return found


def _trec_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        if line:
            # A foreign target's ids may hold spaces, so cut from both ends.
            query_id, _, rest = line.split(" ", 2)
            document_id, _, _, _ = rest.rsplit(" ", 3)
            yield query_id, document_id
