"""Which rates a search tries: it finds the highest that holds, to a tenth."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core.probing.searching import GROWTH, LOWEST, PRECISION, climb


def tried(start, bears):
    """Rates and whether each held, of a target that bears up to `bears` per second."""
    rates, found = climb(start), []
    try:
        rate = next(rates)
        while True:
            found.append((rate, rate <= bears))
            rate = rates.send(rate <= bears)
    except StopIteration:
        return found


@settings(deadline=None)
@given(st.floats(0.2, 1e4), st.floats(1, 1e3))
def test_the_highest_rate_is_found_to_a_tenth(bears, start):
    found = tried(start, bears)
    held = max((rate for rate, kept in found if kept), default=0.0)
    failed = min((rate for rate, kept in found if not kept), default=math.inf)
    assert held <= bears < failed
    assert failed <= held * (1 + PRECISION) + 1e-9
    assert len(found) <= 6 + abs(math.log2(bears / start)) + 2


def test_it_doubles_first_and_then_narrows_down():
    rates = [rate for rate, _ in tried(10, 75)]
    assert rates[:4] == [10, 20, 40, 80]
    assert all(40 < rate < 80 for rate in rates[4:])


def test_it_halves_where_the_first_rate_fails_and_gives_up_at_last():
    rates = [rate for rate, _ in tried(1.0, 0.0)]
    assert rates == [1.0 / GROWTH**i for i in range(len(rates))]
    assert rates[-1] >= LOWEST > rates[-1] / GROWTH
