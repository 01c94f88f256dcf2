"""Whether a target that stalls, or is asked for more than it bears, can hide its queue."""

from __future__ import annotations

from benchmarks.loopback import load, stall
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import server
from orchestra_core.probing.figures import LoadFigures

RATE, SECONDS, STALL_S = 50, 60, 2
REACH_MS = 1000.0
"""By arithmetic it is near 1.4 s: of 100 requests that meet the stall, 30 (1% of all) wait longer."""
BEARS, WAITING, ASKED, OVERLOAD_S = 25, 10, 60, 20


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """The same stall under an open and a closed load, then an overload."""
    seconds = 20 if quick else SECONDS
    watch.expect(3)
    with server("http_target") as port:
        found = []
        for mode, words in (("open", ("--rate", RATE)), ("closed", ("--concurrency", 1))):
            watch.step(f"{mode} loop, {seconds} s")
            stall(port, after=seconds / 2, seconds=STALL_S)
            found.append(load(port, *words, "--duration", seconds, "--warmup", 0))
    watch.step(f"overload, {OVERLOAD_S} s")
    with server("http_target", BEARS, WAITING) as port:
        words = ("--rate", ASKED, "--duration", OVERLOAD_S, "--warmup", 0)
        overload = load(port, *words, max_retries=0)
    return [*_stalled(*found), *_overloaded(overload)]


def _stalled(opened: LoadFigures, closed: LoadFigures) -> list[Figure]:
    p99 = opened.latency["p99_ms"].value
    return [
        Figure("p99, open loop, 50 per second", _told(opened, "p99_ms"), "≥ 1 s", p99 >= REACH_MS),
        Figure("p99, closed loop, one client", _told(closed, "p99_ms")),
        Figure("p50, open and closed", f"{_told(opened, 'p50_ms')}; {_told(closed, 'p50_ms')}"),
        Figure("requests, open and closed", f"{opened.requests:,}; {closed.requests:,}"),
        Figure("errors, open and closed", f"{opened.errors or 'none'}; {closed.errors or 'none'}"),
        Figure("99 of 100 open-loop requests sent within", f"{opened.sent_late_ms or 0:.2f} ms"),
    ]


def _overloaded(found: LoadFigures) -> list[Figure]:
    sent, achieved = found.sent_rate or 0.0, found.achieved_rate or 0.0
    errors = ", ".join(f"{reason} {count:,}" for reason, count in found.errors.items()) or "none"
    about = f"{ASKED} per second to a target that bears {BEARS}"
    return [
        Figure(f"{about}: sent", f"{sent:.1f}/s", f"≥ {0.95 * ASKED:g}/s", sent >= 0.95 * ASKED),
        Figure(f"{about}: answered", f"{achieved:.1f}/s", f"≤ {BEARS}/s", achieved <= BEARS),
        Figure(f"{about}: errors", f"{errors} of {found.requests:,}"),
    ]


def _told(figures: LoadFigures, name: str) -> str:
    found = figures.latency[name]
    return f"{found.value:.1f} ms (95% interval {found.ci_low:.1f} to {found.ci_high:.1f})"


BENCHMARK = Benchmark(
    name="stall",
    claim="A target that stalls once for 2 s in a minute at 50 requests per second shows it in p99.",
    how="A service on loopback (8 ms a request, every tenth 30 ms) answers nothing for 2 s in the "
    "middle of a minute. `orchestra load` asks it through the HTTP runner and the door, open-loop at "
    "50 per second, constant arrivals, then closed-loop with one client for as long. By arithmetic 100 "
    "of the 3,000 open-loop requests meet the stall, and 1% of all wait more than 1.4 s; the closed "
    "loop sends one request into it and then waits, so its p99 is that of a target that never stalled. "
    "The open loop's interval is wide because all that is slow comes from one event. The overloaded "
    "service answers one request at a time in 40 ms, and 503 to whoever finds ten before it; no "
    "repetitions.",
    measure=measure,
)
