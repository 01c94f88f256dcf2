"""Public names, errors and messages are documented under the names they have."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import orchestra_core
from orchestra_core import errors, testing
from orchestra_core.testing import fixtures

ROOT = Path(__file__).parents[2]
MACHINE = re.compile(
    r"/(?:work|root|home|tmp|Users)/|file://|\b(?!127\.0\.0\.1\b)(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|https?://(?!127\.0\.0\.1\b|andy-wsl:|search\.example\b)"
)
"""Loopback, the design's own example and a reserved name are nobody's."""
QUOTED = "Nothing runs", "The plan is refused", "The run fails or stops"
"""Sections of the page on troubles whose headings are messages of the code."""


@pytest.mark.parametrize("name", orchestra_core.__all__)
def test_public_name_is_documented(name, pages):
    assert re.search(
        rf"^::: orchestra_core\.[\w.]+\.{name}$|`{name}`", pages["payloads.md"], re.MULTILINE
    )


@pytest.mark.parametrize("name", testing.__all__)
def test_name_of_the_test_kit_is_documented(name, pages):
    assert re.search(rf"\b{name}\b", pages["testing-plugins.md"])


def test_fixtures_are_documented(pages):
    text = Path(inspect.getfile(fixtures)).read_text(encoding="utf-8")
    names = re.findall(r"^@pytest\.fixture\ndef (\w+)", text, re.MULTILINE)
    assert len(names) >= 5
    assert [name for name in names if f"`{name}" not in pages["testing-plugins.md"]] == []


def test_every_error_is_documented_with_its_exit_code(pages):
    known = [e for e in vars(errors).values() if inspect.isclass(e) and issubclass(e, Exception)]
    rows = [f"| `{e.__name__}` | `{e.code}` | {e.exit_code} |" for e in known]
    missing = [row for row in rows if row not in pages["concepts.md"]]
    assert missing == [f"| `OrchestraError` | `error` | {errors.OrchestraError.exit_code} |"]


def messages():
    """Every text in the sources, with … for what is filled in."""
    sources = [*ROOT.glob("orchestra_core/**/*.py"), *ROOT.glob("plugins/*/orchestra_*/**/*.py")]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_of_the_troubles_page_are_those_of_the_code(pages):
    sections = re.split(r"^## ", pages["faq.md"], flags=re.MULTILINE)[1:]
    chosen = [section for section in sections if section.startswith(QUOTED)]
    headings = [h for section in chosen for h in re.findall(r"^### (.+)$", section, re.MULTILINE)]
    assert len(headings) > 12
    known = list(messages())

    def says(heading, message):
        pattern = ".*?".join(re.escape(part.strip()) for part in heading.split("…"))
        return re.search(pattern, message, re.DOTALL) is not None

    assert [h for h in headings if not any(says(h, message) for message in known)] == []


def test_no_page_names_a_machine(pages):
    found = [f"{name}: {m[0]}" for name, text in pages.items() for m in MACHINE.finditer(text)]
    assert found == []
