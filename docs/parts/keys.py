"""Keys of the experiment and of plugins' settings, and the fiqa runner's parameters and defaults."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from orchestra_core.experiment import Experiment
from orchestra_core.fields import Margin
from parts.tables import table


def experiment_keys() -> str:
    """A table of every key of the experiment."""
    rows = [
        (f"`{key}`", kind, f"`{default}`" if default else "", meaning)
        for key, kind, default, meaning in keys_of(Experiment)
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


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
    "Annotated[Mapping | None, BeforeValidator(complete)]": "preset's name, or section",
    "Expression": "expression",
    "Expression | None": "expression",
    "Parts | None": "expression, or one per part",
    "FingerprintSection | None": "section",
    "PolicySettings | None": "section",
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
    if "$ref" in schema:
        return "section"
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
    return '""' if value == "" else "" if value in (None, PydanticUndefined) else str(value)


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
        (f"`{key}`", kind, f"`{default}`" if default else "", meaning)
        for name, model in models.items()
        for key, kind, default, meaning in keys_of(model, f"plugins.{name}.")
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


def policy_keys() -> str:
    """A table of the keys of `plugins.fiqa.policy`."""
    from orchestra_fiqa_runner.settings import PolicySettings

    rows = [
        (f"`{key}`", kind, f"`{default}`" if default else "", meaning)
        for key, kind, default, meaning in keys_of(PolicySettings)
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


def mapping_keys() -> str:
    """A table of the keys of `plugins.fiqa.mapping`."""
    from orchestra_fiqa_runner.http.mapping import Case, FingerprintSection, Mapping

    prefixes = {"": Mapping, "cases[].": Case, "fingerprint.": FingerprintSection}
    rows = [
        (f"`{key}`", kind, f"`{default}`" if default else "", meaning)
        for prefix, model in prefixes.items()
        for key, kind, default, meaning in keys_of(model, prefix)
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


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
    return table(("Parameter", "Values", "Default", "Meaning", "No effect when"), rows)


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
