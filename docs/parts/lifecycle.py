"""The picture of a run's life, drawn as SVG for light and for dark pages. Called by generate.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

WIDTH, HEIGHT = 1000, 604
PALETTES = {
    "light": {
        "ink": "#1b2430",
        "soft": "#5a6675",
        "line": "#7a8797",
        "box": "#ffffff",
        "edge": "#3f51b5",
        "room": "#f3f5fa",
        "core": "#e3e8f8",
        "chip": "#fff1d6",
        "chip_edge": "#c98a1b",
    },
    "dark": {
        "ink": "#eef1f6",
        "soft": "#b3bdca",
        "line": "#8b97a7",
        "box": "#2a3040",
        "edge": "#8c9eff",
        "room": "#232836",
        "core": "#2f3a5c",
        "chip": "#4a3a17",
        "chip_edge": "#e0aa45",
    },
}
STAGES = (
    ("smoke", "does it answer,", "with ids we know?"),
    ("grid", "a race over rungs;", "the beaten drop out"),
    ("ab", "the leader against", "the baseline"),
    ("select", "only a win replaces", "the baseline"),
    ("publish", "guards rule, policies", "are read back"),
)
DESCRIPTION = (
    "An experiment becomes a plan, which a guard may deny. Then the runner is opened and its health "
    "is asked. The plan's stages are smoke, grid, ab, select and publish. Smoke and grid ask tuning "
    "queries, ab asks confirmation queries. Reflection judges smoke and grid; the A/B gives a "
    "verdict; guards rule on publishing. Every step is an event in the journal. A fold over the "
    "journal is the run state, from which come status, memory and the report, and from the report the "
    "artifacts that reporters write."
)


def pictures() -> dict[str, str]:
    """File name → SVG."""
    return {f"lifecycle-{name}.svg": _picture(palette) for name, palette in PALETTES.items()}


def _picture(palette: dict[str, str]) -> str:
    body = "\n".join([*_first_row(), *_stages(), *_journal()])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="t d">\n<title id="t">The life of a run</title>\n'
        f'<desc id="d">{escape(DESCRIPTION)}</desc>\n{_style(palette)}\n{body}\n</svg>\n'
    )


def _style(p: dict[str, str]) -> str:
    return f"""<defs>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0L8 4L0 8z" fill="{p["line"]}"/>
</marker>
</defs>
<style>
text {{ font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif }}
text {{ fill: {p["ink"]}; text-anchor: middle }}
.title {{ font-size: 16px; font-weight: 600 }}
.sub {{ font-size: 12.5px; fill: {p["soft"]} }}
.chip-text {{ font-size: 12.5px }}
.left {{ text-anchor: start }}
.box {{ fill: {p["box"]}; stroke: {p["edge"]}; stroke-width: 1.5 }}
.room {{ fill: {p["room"]}; stroke: {p["line"]}; stroke-width: 1 }}
.core {{ fill: {p["core"]}; stroke: {p["edge"]}; stroke-width: 1.5 }}
.chip {{ fill: {p["chip"]}; stroke: {p["chip_edge"]}; stroke-width: 1 }}
.line {{ fill: none; stroke: {p["line"]}; stroke-width: 1.6 }}
.arrow {{ fill: none; stroke: {p["line"]}; stroke-width: 1.6; marker-end: url(#tip) }}
</style>"""


def _first_row() -> Iterator[str]:
    yield _box(24, 20, 170, 62, "experiment", ["one YAML file"])
    yield _arrow("M194 51H238")
    yield _box(240, 20, 170, 62, "plan", ["immutable, hashed"])
    yield _arrow("M410 51H454")
    yield _chip(456, 34, 210, 34, "guard: allow, warn or deny")
    yield _arrow("M666 51H710")
    yield _box(712, 20, 170, 62, "runner", ["opened, asked its health"])
    yield _arrow("M797 82V132")
    yield _text(805, 112, "sub left", "now queries are sent")


def _stages() -> Iterator[str]:
    yield _rect("room", 24, 134, 952, 262, 12)
    yield _text(44, 160, "title left", "stages")
    yield _chip(48, 176, 346, 28, "tuning queries")
    yield _chip(420, 176, 160, 28, "confirmation queries")
    for x in (128, 314, 500):
        yield _arrow(f"M{x} 204V224")
    for index, (name, *lines) in enumerate(STAGES):
        x = 48 + 186 * index
        yield _box(x, 226, 160, 84, name, lines)
        if index:
            yield _arrow(f"M{x - 26} 268H{x - 2}")
    yield from _answers()


def _answers() -> Iterator[str]:
    for x in (128, 314, 500, 872):
        yield _arrow(f"M{x} 310V338")
    yield _chip(48, 340, 346, 36, "reflection: keep, shrink or early_stop")
    yield _chip(408, 340, 312, 36, "verdict: win, no_difference, …")
    yield _chip(792, 340, 160, 36, "guard, then policy")


def _journal() -> Iterator[str]:
    yield _arrow("M500 396V426")
    yield _text(508, 416, "sub left", "every step is an event")
    yield _rect("core", 24, 428, 952, 52, 10)
    yield _text(500, 460, "title", "journal: append-only, the only truth")
    yield _arrow("M109 480V518")
    yield _text(117, 504, "sub left", "fold")
    row = ((24, "run state"), (230, "status"), (436, "memory"), (642, "report"), (806, "artifacts"))
    subs = (
        "kept nowhere else",
        "how far, what found",
        "index over runs",
        "for reporters",
        "by reporters",
    )
    widths = (170, 170, 170, 140, 170)
    for (x, title), sub, width in zip(row, subs, widths, strict=True):
        yield _box(x, 520, width, 62, title, [sub])
    yield _arrow("M194 551H228")
    yield _arrow("M210 551V500H521V518")
    yield _arrow("M521 500H712V518")
    yield _arrow("M782 551H804")


def _box(x: int, y: int, width: int, height: int, title: str, lines: Sequence[str]) -> str:
    middle = x + width // 2
    top = y + (height - 20 - 17 * len(lines)) // 2 + 16
    texts = [_text(middle, top, "title", title)]
    texts += [_text(middle, top + 3 + 17 * n, "sub", line) for n, line in enumerate(lines, 1)]
    return "".join([_rect("box", x, y, width, height, 8), *texts])


def _chip(x: int, y: int, width: int, height: int, text: str) -> str:
    rect = _rect("chip", x, y, width, height, height // 2)
    return rect + _text(x + width // 2, y + height // 2 + 4, "chip-text", text)


def _rect(kind: str, x: int, y: int, width: int, height: int, radius: int) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'


def _text(x: int, y: int, kind: str, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}"/>'
