"""Quality per query, computed by ir-measures from rankings and qrels; runners never report their own.

Names follow the field (`recall@10`, `ndcg@10`, `mrr@10`, `judged@10`); the names of ir-measures
(`R@10`, `nDCG@10`, `RR@10`, `AP`) are understood too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestra_core.errors import ExperimentError
from orchestra_core.metric_names import NAMES, canonical, ir_measures_name

STANDARD = ("recall@10", "ndcg@10", "mrr@10", "judged@10")
FINER = "ndcg@10"
"""Orders what the objective leaves tied: on a few queries, recall ties nearly everything."""
_COUNTS = frozenset({"NumQ", "NumRel", "NumRet"})
"""Measures that count things; every bound of the race and the A/B is for qualities of 0..1."""
Scores = NDArray[np.float64]


_EXTERNAL = frozenset({"gdeval"})
"""Providers of ir-measures that call a program, which may be missing and talks on the terminal."""


def measure_of(name: str, where: str = "objective.maximize") -> Any:
    """The ir-measures object for a metric name. Raises ExperimentError for an unknown one."""
    import ir_measures

    _, at, cutoff = canonical(name).partition("@")
    if at and not re.fullmatch(r"[1-9]\d*", cutoff):
        raise _refused(name, where, f"'{cutoff}' is no cutoff: expected a whole number of at least 1. ")
    try:
        measure = ir_measures.parse_measure(ir_measures_name(canonical(name)))
        provider = next(p for p in ir_measures.DefaultPipeline.providers if p.supports(measure))
    except Exception:
        raise _refused(name, where, _nearest(name)) from None
    if provider.NAME in _EXTERNAL or not provider.is_available():
        raise _refused(name, where, "It needs an external tool. ")
    try:
        # Some measures only exist with a cutoff; ask now rather than after the first rung.
        (found,) = ir_measures.iter_calc([measure], {"q": {"d": 1}}, {"q": {"d": 1.0}})
    except Exception:
        raise _refused(
            name, where, "ir-measures cannot compute it, at least not in this form. "
        ) from None
    if not 0 <= found.value <= 1 or measure.NAME in _COUNTS:
        raise _refused(name, where, "It does not lie between 0 and 1. ")
    return measure


def check_objective(name: str, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse what says nothing of quality, or is zero whatever a target finds.

    Raises ExperimentError.
    """
    measure, where = measure_of(name), "objective.maximize"
    if measure.NAME == "Judged":
        raise _refused(name, where, "It tells how much was judged, not how good it is. ")
    needed = measure.params.get("rel")
    highest = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    if isinstance(needed, int) and highest < needed:
        raise ExperimentError(
            f"'{name}' would be 0 for every ranking: no judgement reaches grade {needed}",
            where=where,
            hint=f"The highest grade among the judgements is {highest}.",
        )


def _refused(name: str, where: str, why: str) -> ExperimentError:
    known = "For example recall@10, ndcg@10, mrr@10, AP; see the names of ir-measures."
    return ExperimentError(f"'{name}' is no quality metric", where=where, hint=f"{why}{known}")


def _nearest(name: str) -> str:
    """A sentence with the known metric nearest to a misspelt one; empty when none is near."""
    import ir_measures

    base, at, cutoff = canonical(name).partition("@")
    registry = ir_measures.measures.registry
    if ir_measures_name(base) in registry:
        return "It needs other parameters than these, or an external tool. "
    known = {n.lower(): n for n in (*NAMES, *registry)}
    close = get_close_matches(base.lower(), known, n=1, cutoff=0.7)
    return f"Did you mean '{canonical(known[close[0]])}{at}{cutoff}'? " if close else ""


def metric_names(objective: str) -> tuple[str, ...]:
    """The standard metrics, with the objective in front when it is another one.

    The share of judged documents is always there at the objective's own cutoff.
    """
    names = STANDARD if objective in STANDARD else (objective, *STANDARD)
    judged = judged_beside(objective)
    return names if judged in names else (*names, judged)


def cutoff_of(name: str) -> int | None:
    """The rank after which a metric looks no further; None when it looks at all of a ranking."""
    _, at, cutoff = name.partition("@")
    return int(cutoff) if at else None


def judged_beside(objective: str) -> str:
    """The metric that tells how much of what was found anybody judged: `judged@20` for `ndcg@20`."""
    return f"judged@{cutoff_of(objective) or 10}"


class Scorer:
    """Scores rankings against qrels; one per run.

    qrels: query id → document id → grade. Thread-compatible, not thread-safe.
    """

    def __init__(self, names: Sequence[str], qrels: Mapping[str, Mapping[str, int]]) -> None:
        self._measures = {name: _hashed_once(measure_of(name)) for name in names}
        self._qrels = qrels
        self._evaluator = lru_cache(maxsize=8)(self._make_evaluator)

    def score(
        self, query_ids: tuple[str, ...], rankings: Mapping[str, Sequence[str]]
    ) -> dict[str, Scores]:
        """Metric name → float64 of shape (n_queries,), aligned to `query_ids`, values 0..1.

        A query without a ranking (failed, or nothing found) scores zero.
        """
        run = {q: _descending(rankings[q]) for q in query_ids if rankings.get(q)}
        row = {query_id: index for index, query_id in enumerate(query_ids)}
        scores = {name: np.zeros(len(query_ids)) for name in self._measures}
        by_measure = {measure: scores[name] for name, measure in self._measures.items()}
        if run:
            for query_id, measure, value in self._evaluator(query_ids).iter_calc(run):
                by_measure[measure][row[query_id]] = value
        return scores

    def _make_evaluator(self, query_ids: tuple[str, ...]) -> Any:
        import ir_measures

        qrels = {query_id: dict(self._qrels[query_id]) for query_id in query_ids}
        return ir_measures.evaluator(list(self._measures.values()), qrels)


def _hashed_once(measure: Any) -> Any:
    """The same measure with its hash at hand: ir-measures makes one of its text for every figure."""
    kind, known = type(measure), hash(measure)
    return type(kind.__name__, (kind,), {"__hash__": lambda _self: known})(**measure.params)


def _descending(ranking: Sequence[str]) -> dict[str, float]:
    # trec_eval orders by score and breaks ties by id, so the rank itself is given as the score.
    return {document_id: float(-rank) for rank, document_id in enumerate(ranking)}
