"""HTML from the page's content; the same templates for the service and for the file by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestra_core.page.content import RunPage
from orchestra_core.telling.units import figure, significant, unit_of, with_unit

STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "idiomorph.min.js": "text/javascript; charset=utf-8",
}
"""Files that a page needs → their type; `live.js` and what it uses are for the service alone."""


def render_run(page: RunPage) -> str:
    """The live page of one run."""
    return _environment().get_template("run.html").render(page=page, standalone=False)


def render_live(page: RunPage) -> str:
    """Only the sections that change while the run goes on."""
    return _environment().get_template("sections.html").render(page=page, standalone=False)


def render_standalone(page: RunPage) -> str:
    """The same page as one file: style and script within, links relative to its folder."""
    return _environment().get_template("run.html").render(page=page, standalone=True)


def render_home(content: Mapping[str, Any]) -> str:
    """The page at `/`: runs, and the form that starts one."""
    return _environment().get_template("home.html").render(standalone=False, **content)


def render_list(runs: list[dict[str, Any]]) -> str:
    """Only the table of runs."""
    return _environment().get_template("list.html").render(runs=runs)


def render_problem(title: str, hint: str) -> str:
    """A page that says what is wrong."""
    return _environment().get_template("problem.html").render(title=title, hint=hint, standalone=False)


@cache
def static_file(name: str) -> bytes:
    """One of `STATIC`."""
    return (files("orchestra_core.page") / "static" / name).read_bytes()


@cache
def version_of(name: str) -> str:
    """Changes with a static file's content."""
    return hashlib.sha256(static_file(name)).hexdigest()[:12]


def _moment(stamp: str) -> str:
    """Everything Orchestra writes down is UTC; an empty stamp stays empty."""
    return f"{stamp[:19].replace('T', ' ')} UTC" if stamp else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("orchestra_core.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # keys stay in their order
    environment.filters |= {
        "metric": lambda value, name: with_unit(value, unit_of(name)),
        "figure": lambda value, name: figure(value, unit_of(name)),
        "number": lambda value: f"{value:,}",
        "significant": significant,
        "money": lambda value: f"${significant(value)}",
        "words": lambda text: str(text).replace("_", " "),
        "clock": lambda stamp: str(stamp)[11:19],
        "moment": _moment,
    }
    # Of this package alone, and for pages that hold everything themselves.
    environment.globals |= {
        "inline": lambda name: Markup(static_file(name).decode()),  # noqa: S704
        "version_of": version_of,
    }
    return environment
