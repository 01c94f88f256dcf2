"""What the runner says of itself before anything is opened."""

from __future__ import annotations

from orchestra_core import Parameter, RunnerDescription

DESCRIPTION = RunnerDescription(
    name="wordcount",
    backends=("memory",),
    parameters=(
        Parameter(
            "weighting",
            "What a word scores in a document",
            "choice",
            short="-",
            choices=("presence", "count", "tfidf"),
            default="presence",
        ),
        Parameter(
            "damping",
            "Power to which counts are raised; below 1, repeated words count less",
            "number",
            short="d",
            minimum=0,
            maximum=1,
            inert_when={"weighting": ("presence",)},
            default=1.0,
        ),
        Parameter(
            "top_k", "Documents returned", "integer", short="k", minimum=1, maximum=1000, default=10
        ),
    ),
    defaults={
        "name": "wordcount",
        "baseline": {"weighting": "presence", "damping": 1.0, "top_k": 10},
        "space": {"weighting": ["presence", "count", "tfidf"], "damping": [0.5, 1.0]},
    },
    rate_limited=False,
    seconds_per_request=0.001,
)
