"""Write the generated parts of these pages; `--check` names those that are not current.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`, or is a code block beneath
`<!-- file: PATH -->`, from the example package; all else is written by hand.
Run it from anywhere: `python docs/generate.py`. Used by tests/docs.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
EXAMPLE = DOCS.parent / "examples" / "orchestra-wordcount"
sys.path.insert(0, str(DOCS))

import lifecycle  # type: ignore[import-not-found]  # noqa: E402 - a script beside this one
from pydantic import BaseModel  # noqa: E402

import orchestra_core  # noqa: E402
from orchestra_core import hookspecs  # noqa: E402
from orchestra_core.experiment import Experiment, Margin  # noqa: E402

_LABELS = re.compile(r"(When|Returns|Combination|Raises(?: \([^)]*\))?): ")
_BANNER = re.compile(r"^# -{20,}\n# (?P<phase>\w+)\n# -{20,}$", re.MULTILINE)


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


def hooks() -> str:
    """One section per phase, one entry per hook, from the docstrings and signatures of hookspecs."""
    parts = []
    for phase, names in phases().items():
        parts.append(f"## {phase}")
        parts += [_hook(name) for name in names]
    return "\n\n".join(parts)


def phases() -> dict[str, list[str]]:
    """Phase → names of its hooks, in the order of the file."""
    source = inspect.getsource(hookspecs)
    banners = list(_BANNER.finditer(source))
    ends = [banner.start() for banner in banners[1:]] + [len(source)]
    return {
        banner["phase"]: re.findall(r"^def (orchestra_\w+)", source[banner.end() : end], re.MULTILINE)
        for banner, end in zip(banners, ends, strict=True)
    }


def signature(name: str) -> str:
    """A hook's signature as it stands in hookspecs."""
    function = inspect.signature(getattr(hookspecs, name))
    arguments = ", ".join(f"{p.name}: {p.annotation}" for p in function.parameters.values())
    return f"{name}({arguments}) -> {function.return_annotation}"


def _hook(name: str) -> str:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    prose, _, example = text.partition("\n    ")
    summary, _, body = prose.partition("\n\n")
    pieces = _LABELS.split(" ".join(body.split()))[1:]
    facts = [f"- **{label}:** {words.strip()}" for label, words in pairs(pieces)]
    code = "\n".join(line.removeprefix("    ") for line in example.splitlines())
    shown = ["```python", signature(name), "```", "", " ".join(summary.split()), ""]
    return "\n".join([f"### {name}", "", *shown, *facts, "", "```python", code.rstrip(), "```"])


def pairs(items: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(first, second), (third, fourth), …"""
    return zip(items[::2], items[1::2], strict=True)


def experiment_keys() -> str:
    """A table of every key of the experiment."""
    rows = [
        (f"`{key}`", kind, f"`{default}`" if default else "", meaning)
        for key, kind, default, meaning in keys_of(Experiment)
    ]
    return _table(("Key", "Type", "Default", "Meaning"), rows)


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, type, default, meaning) of every key, depth first."""
    documented, written = _fields(model)
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        key = prefix + name
        meaning = documented.get(name, "")
        inner = field.annotation
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            yield key, "section", "", meaning or " ".join((inner.__doc__ or "").split())
            yield from keys_of(inner, f"{key}.")
            continue
        kind = _kind(written[name], schema["properties"][name], schema.get("$defs", {}))
        yield key, kind, _shown(field.default), meaning


def _fields(model: type[BaseModel]) -> tuple[dict[str, str], dict[str, str]]:
    """Field → docstring beneath it, and field → annotation as written."""
    tree = ast.parse(inspect.getsource(model)).body[0]
    documented: dict[str, str] = {}
    written: dict[str, str] = {}
    last = ""
    for node in tree.body if isinstance(tree, ast.ClassDef) else []:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            written[last] = ast.unparse(node.annotation)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            documented[last], last = " ".join(str(node.value.value).split()), ""
        else:
            last = ""
    return documented, written


_WORDS = {
    "Seconds": "seconds, or a duration such as `30m`",
    "Name": "name",
    "dict[str, Values]": "mapping of lists",
    "dict[Name, Collection]": "mapping of `{dataset, chunking}`",
    "dict[str, dict[str, object]]": "one section per plugin",
}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
}


def _kind(written: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if written in _WORDS:
        return _WORDS[written]
    if "anyOf" in schema:
        options = [o for o in schema["anyOf"] if o.get("type") != "null"]
        return " or ".join(_kind("", option, definitions) for option in options)
    if "const" in schema:
        return f"`{schema['const']}`"
    return " ".join([_TYPES[schema["type"]], *_bounds(schema)])


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    bounds = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
    }
    for key, word in bounds.items():
        if key in schema:
            yield f"{word} {schema[key]:g}"


def _shown(value: object) -> str:
    """A default as one would write it in YAML."""
    if isinstance(value, Margin):
        return f"{value.relative:.0%}" if value.relative is not None else _shown(value.absolute)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return '""' if value == "" else "" if value is None else str(value)


