"""What the tests of the documentation share."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docs() -> Path:
    return ROOT / "docs"


@pytest.fixture(scope="session")
def example() -> Path:
    return ROOT / "examples" / "orchestra-wordcount"


@pytest.fixture(scope="session")
def generate(docs: Path) -> ModuleType:
    """The script docs/generate.py."""
    spec = importlib.util.spec_from_file_location("docs_generate", docs / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pages(docs: Path, example: Path) -> dict[str, str]:
    """Page name → Markdown, the example's README among them."""
    found = [*sorted(docs.glob("*.md")), example / "README.md"]
    return {path.name: path.read_text(encoding="utf-8") for path in found}


@pytest.fixture(scope="session")
def code_blocks(pages: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Language → (page, code) of every fenced block; inline code is under `inline`."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, text in pages.items():
        for language, code in re.findall(
            r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
        ):
            found.setdefault(language, []).append((name, code))
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        found.setdefault("inline", []).extend((name, code) for code in re.findall(r"`([^`]+)`", prose))
    return found
