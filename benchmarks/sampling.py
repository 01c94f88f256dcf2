"""Repetitions: taken in turns, told as a median with its range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def in_turns(
    arms: Mapping[str, Callable[[], T]], repetitions: int, step: Callable[[str], None]
) -> dict[str, list[T]]:
    """Measure every arm `repetitions` times, A B then B A, so that a drift favours none."""
    found: dict[str, list[T]] = {name: [] for name in arms}
    for repetition in range(repetitions):
        for name in _order(list(arms), repetition):
            step(f"{name}, {repetition + 1} of {repetitions}")
            found[name].append(arms[name]())
    return found


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """Median over median."""
    return median(of) / median(to)


def told(values: Sequence[float], unit: str, digits: int = 1) -> str:
    """`7.1 s (6.9 to 7.4, 3 runs)`."""
    middle = f"{median(values):.{digits}f} {unit}"
    if len(values) == 1:
        return f"{middle} (1 run)"
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f}, {len(values)} runs)"


def _order(names: list[str], repetition: int) -> Iterator[str]:
    return iter(names if repetition % 2 == 0 else names[::-1])
