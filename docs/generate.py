"""Write the generated parts of these pages; `--check` names those that are not current.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`, or is a code block beneath
`<!-- file: PATH -->`, from the example package; all else is written by hand.
Run it from anywhere: `python docs/generate.py`. Used by tests/docs.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLE = DOCS.parent / "examples" / "orchestra-wordcount"
sys.path.insert(0, str(DOCS))

from parts import commands, hooks, keys, lifecycle, names  # noqa: E402 - beside this script

BLOCKS: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        hooks.hooks,
        keys.experiment_keys,
        keys.plugin_keys,
        keys.fiqa_parameters,
        keys.mapping_keys,
        keys.policy_keys,
        keys.fiqa_defaults,
        names.replaced_whole,
        names.reserved_variables,
        names.errors,
        names.reference,
        commands.cli,
    )
}


def main(arguments: Sequence[str]) -> int:
    """Write or check; returns the exit code."""
    stale = [path for path, text in rendered().items() if _read(path) != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path.name} is not current; run: python docs/generate.py\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(rendered()[path], encoding="utf-8")
        sys.stdout.write(f"wrote {path.name}\n")
    return 0


def rendered() -> dict[Path, str]:
    """Every generated file as it should be."""
    pages = {path: _fill(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.md"))}
    return pages | {DOCS / "images" / name: text for name, text in lifecycle.pictures().items()}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _fill(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- generated: {name} -->\n\n{BLOCKS[name]().strip()}\n\n<!-- end: {name} -->"

    pattern = r"<!-- generated: (?P<name>\w+) -->\n.*?<!-- end: (?P=name) -->"
    return _fill_files(re.sub(pattern, replace, text, flags=re.DOTALL))


def _fill_files(text: str) -> str:
    """Code blocks beneath `<!-- file: path -->` or `<!-- file: path:section -->`, from the example."""

    def replace(match: re.Match[str]) -> str:
        return f"<!-- file: {match['spec']} -->\n{match['fence']}{_file(match['spec'])}```"

    pattern = r"<!-- file: (?P<spec>\S+) -->\n(?P<fence>```[^\n]*\n)(?:.*?\n)??```"
    return re.sub(pattern, replace, text, flags=re.DOTALL)


def _file(spec: str) -> str:
    """A file of the example package, or the part between its `[start:name]` and `[end:name]` marks."""
    path, _, section = spec.partition(":")
    lines = (EXAMPLE / path).read_text(encoding="utf-8").splitlines(keepends=True)
    if section:
        marks = [n for n, line in enumerate(lines) if f":{section}]" in line]
        lines = lines[marks[0] + 1 : marks[1]]
    kept = [line for line in lines if "# docs: [" not in line]
    return textwrap.dedent("".join(kept)).strip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
