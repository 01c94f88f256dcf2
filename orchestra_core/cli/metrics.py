"""`orchestra metrics JOB…`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestra_core.cli.options import home_option, json_option

if TYPE_CHECKING:
    from orchestra_core.evaluation.job_table import JobFigures

FAILURES = "failTopN.csv"


@click.command("metrics")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", type=click.Path(path_type=Path))
@click.option("--top", default=10, show_default=True, type=click.IntRange(0), help="Reasons to write.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where the reasons go.  [default: reports/{FAILURES} in the home folder]",
)
@home_option
@json_option
def command(
    jobs: tuple[Path, ...], top: int, out: Path | None, home: Path | None, as_json: bool
) -> None:
    """Show figures of finished jobs, and write why requests failed.

    JOB is a folder with a metrics.json, such as .runs/<job_id>, or a folder of such folders. Shown are
    recall@10, p95, cost and count. The last line takes all jobs that are ok together: means by queries,
    and the p95 of all timed requests.
    """
    from orchestra_core.artifacts import write_atomic
    from orchestra_core.cli.output import print_json
    from orchestra_core.evaluation.job_table import failures_csv, find_jobs, read_job, together
    from orchestra_core.session import Request, open_home

    found = [read_job(folder) for folder in find_jobs(jobs)]
    everything = together(found)
    target = out or open_home(Request(home=home)).reports / FAILURES
    write_atomic(target, failures_csv(everything.reasons, top))
    if as_json:
        content = {"jobs": [_as_json(job) for job in found], "all": _as_json(everything)}
        print_json({**content, "failures_csv": str(target)})
        return
    _show(found, everything)
    click.echo(f"Reasons of failures: {target}")


def _show(found: list[JobFigures], everything: JobFigures) -> None:
    from orchestra_core.cli.output import figure, print_table

    rows = [
        (
            job.name,
            job.status + (" (aggregate only)" if job.aggregate_only else ""),
            figure(job.figures["recall@10"]),
            figure(job.figures["p95_ms"], "ms"),
            figure(job.figures["cost_per_query"], "USD"),
            f"{job.count:,}",
            f"{job.failures:,}",
        )
        for job in (*found, *([everything] if len(found) > 1 else []))
    ]
    headers = ["job", "status", "recall@10>", "p95>", "cost per query>", "count>", "failures>"]
    print_table(headers, rows)


def _as_json(job: JobFigures) -> dict[str, Any]:
    return {
        "job": job.name,
        "status": job.status,
        **job.figures,
        "count": job.count,
        "failures": job.failures,
        "aggregate_only": job.aggregate_only,
        "failures_by_reason": dict(sorted(job.reasons.items())),
    }
