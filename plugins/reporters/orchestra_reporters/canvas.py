"""What both pictures share: a figure of its own, its text, its colours, its bytes.

Matplotlib's object interface only: no pyplot, no global state, so pictures may be drawn in any
thread. Every style that matters is said here or where it is used.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import IdentityTransform

from orchestra_core.pictures import DATA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Okabe and Ito's palette, which stays apart for people with any common colour blindness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, SOFT, MUTED, GRID, FAINT = "#1d2329", "#59636e", "#9aa3ad", "#e1e5e9", "#f4f5f7"
FAMILY = "DejaVu Sans"  # ships with matplotlib, so pictures do not depend on the machine's fonts


def new_figure(width: float, height: float, dpi: int) -> Figure:
    """A white figure of so many inches, on a canvas that draws it in memory."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)  # the figure keeps it as `figure.canvas`
    return figure


def png(figure: Figure) -> bytes:
    """The picture as PNG; without software name or date, so equal pictures have equal bytes.

    It carries the SHA-256 of its data, so that two libraries' drawings of the same can be told as such.
    """
    stream = io.BytesIO()
    canvas: Any = figure.canvas  # matplotlib gives `print_png` no types
    about = {"Software": None, "Creation Time": None, DATA: _data_sha256(figure)}
    canvas.print_png(stream, metadata=about)
    return stream.getvalue()


def _data_sha256(figure: Figure) -> str:
    """Of every point that is drawn; not of how it looks, nor of where labels found room."""
    digest = hashlib.sha256()
    for axes in figure.axes:
        for line in axes.lines:
            if not isinstance(line.get_transform(), IdentityTransform):  # in pixels are labels' leaders
                _add(digest, line.get_xydata())
        for marks in axes.collections:
            if isinstance(marks, LineCollection):
                for segment in marks.get_segments():
                    _add(digest, segment)
            else:
                _add(digest, marks.get_offsets())
    return digest.hexdigest()


def _add(digest: Any, points: Any) -> None:
    digest.update(np.ma.filled(np.ma.asarray(points, dtype="<f8"), np.nan).tobytes())


def font(size: float, *, bold: bool = False) -> FontProperties:
    """The one font family at `size` points."""
    return FontProperties(family=FAMILY, size=size, weight="bold" if bold else "normal")


def write(where: Figure | Axes, x: float, y: float, text: str, size: float, **style: Any) -> Text:
    """Text in the coordinates of a figure or an axes; `$` and rare characters are taken literally."""
    bold = bool(style.pop("bold", False))
    style.setdefault("color", INK)
    properties = font(size, bold=bold)
    return where.text(x, y, printable(text), fontproperties=properties, parse_math=False, **style)


@dataclass(frozen=True)
class Heading:
    """A bold title over a softer subtitle, both already broken into one or two lines."""

    title: str
    subtitle: str

    @classmethod
    def of(cls, title: str, subtitle: str, width: float) -> Heading:
        """Broken to fit a figure `width` inches wide."""
        return cls(wrapped(title, int(width * 8.1), 2), wrapped(subtitle, int(width * 12.2), 2))

    @property
    def inches(self) -> float:
        """What it takes of the figure's height."""
        return self._below_title + 0.16 + 0.18 * self.subtitle.count("\n")

    @property
    def _below_title(self) -> float:
        return 0.61 + 0.26 * self.title.count("\n")

    def draw(self, figure: Figure) -> None:
        """Write it at the top left of the figure."""
        width, height = figure.get_size_inches()
        x, style = 0.45 / width, {"va": "top", "linespacing": 1.3}
        write(figure, x, 1 - 0.3 / height, self.title, 14, bold=True, **style)
        write(figure, x, 1 - self._below_title / height, self.subtitle, 9.5, color=SOFT, **style)


def wrapped(text: str, width: int, lines: int) -> str:
    """Text broken into at most `lines` lines of `width` characters; the rest becomes `…`."""
    parts = wrap(text, width, max_lines=lines, placeholder=" …")
    return "\n".join(shortened(part, width) for part in parts)


def shortened(text: str, length: int) -> str:
    """A name cut in its middle when it is longer than `length` characters."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def sentence(text: str, length: int) -> str:
    """A sentence on one line, cut at a word when it is longer than `length` characters."""
    return shorten(text, length, placeholder=" …")


def printable(text: str) -> str:
    """Text with characters that the font lacks replaced by `□`, since drawing them would warn."""
    return "".join(char if char == "\n" or _has_glyph(char) else "□" for char in text)


def panel_style(axes: Axes) -> None:
    """Light grid behind the data, no box around it."""
    axes.set_axisbelow(True)
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    axes.tick_params(which="both", colors=SOFT, labelsize=9, labelfontfamily=FAMILY, length=3)
    axes.tick_params(which="minor", length=2)


@cache
def _has_glyph(character: str) -> bool:
    regular = font_manager.get_font(font_manager.findfont(FontProperties(family=FAMILY)))
    return character.isprintable() and regular.get_char_index(ord(character)) != 0
