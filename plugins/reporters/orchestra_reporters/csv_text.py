"""CSV that spreadsheets and programs both read alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@")


def words(text: str) -> str:
    """Text for a cell: one line, and never taken for a formula by a spreadsheet."""
    line = " ".join(text.split())
    return f"'{line}" if line.startswith(_FORMULA_STARTS) else line


def number(value: float | None) -> str:
    """A float that reads back as the very same float; empty for None."""
    return "" if value is None else repr(float(value))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """UTF-8 CSV with a header; lines end with a newline alone."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()
