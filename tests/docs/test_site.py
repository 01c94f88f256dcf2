"""The site builds strictly, without network, and needs none to be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # A proxy that nobody answers at stands for a machine without network.
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "localhost:9")
    environ = {**os.environ, **offline, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_built(site, docs):
    assert {p.stem for p in docs.glob("*.md")} <= {p.stem for p in site.glob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site):
    found = {p.name: LOADED.findall(p.read_text(encoding="utf-8")) for p in site.glob("*.html")}
    outside = {
        url
        for name, urls in found.items()
        for url in urls
        if name != "404.html" and "canonical" not in url
    }
    assert outside == set()


def test_scripts_of_the_docs_are_no_part_of_the_site(site):
    assert list(site.rglob("*.py*")) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_is_drawn_and_shown(theme, site, docs):
    name = f"lifecycle-{theme}.svg"
    root = ET.parse(docs / "images" / name).getroot()  # noqa: S314 - our own file
    words = " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
    for word in ("experiment", "plan", "smoke", "grid", "ab", "select", "publish", "journal", "report"):
        assert word in words
    assert f"images/{name}#only-{theme}" in (site / "architecture.html").read_text(encoding="utf-8")


def test_examples_are_included_from_their_files(site, example):
    page = re.sub(r"<[^>]+>", "", (site / "writing-a-plugin.html").read_text(encoding="utf-8"))
    for name in ("index.py", "runner.py", "rules.py", "summary.py", "description.py", "settings.py"):
        text = (example / "orchestra_wordcount" / name).read_text(encoding="utf-8")
        assert text.splitlines()[0].split('"""')[1] in page, name
    assert "--8" not in page
