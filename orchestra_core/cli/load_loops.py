"""What `orchestra load` does with an open target: progress on stderr, figures on stdout."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.output import console, figure, print_json, print_table, reader_may_leave
from orchestra_core.errors import RunCancelled, TargetError, UsageError
from orchestra_core.names import make_run_id
from orchestra_core.payloads import LoadReportRequest
from orchestra_core.probing.figures import LoadFigures, LoadReport
from orchestra_core.probing.measuring import requests_in
from orchestra_core.probing.probes import Probe, Search
from orchestra_core.runner import Load, rate_figure

if TYPE_CHECKING:
    from orchestra_core.cli.load import Wishes
    from orchestra_core.probing.opening import OpenTarget
    from orchestra_core.session import Session

FIRST_RATE = 10.0
"""Per second, where a search is not told where to begin."""
_HEADERS = ("load", "sent>", "achieved>", "p50 [95%]", "p95 [95%]", "p99 [95%]", "answered>", "errors")
_ENDINGS = {
    "found": "",
    "time": "The time was up before the search was done: --within allows more.",
    "limits": "The limits of the experiment ended the search: see limits.requests and limits.cost_usd.",
    "interrupted": "Interrupted.",
}


def one_load(session: Session, target: OpenTarget, wishes: Wishes, *, as_json: bool) -> int:
    """The load asked for, and a closed one beside it where that is wanted; returns the exit code."""
    del session
    found: list[LoadFigures] = []
    interrupted = False
    limit = None
    for load in _loads(target, wishes):
        probe = Probe(target, load, wishes.duration, _Progress(load.label))
        found.append(probe.run())
        interrupted, limit = probe.interrupted, probe.limit
        if interrupted or limit:
            break
    with reader_may_leave():
        if as_json:
            told = {"config_id": target.configuration.config_id, "dataset": target.plan.dataset}
            loads = [figures.model_dump(mode="json") for figures in found]
            print_json({**told, "loads": loads, "interrupted": interrupted})
        else:
            _show(target, found, interrupted=interrupted)
    if interrupted:
        return RunCancelled.exit_code
    if limit is not None:
        raise limit
    return 0 if all(figures.answered for figures in found) else TargetError.exit_code


def search(session: Session, target: OpenTarget, wishes: Wishes, *, as_json: bool) -> int:
    """Search for the highest rate, leave artifacts, tell; returns the exit code."""
    first = _open_load(target, wishes, wishes.rate or FIRST_RATE)
    _refuse_too_few_requests(target, first, wishes.duration)
    hunt = Search(
        target,
        first,
        limit_ms=wishes.p95 or 0.0,
        step_seconds=wishes.duration,
        within_seconds=wishes.within,
    )
    hunt.run(_tell_step)
    report = hunt.report(f"load-{make_run_id(target.plan.experiment.name)}")
    written = _write(session, report) if report.steps else []
    with reader_may_leave():
        if as_json:
            print_json({**report.model_dump(mode="json"), "artifacts": written})
        else:
            _show_search(target, report, written)
    if report.ended == "interrupted":
        return RunCancelled.exit_code
    if report.highest_rate is not None:
        return 0
    return 1 if any(step.answered for step in report.steps) else TargetError.exit_code


def _refuse_too_few_requests(target: OpenTarget, first: Load, seconds: float) -> None:
    needed, left = requests_in(first, seconds) + first.warmup, target.requests_left
    if needed > left:
        raise UsageError(
            f"the first rate takes {needed:,} requests; limits.requests leaves {left:,}",
            hint="Raise limits.requests, or lower --rate, --duration or --warmup.",
        )


def _loads(target: OpenTarget, wishes: Wishes) -> list[Load]:
    closed = Load(concurrency=wishes.concurrency, warmup=wishes.warmup)
    if wishes.rate is None:
        return [closed]
    opened = _open_load(target, wishes, wishes.rate)
    return [opened, closed] if wishes.compare_closed else [opened]


def _open_load(target: OpenTarget, wishes: Wishes, rate: float) -> Load:
    seed = target.plan.experiment.seed
    return Load("open", warmup=wishes.warmup, rate=rate, arrivals=wishes.arrivals, seed=seed)


def _write(session: Session, report: LoadReport) -> list[str]:
    folder = session.home.report_folder(report.load_id)
    folder.write_json("latency_rate.json", report.model_dump(mode="json"))
    session.calls.on_error = lambda error: click.echo(f"problem: {error}", err=True)
    trouble = session.calls.load_report(LoadReportRequest(report, folder))
    if trouble is not None:
        raise trouble
    return folder.written


def _show(target: OpenTarget, found: Sequence[LoadFigures], *, interrupted: bool) -> None:
    _head(target)
    print_table(_HEADERS, map(_row, found))
    late = max((f.sent_late_ms for f in found if f.sent_late_ms is not None), default=0.0)
    click.echo(f"99 of 100 requests were sent within {figure(late, 'ms')} of their time.")
    for line in filter(None, map(_repetitions, found)):
        click.echo(line)
    if interrupted:
        click.echo("Interrupted; the figures are of what was answered before.")


def _show_search(target: OpenTarget, report: LoadReport, written: Iterable[str]) -> None:
    _head(target)
    steps = sorted(report.steps, key=lambda step: step.rate or 0.0)
    print_table(_HEADERS, map(_row, steps))
    for line in filter(None, map(_repetitions, steps)):
        click.echo(line)
    limit = f"p95 at or below {report.limit_ms:g} ms"
    if report.highest_rate is None:
        click.echo(f"No rate that was tried kept {limit}.")
    else:
        least = "" if (steps[-1].rate or 0.0) > report.highest_rate else "at least "
        click.echo(f"Highest rate with {limit}: {least}{rate_figure(report.highest_rate)}/s.")
    for line in (_ENDINGS[report.ended], *written):
        if line:
            click.echo(line)


def _head(target: OpenTarget) -> None:
    click.echo(f"{target.configuration.config_id} on {target.plan.dataset}")


def _row(figures: LoadFigures) -> tuple[str, ...]:
    return (
        _label(figures),
        _per_second(figures.sent_rate),
        _per_second(figures.achieved_rate),
        *(_interval(figures, name) for name in ("p50_ms", "p95_ms", "p99_ms")),
        f"{figures.answered:,} of {figures.requests:,}",
        ", ".join(f"{reason} {count}" for reason, count in sorted(figures.errors.items())) or "none",
    )


def _per_second(rate: float | None) -> str:
    return "–" if rate is None else f"{rate_figure(rate)}/s"


def _interval(figures: LoadFigures, name: str) -> str:
    found = figures.latency.get(name)
    if found is None:
        return "–"
    low, high = figure(found.ci_low, "ms").removesuffix(" ms"), figure(found.ci_high, "ms")
    return f"{figure(found.value, 'ms')} [{low} to {high}]"


def _label(figures: LoadFigures) -> str:
    if figures.mode == "closed":
        return Load(concurrency=figures.concurrency or 1).label
    return Load("open", rate=figures.rate or 0.0, arrivals=figures.arrivals or "constant").label


def _repetitions(figures: LoadFigures) -> str:
    if not figures.repeated:
        return ""
    pauses = f"; of their latency, {figure(figures.backoff_ms, 'ms')} in the mean were pauses before it"
    again = f"{figures.repeated:,} of {figures.requests:,} requests were sent more than once"
    return f"{_label(figures)}: {again}{pauses if figures.backoff_ms else ''}."


def _tell_step(figures: LoadFigures, held: bool) -> None:
    p95 = figure(figures.p95_with_errors_ms, "ms") if figures.p95_with_errors_ms else "endless"
    answered = f"{_per_second(figures.achieved_rate)} answered"
    failed = figures.requests - figures.answered
    told = f"p95 {p95}, {answered}, {failed:,} failed, {'kept' if held else 'broken'}"
    click.echo(f"{rate_figure(figures.rate or 0.0)}/s: {told}", err=True)


class _Progress:
    """A line on stderr: rewritten on a terminal, once every few seconds in a pipe."""

    def __init__(self, label: str) -> None:
        self._label, self._next = label, 0.0
        self._terminal = console(stderr=True).is_terminal

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now < self._next and done != total:
            return
        self._next = now + (0.2 if self._terminal else 5.0)
        of = f" of {total:,}" if total else ""
        ending = "\r" if self._terminal and done != total else "\n"
        click.echo(f"{self._label}: {done:,}{of} requests{ending}", err=True, nl=False)
