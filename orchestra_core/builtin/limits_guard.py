"""The default guard: what the plan may cost, and what a winner must keep."""

from __future__ import annotations

from orchestra_core.evaluation.metrics import cutoff_of
from orchestra_core.hookspecs import hookimpl
from orchestra_core.payloads import GuardEvidence
from orchestra_core.report import Ruling

DEPTH = "top_k"
"""By custom, the parameter that says how many documents are returned."""


@hookimpl
def orchestra_guard(evidence: GuardEvidence) -> list[Ruling]:
    """Deny plans beyond the limits and winners that break the objective's constraints."""
    if evidence.point == "plan":
        return [*_rule_on_plan(evidence), *_rule_on_depth(evidence)]
    return _rule_on_winner(evidence)


def _rule_on_plan(evidence: GuardEvidence) -> list[Ruling]:
    requests, limit = evidence.plan.requests, evidence.plan.experiment.limits.requests
    figures = {"requests": float(requests), "limit": float(limit)}
    if requests <= limit:
        reason = f"at most {requests:,} requests, limit {limit:,}"
        return [Ruling(kind="allow", rule="requests", reason=reason, figures=figures)]
    return [
        Ruling(
            kind="deny",
            rule="requests",
            reason=f"the plan may send {requests:,} requests, more than limits.requests = {limit:,}",
            hint="Give fewer values in space, lower stages.grid.budget, or raise limits.requests.",
            figures=figures,
        )
    ]


def _rule_on_depth(evidence: GuardEvidence) -> list[Ruling]:
    """Warn where configurations return fewer documents than the objective looks at."""
    objective = evidence.plan.experiment.objective.maximize
    cutoff = cutoff_of(objective) or 0
    depths = {
        c.config_id: depth
        for c in (evidence.plan.baseline, *evidence.plan.configurations)
        if isinstance(depth := c.parameters.get(DEPTH), int) and depth < cutoff
    }
    if not depths:
        return []
    shallow = min(depths.values())
    return [
        Ruling(
            kind="warn",
            rule="depth",
            reason=f"{objective} looks at {cutoff} documents, but {len(depths)} configurations give "
            f"fewer ({DEPTH} {shallow} and up): what they leave out counts as not found",
            hint=f"Raise {DEPTH} in baseline and space, or maximise a metric with a smaller cutoff.",
            figures={"cutoff": float(cutoff), DEPTH: float(shallow)},
        )
    ]


def _rule_on_winner(evidence: GuardEvidence) -> list[Ruling]:
    if evidence.winner is None:
        return []
    metrics = evidence.winner.metrics
    constraints = evidence.plan.experiment.objective.subject_to
    rulings = [_rule_on_constraint(k, limit, metrics.get(k)) for k, limit in constraints.items()]
    if failures := metrics.get("failures"):
        reason = f"{failures:g} of {metrics.get('count') or 0:g} confirmation queries failed"
        rulings.append(Ruling(kind="warn", rule="failures", reason=reason))
    return rulings


def _rule_on_constraint(metric: str, limit: float, value: float | None) -> Ruling:
    if value is None:
        return Ruling(
            kind="deny",
            rule="subject_to",
            reason=f"{metric} was not measured, so the limit {limit:g} cannot be shown to hold",
            hint=f"Remove objective.subject_to.{metric}, or use a runner that measures it.",
        )
    kept = value <= limit
    return Ruling(
        kind="allow" if kept else "deny",
        rule="subject_to",
        reason=f"{metric} is {value:.4g}, limit {limit:g}",
        hint="" if kept else "Raise the limit, or leave slow configurations out of the space.",
        figures={metric: value, "limit": limit},
    )
