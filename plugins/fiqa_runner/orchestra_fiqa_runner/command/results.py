"""What a program wrote into its job's folder, believed only as far as it holds together."""

from __future__ import annotations

import gzip
import json
import math
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestra_core.errors import TargetError
from orchestra_core.metric_names import canonical
from orchestra_core.observation import Failure, Observation, Query

METRICS, QUERIES, RANKINGS = "metrics.json", "queries.jsonl", "run.trec.gz"
MOST_BYTES = 64 * 2**20
"""Of a file, unpacked; more is no result but an accident."""
TIMINGS = ("p50_ms", "p95_ms", "p99_ms", "cost_per_query")
_COUNTS = ("count", "failures")
_ALL_FAILED = "every query failed, and yet the status is 'ok'"
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Metrics(BaseModel):
    """`metrics.json`; keys beyond these are the program's own business."""

    model_config = _STRICT

    status: str
    job_id: str | None = None
    metrics: dict[str, float | None]
    failures_by_reason: dict[str, int] | None = None
    error: Any = None


class _Failure(BaseModel):
    model_config = _STRICT

    reason: Annotated[str, Field(min_length=1, max_length=200)]
    message: str = ""


class _Line(BaseModel):
    """A line of `queries.jsonl`."""

    model_config = _STRICT

    query_id: str
    ranking: list[str] | None = None
    latency_ms: _Figure | None = None
    cost: _Figure | None = None
    failure: _Failure | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One run of the program: an observation per query that was asked."""

    observations: tuple[Observation, ...]
    aggregate_only: bool
    figures: Mapping[str, float] = field(default_factory=dict)
    """As the program reports them."""


def read_result(
    folder: Path,
    config_id: str,
    queries: Sequence[Query],
    objective: str,
    *,
    asked_these: bool = True,
) -> Result:
    """The result of one job, whose id is the folder's name.

    `asked_these` false: the program chose queries of its own, so its rankings are of no use here.
    Raises TargetError, naming the file, for one that cannot be believed.
    """
    figures = _read_metrics(folder, folder.name, len(queries), objective)
    lines = _read_lines(folder)
    rankings = _read_rankings(folder) if asked_these else None
    ranked = asked_these and any(line.ranking is not None for line in lines.values())
    if rankings is None and not ranked:
        _check_told_failures(folder, lines.values(), figures)
        told = {name: value for name, value in figures.items() if name not in _COUNTS}
        cost = _cost_of_each(lines.values(), figures)
        seen = tuple(Observation(config_id, q.query_id, cost=cost, reported=told) for q in queries)
        return Result(seen, aggregate_only=True, figures=figures)
    _check_agreement(folder, lines, rankings or {})
    seen = tuple(_observation(config_id, q.query_id, lines, rankings or {}) for q in queries)
    _check_failures(folder, seen, figures)
    if not any(line.cost is not None for line in lines.values()):
        seen = tuple(_priced(one, figures.get("cost_per_query")) for one in seen)
    claimed = {name: value for name, value in figures.items() if name not in (*TIMINGS, *_COUNTS)}
    seen = tuple(replace(one, claimed=claimed) for one in seen)
    return Result(seen, aggregate_only=False, figures=figures)


def _read_metrics(folder: Path, job_id: str, asked: int, objective: str) -> dict[str, float]:
    path = folder / METRICS
    try:
        found = _Metrics.model_validate(json.loads(_content(path)))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise _bad(path, f"{place}: {problem['msg']}" if place else str(problem["msg"])) from None
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"it is no JSON: {error}") from None
    if found.status != "ok":
        raise _bad(path, f"its status is '{found.status[:60]}'{_because(found.error)}")
    if found.job_id not in (None, job_id):
        raise _bad(path, f"it is of job '{str(found.job_id)[:80]}', not of '{job_id}'")
    told = sum((found.failures_by_reason or {}).values())
    if told > (found.metrics.get("failures") or 0):
        raise _bad(path, f"failures_by_reason has {told:,}, and metrics.failures is less")
    known = {canonical(name): value for name, value in found.metrics.items() if value is not None}
    _check_figures(path, known, asked, objective)
    return known


def _check_figures(path: Path, known: Mapping[str, float], asked: int, objective: str) -> None:
    count, failures = known.get("count"), known.get("failures", 0.0)
    if count is None or count != asked:
        raise _bad(path, f"metrics.count is {_number(count)}, and {asked} queries were asked")
    if not 0 <= failures < count or failures != int(failures):
        raise _bad(path, f"metrics.failures is {_number(failures)} of {asked} queries")
    if objective not in known:
        raise _bad(path, f"metrics has no {objective}, which is the objective")
    for name, value in known.items():
        most = math.inf if name in TIMINGS or name in _COUNTS or name.endswith("_ms") else 1.0
        if not 0 <= value <= most:
            raise _bad(path, f"metrics.{name} is {_number(value)}")


def _read_rankings(folder: Path) -> dict[str, list[str]] | None:
    path = folder / RANKINGS
    if not os.path.lexists(path):
        return None
    found: dict[str, list[str]] = {}
    try:
        _check_plain(path)
        with gzip.open(path) as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise _bad(path, "it is too large")
        for number, line in enumerate(content.decode().splitlines(), 1):
            if line.strip():
                query_id, _, document_id, rank, score, _ = _six(path, number, line)
                found.setdefault(query_id, []).append(
                    f"{_key(path, number, rank, score)} {document_id}"
                )
    except (OSError, EOFError, ValueError) as error:
        raise _bad(path, f"it cannot be read: {error}") from None
    return {query_id: [entry.split(" ", 1)[1] for entry in sorted(r)] for query_id, r in found.items()}


def _six(path: Path, number: int, line: str) -> list[str]:
    parts = line.split()
    if len(parts) != 6:
        raise _bad(path, f"line {number} is not 'query Q0 document rank score tag'")
    return parts


def _key(path: Path, number: int, rank: str, score: str) -> str:
    """Sorts by rank. Raises TargetError for a rank or score that is no number."""
    try:
        place, value = int(rank), float(score)
    except ValueError:
        place, value = -1, math.nan
    if place < 0 or not math.isfinite(value):
        raise _bad(path, f"line {number} has no rank and score")
    return f"{place:012}"


def _read_lines(folder: Path) -> dict[str, _Line]:
    path = folder / QUERIES
    if not os.path.lexists(path):
        return {}
    found: dict[str, _Line] = {}
    for number, text in enumerate(_content(path).splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate(json.loads(text))
        except (ValueError, RecursionError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise _bad(path, f"line {number}: {told}") from None
        if line.query_id in found:
            raise _bad(path, f"line {number}: query '{line.query_id[:60]}' stands twice")
        found[line.query_id] = line
    return found


def _observation(
    config_id: str, query_id: str, lines: Mapping[str, _Line], rankings: Mapping[str, Sequence[str]]
) -> Observation:
    line = lines.get(query_id)
    if line is None:
        line = _Line(query_id=query_id)
        if query_id not in rankings:
            gap = Failure("no_observation", "the program wrote nothing of this query")
            return Observation(config_id, query_id, failure=gap)
    if line.failure is not None:
        failure = Failure(line.failure.reason, line.failure.message)
        return Observation(config_id, query_id, cost=line.cost, failure=failure)
    ranking = line.ranking if line.ranking is not None else rankings.get(query_id, ())
    return Observation(config_id, query_id, tuple(ranking), latency_ms=line.latency_ms, cost=line.cost)


def _cost_of_each(lines: Collection[_Line], figures: Mapping[str, float]) -> float | None:
    """USD of each query of a block of which no more is known than what all of them cost."""
    told = [line.cost for line in lines if line.cost is not None]
    return figures.get("cost_per_query", sum(told) / figures["count"] if told else None)


def _priced(seen: Observation, cost: float | None) -> Observation:
    """With a mean cost, which counts in the budget; not where it was timed, or it would be a figure."""
    return seen if seen.latency_ms is not None else replace(seen, cost=cost)


def _check_agreement(
    folder: Path, lines: Mapping[str, _Line], rankings: Mapping[str, Sequence[str]]
) -> None:
    """Two files that tell of one query must tell the same."""
    for query_id, line in lines.items():
        told, ranked = line.ranking, rankings.get(query_id)
        if ranked and line.failure is not None:
            raise _bad(
                folder / RANKINGS, f"it ranks query '{query_id[:60]}', which failed by {QUERIES}"
            )
        if told is not None and ranked is not None and list(told) != list(ranked):
            problem = f"its ranking of query '{query_id[:60]}' is not that of {QUERIES}"
            raise _bad(folder / RANKINGS, problem)


def _check_told_failures(folder: Path, lines: Collection[_Line], figures: Mapping[str, float]) -> None:
    """Figures alone are believed only where the lines of failed queries do not contradict them."""
    failed = sum(line.failure is not None for line in lines)
    if failed >= figures["count"]:
        raise _bad(folder / QUERIES, _ALL_FAILED)
    if figures.get("failures", failed) < failed:
        told = f"metrics.failures is {_number(figures['failures'])}, and {failed} lines tell of one"
        raise _bad(folder / METRICS, told)


def _check_failures(folder: Path, seen: Sequence[Observation], figures: Mapping[str, float]) -> None:
    failed = sum(one.failure is not None for one in seen)
    if failed == len(seen) and seen:
        raise _bad(folder / QUERIES, _ALL_FAILED)
    if "failures" in figures and figures["failures"] > failed:
        told = f"metrics.failures is {_number(figures['failures'])}, and {failed} queries failed"
        raise _bad(folder / METRICS, told)


def _content(path: Path) -> str:
    """A file's text. Raises TargetError when it is missing, no plain file, too large or no UTF-8."""
    try:
        _check_plain(path)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _bad(path, "the program did not write it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"it cannot be read: {error}") from None


def _check_plain(path: Path) -> None:
    """Raises TargetError for what is no file, such as a pipe that nobody writes to."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise _bad(path, "it is no plain file")
    if about.st_size > MOST_BYTES:
        raise _bad(path, "it is too large")


def _bad(path: Path, why: str) -> TargetError:
    return TargetError(
        f"{path.name} is no result: {why}",
        where=path.parent.name,
        hint="The program must write $RUNS_DIR/$JOB_ID/metrics.json with status ok, metrics.count and "
        "the objective; `queries.jsonl` or `run.trec.gz` with rankings make the figures checkable.",
    )


def _because(error: object) -> str:
    message = error.get("msg") if isinstance(error, Mapping) else error
    return f": {str(message)[:300]}" if message else ""


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:g}"
