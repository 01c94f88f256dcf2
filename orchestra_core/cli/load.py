"""`orchestra load`: the probe alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

import click

from orchestra_core.cli.options import experiment_options, json_option
from orchestra_core.session import Request

if TYPE_CHECKING:
    from orchestra_core.probing.opening import OpenTarget


class Duration(click.ParamType):  # type: ignore[type-arg] # generic in some versions of click only
    """Seconds, or a duration as in the experiment: `90s`, `5m`."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Seconds above zero."""
        from pydantic import TypeAdapter, ValidationError

        from orchestra_core.fields import Seconds

        plain: float | str
        try:
            plain = float(value)
        except ValueError:
            plain = str(value)
        try:
            seconds: float = TypeAdapter(Seconds).validate_python(plain)
        except ValidationError:
            seconds = inf
        if not isfinite(seconds):
            self.fail(f"'{value}' is no duration; write seconds, 90s or 5m.", param, ctx)
        return seconds


class AboveZero(click.ParamType):  # type: ignore[type-arg] # generic in some versions of click only
    """A finite number above zero."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number."""
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not (number > 0 and isfinite(number)):
            self.fail(f"'{value}' is no number above zero.", param, ctx)
        return number


@dataclass(frozen=True)
class Wishes:
    """What the options say."""

    config_id: str | None
    rate: float | None
    duration: float
    arrivals: Literal["constant", "poisson"]
    concurrency: int
    warmup: int
    compare_closed: bool
    find_max_qps: bool
    p95: float | None
    within: float


@click.command("load")
@experiment_options
@json_option
@click.option("--config", "config_id", metavar="ID", help="A configuration.  [default: the baseline]")
@click.option(
    "--rate",
    type=AboveZero(),
    help="Open loop: requests per second; with --find-max-qps the first rate tried.",
)
@click.option("--duration", type=Duration(), default="10s", show_default=True, help="Per load.")
@click.option(
    "--arrivals",
    type=click.Choice(["constant", "poisson"]),
    default="constant",
    show_default=True,
    help="Open loop: evenly spaced, or independent of each other.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Closed loop: clients that wait for their answers.",
)
@click.option(
    "--warmup", type=click.IntRange(0), default=10, show_default=True, help="Requests not reported."
)
@click.option("--compare-closed", is_flag=True, help="Show a closed loop beside the open one.")
@click.option("--find-max-qps", is_flag=True, help="Search for the highest rate that keeps --p95.")
@click.option(
    "--p95",
    type=AboveZero(),
    metavar="MS",
    help="Limit of the search.  [default: objective.subject_to.p95_ms]",
)
@click.option(
    "--within", type=Duration(), default="5m", show_default=True, help="Time that a search may take."
)
def command(request: Request, as_json: bool, **options: Any) -> None:
    """Time one configuration under load; find the highest rate it bears.

    With --rate, requests arrive at that rate whether or not earlier ones were answered, and latency
    counts from when they were due. Without it, --concurrency clients wait for their answers.

    --find-max-qps doubles the rate until p95 breaks its limit, more than 1 in 100 fail, or answers fall
    behind, then narrows it down to a tenth, and leaves latency_rate.json. Ctrl-C shows what is done.

    Exit code: 0 measured, 1 no rate kept the limit, 2 wrong usage, 3 nothing was answered or the
    target failed, 130 interrupted.
    """
    from orchestra_core.cli.load_loops import one_load, search
    from orchestra_core.probing.opening import open_target, refuse_a_held_back_rate
    from orchestra_core.session import open_session

    wishes = Wishes(**options)
    _check(wishes, _said(click.get_current_context()))
    session = open_session(request)
    refuse_a_held_back_rate(session, inf if wishes.find_max_qps else wishes.rate or 0.0)
    with open_target(session, wishes.config_id) as target:
        run = search if wishes.find_max_qps else one_load
        code = run(session, target, _with_limit(wishes, target), as_json=as_json)
    click.get_current_context().exit(code)


def _said(context: click.Context) -> set[str]:
    """Options that were given, not left to their defaults."""
    from click.core import ParameterSource

    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not ParameterSource.DEFAULT}


def _check(wishes: Wishes, said: set[str]) -> None:
    if wishes.compare_closed and (wishes.rate is None or wishes.find_max_qps):
        raise click.UsageError("--compare-closed goes with --rate, and not with --find-max-qps.")
    if wishes.p95 is not None and not wishes.find_max_qps:
        raise click.UsageError("--p95 is the limit of --find-max-qps.")
    if "within" in said and not wishes.find_max_qps:
        raise click.UsageError("--within is the time of --find-max-qps.")
    if "arrivals" in said and wishes.rate is None and not wishes.find_max_qps:
        raise click.UsageError("--arrivals goes with --rate or --find-max-qps.")
    opened = wishes.find_max_qps or (wishes.rate is not None and not wishes.compare_closed)
    if "concurrency" in said and opened:
        raise click.UsageError("--concurrency is of a closed load; with --rate add --compare-closed.")
    if wishes.find_max_qps:
        _check_search(wishes)


def _check_search(wishes: Wishes) -> None:
    from orchestra_core.probing.searching import LOWEST

    if wishes.rate is not None and wishes.rate < LOWEST:
        raise click.UsageError(f"--find-max-qps tries no rate below {LOWEST:g} per second.")
    if wishes.within < wishes.duration:
        raise click.UsageError("--within leaves no time for one rate: it is less than --duration.")


def _with_limit(wishes: Wishes, target: OpenTarget) -> Wishes:
    from dataclasses import replace

    limit = wishes.p95 or target.plan.experiment.objective.subject_to.get("p95_ms")
    if wishes.find_max_qps and limit is None:
        raise click.UsageError("--find-max-qps needs a limit: --p95 250, say.")
    return replace(wishes, p95=limit)
