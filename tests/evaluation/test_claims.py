"""A target's claims beside its rankings: told where these come to something else."""

import pytest

from orchestra_core import Configuration
from orchestra_core.evaluation.claims import contradictions
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.observation import Failure, Observation

FAILED = Failure("timeout", "too late")
QRELS = {f"q{number}": {"good": 1} for number in range(4)}


def job(name, claim, *, found, failed=0, metric="recall@10"):
    """Of four queries, the first `found` found their document and the last `failed` failed."""
    grown = Job("run", "smoke", Configuration(config_id=name, parameters={}))
    scorer, queries = Scorer(["recall@10", "ndcg@10"], QRELS), tuple(QRELS)
    seen = [
        Observation(
            name,
            query_id,
            () if number >= 4 - failed else ("good",) if number < found else ("bad",),
            failure=FAILED if number >= 4 - failed else None,
            claimed={metric: claim} if claim is not None else {},
        )
        for number, query_id in enumerate(queries)
    ]
    grown.add_block(queries, seen, scorer)
    return grown


@pytest.mark.parametrize(
    "fine",
    [
        job("a", 0.5, found=2),
        job("a", 0.509, found=2),
        job("a", 0.25, found=1, failed=2),
        job("a", 0.5, found=1, failed=2),
        job("a", 0.9, found=2, metric="MAP"),
        job("a", None, found=2),
    ],
    ids=["the same", "rounded", "failures count", "failures left out", "not scored", "no claim"],
)
def test_what_the_rankings_bear_out_is_not_mentioned(fine):
    assert contradictions([fine]) == []


def test_the_farthest_claim_is_told_with_both_figures():
    jobs = [job("near", 0.6, found=2), job("far", 0.95, found=1), job("right", 0.5, found=2)]
    (warning,) = contradictions(jobs)
    assert "claims recall@10 = 0.9500 for far" in warning
    assert "its own rankings come to 0.2500" in warning
    both = [*jobs, job("other", 1.0, found=0, metric="ndcg@10")]
    assert [warning.split(" for ")[0] for warning in contradictions(both)] == [
        "the target claims recall@10 = 0.9500",
        "the target claims ndcg@10 = 1.0000",
    ]
