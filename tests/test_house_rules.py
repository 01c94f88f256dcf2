"""Rules of the house that no linter knows: who may write files, and how large things may grow."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / "orchestra_core", *sorted((ROOT / "plugins").glob("*/orchestra_*"))]
MODULES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
WRITERS = {
    "orchestra_core/artifacts.py",
    "orchestra_core/temporaries.py",
    "orchestra_core/journal/log.py",
    "orchestra_core/journal/lock.py",
}
WRITING_CALLS = {"write_bytes", "write_text", "mkdir", "rename", "replace", "unlink", "touch"}
WRITING_MODES = set("wax+")


def relative(path):
    return path.relative_to(ROOT).as_posix()


def writing_lines(tree):
    """Lines that write through pathlib or open(); a string's own `replace` has two arguments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        opens_for_writing = name == "open" and any(set(mode) & WRITING_MODES for mode in modes[-1:])
        is_path_call = name in WRITING_CALLS and isinstance(node.func, ast.Attribute)
        other = is_path_call and ast.unparse(node.func).startswith(("request.artifacts", "formatter"))
        two_arguments = name in {"replace", "rename"} and (len(node.args) > 1 or node.keywords)
        if opens_for_writing or (is_path_call and not other and not two_arguments):
            yield node.lineno


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if relative(p).startswith("orchestra_core/")],
    ids=relative,
)
def test_only_artifacts_and_journal_write_files(path):
    lines = list(writing_lines(ast.parse(path.read_text())))
    allowed = relative(path) in WRITERS or "testing" in relative(path)
    assert allowed or not lines, f"{relative(path)} writes files at lines {lines}"


def test_the_writers_are_seen_to_write():
    tree = ast.parse((ROOT / "orchestra_core/artifacts.py").read_text())
    assert list(writing_lines(tree))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= 320, "split this module"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            body = node.end_lineno - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            assert body <= 45, f"split {node.name}: {body} lines"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_pickle_no_shell_no_unsafe_yaml(path):
    text = path.read_text()
    for word in ("import pickle", "shell=True", "yaml.load(", "yaml.unsafe_load", "allow_pickle=True"):
        assert word not in text
