"""Units: which one a metric has, how it reads, and how its figures are written for people."""

from __future__ import annotations

from dataclasses import dataclass

MISSING = "–"
_ALIASES = {"milliseconds": "ms", "usd": "USD", "$": "USD", "0..1": "", "ratio": "", "share": ""}
_COUNTS = ("count", "failures", "queries")


@dataclass(frozen=True)
class Scale:
    """How the figures of one panel are shown: `value * factor`, in `label`."""

    label: str
    factor: float = 1.0


def unit_of(metric: str, unit: str = "") -> str:
    """`ms`, `USD`, `count`, the given unit if it is another one, or '' for a quality in 0..1."""
    unit = _ALIASES.get(unit.lower(), unit)
    if unit:
        return unit
    if metric.endswith("_ms"):
        return "ms"
    if metric.startswith("cost"):
        return "USD"
    return "count" if metric in _COUNTS else ""


def higher_is_better(unit: str) -> bool:
    """Qualities should rise; times, costs and counts (of failures) should fall."""
    return unit == ""


def places(value: float, digits: int = 3) -> int:
    """Decimals that show `value` with so many significant digits; never below 0."""
    if value == 0:
        return digits - 1
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 0.0999… counts as 0.1
    return max(digits - 1 - exponent, 0)


def significant(value: float, digits: int = 3) -> str:
    """Decimal notation with so many significant digits, never with an exponent: `0.0000213`."""
    return f"{value:.{places(value, digits)}f}" if value else "0"


def figure(value: float | None, unit: str) -> str:
    """A figure without its unit: qualities with four decimals, others with three digits."""
    if value is None:
        return MISSING
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.4f}" if unit == "" else significant(value)


def with_unit(value: float | None, unit: str) -> str:
    """`figure`, followed by its unit where it has one."""
    return f"{figure(value, unit)} {unit}".rstrip() if value is not None else MISSING


def p_value(value: float | None) -> str:
    """A p-value for people: two digits, and no false zero."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else significant(value, 2)


def scale_for(unit: str, largest: float, *, per_query: bool = False) -> Scale:
    """A scale on which figures up to `largest` (absolute, in `unit`) read well."""
    if unit == "":
        return Scale("0 to 1")
    if unit == "ms":
        return _time_scale(largest)
    return _money_scale(largest) if unit == "USD" and per_query else Scale(unit)


def _time_scale(largest: float) -> Scale:
    if largest >= 10_000:
        return Scale("seconds", 0.001)
    return Scale("microseconds", 1000.0) if 0 < largest < 0.1 else Scale("milliseconds")


def _money_scale(largest: float) -> Scale:
    if 0 < largest < 0.0001:
        return Scale("USD per million queries", 1e6)
    return Scale("USD per 1,000 queries", 1000.0) if largest < 0.1 else Scale("USD per query")


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 key`, `1,200 keys`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def duration(seconds: float) -> str:
    """Seconds for people: `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