def plugin_keys() -> str:
    """A table of the settings of the three plugins in this repository."""
    from orchestra_fiqa_runner.settings import FiqaSettings
    from orchestra_reflection_rules.settings import Settings
    from orchestra_reporters.settings import ReportersSettings

    models: dict[str, type[BaseModel]] = {
        "fiqa": FiqaSettings,
        "reflection_rules": Settings,
        "reporters": ReportersSettings,
    }
    rows = [
        (f"`{key}`", kind, f"`{default}`", meaning)
        for name, model in models.items()
        for key, kind, default, meaning in keys_of(model, f"plugins.{name}.")
    ]
    return _table(("Key", "Type", "Default", "Meaning"), rows)


def fiqa_parameters() -> str:
    """A table of the parameters that the fiqa runner knows."""
    from orchestra_fiqa_runner.description import describe

    from orchestra_core.parameters import describe_domain

    rows = [
        (
            f"`{parameter.name}`",
            describe_domain(parameter),
            f"`{_shown(parameter.default)}`",
            parameter.summary,
            "; ".join(f"`{n}` is {_either(v)}" for n, v in parameter.inert_when.items()),
        )
        for parameter in describe(None).parameters or ()
    ]
    return _table(("Parameter", "Values", "Default", "Meaning", "No effect when"), rows)


def _either(values: Sequence[object]) -> str:
    return " or ".join(
        dict.fromkeys(f"{v:g}" if isinstance(v, int | float) else str(v) for v in values)
    )


def fiqa_defaults() -> str:
    """The fiqa runner's layer of the experiment, as YAML."""
    from orchestra_fiqa_runner.description import describe

    lines = ["```yaml"]
    for key, value in describe(None).defaults.items():
        if key in ("collections", "space"):
            lines.append(f"{key}:")
            lines += [f"  {inner}: {_shown(v)}" for inner, v in value.items()]
        else:
            lines.append(f"{key}: {_shown(value)}")
    return "\n".join([*lines, "```"])


def replaced_whole() -> str:
    """The mappings that one layer replaces whole."""
    from orchestra_core.layers import REPLACED_WHOLE

    return ", ".join(f"`{'.'.join(path)}`" for path in sorted(REPLACED_WHOLE))


def reserved_variables() -> str:
    """ORCHESTRA_ variables that are no experiment keys."""
    from orchestra_core.layers import NOT_EXPERIMENT_KEYS

    return ", ".join(f"`{name}`" for name in sorted(NOT_EXPERIMENT_KEYS))


def errors() -> str:
    """A table of every error with its code and exit code."""
    from orchestra_core import errors as module
    from orchestra_core.errors import OrchestraError

    known = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, OrchestraError) and c.__module__ == module.__name__
    ]
    rows = [
        (f"`{c.__name__}`", f"`{c.code}`", str(c.exit_code), (c.__doc__ or "").splitlines()[0])
        for c in known
        if c is not OrchestraError
    ]
    return _table(("Error", "`type`", "Exit code", "Meaning"), rows)


def reference() -> str:
    """A mkdocstrings directive for every public class and function, under its module."""
    homes: dict[str, list[str]] = {}
    for name in orchestra_core.__all__:
        found = getattr(orchestra_core, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            homes.setdefault(found.__module__, []).append(name)
    parts = []
    for module, names in homes.items():
        parts.append(f"## {module}")
        parts += [f"::: {module}.{name}" for name in names]
    return "\n\n".join(parts)


def cli() -> str:
    """Every command with its options, from the click tree."""
    import click

    group = command_tree()
    context = click.Context(group, info_name="orchestra")
    return "\n\n".join(_commands(group, context))


def command_tree() -> Any:
    """The `orchestra` group."""
    from orchestra_core.cli.group import cli as group

    return group


def _commands(command: Any, context: Any) -> Iterator[str]:
    import click

    yield _command(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _commands(inner, click.Context(inner, info_name=name, parent=context))


def _command(command: Any, context: Any) -> str:
    level = 2 if context.parent is None or context.parent.parent is None else 3
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    prose = inspect.cleandoc(command.help or "").replace("\b\n", "").split("\f")[0]
    parts = [f"{'#' * level} {context.command_path}", f"```text\n{usage}\n```", prose.strip()]
    rows = [_parameter(p, context) for p in command.params if not getattr(p, "hidden", False)]
    if rows:
        parts.append(_table(("Argument or option", "Meaning"), rows))
    return "\n\n".join(part for part in parts if part)


def _parameter(parameter: Any, context: Any) -> tuple[str, str]:
    import click

    if isinstance(parameter, click.Option):
        record = parameter.get_help_record(context)
        names, meaning = record or (", ".join(parameter.opts), "")
        return f"`{names}`", meaning
    return f"`{parameter.make_metavar(context)}`", ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or " "


BLOCKS: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        hooks,
        experiment_keys,
        plugin_keys,
        fiqa_parameters,
        fiqa_defaults,
        replaced_whole,
        reserved_variables,
        errors,
        reference,
        cli,
    )
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
