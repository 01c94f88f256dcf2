"""The experiment's layers: defaults < runner's defaults < file < ORCHESTRA_… < --set a.b=c.

Every value remembers where it came from, so that an error can name the file and line, the
environment variable or the option. A mapping whose keys the user chooses (space, collections,
baseline, subject_to, margin, host_aliases) replaces the one beneath it; every other mapping is
merged key by key.
"""

from __future__ import annotations

import re
import reprlib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestra_core import strict_yaml
from orchestra_core.errors import ExperimentError, nearest
from orchestra_core.experiment import Experiment

DEFAULT_FILE = "orchestra.yaml"
ENVIRONMENT_PREFIX = "ORCHESTRA_"
NOT_EXPERIMENT_KEYS = frozenset(
    {"ORCHESTRA_HOME", "ORCHESTRA_CACHE_DIR", "ORCHESTRA_DEBUG", "ORCHESTRA_SERVICE_TOKEN"}
)
REPLACED_WHOLE = frozenset(
    {
        ("space",),
        ("collections",),
        ("baseline",),
        ("objective", "subject_to"),
        ("stages", "ab", "margin"),
        ("runner", "host_aliases"),
    }
)
KeyPath = tuple[str | int, ...]
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


@dataclass(frozen=True)
class Layers:
    """What the user said so far, and where.

    `base` is what files and defaults say; `patches` are single keys set by environment and --set,
    which go on top of whatever comes to lie beneath them.
    """

    base: dict[str, Any] = field(default_factory=dict)
    patches: tuple[tuple[tuple[str, ...], Any], ...] = ()
    origins: dict[KeyPath, str] = field(default_factory=dict)

    @cached_property
    def values(self) -> dict[str, Any]:
        """Everything together. Raises ExperimentError when a patch stands below a plain value."""
        values = self.base
        for path, value in self.patches:
            values = _set(values, path, value, self.origins[path])
        return values

    def get(self, *path: str) -> Any:
        """A value by key path, or None."""
        value: Any = self.values
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def with_layer(self, values: Mapping[str, Any], origins: Mapping[KeyPath, str]) -> Layers:
        """These layers with a file's values above the base."""
        merged = _merge(self.base, values, ())
        return Layers(merged, self.patches, {**self.origins, **origins})

    def with_value(self, path: tuple[str, ...], value: Any, origin: str) -> Layers:
        """These layers with one value set, whatever stood there."""
        patches = (*self.patches, (path, value))
        return Layers(self.base, patches, {**self.origins, path: origin})

    def over(self, defaults: Mapping[str, Any], origin: str) -> Layers:
        """These layers with `defaults` beneath them."""
        named = dict.fromkeys(_paths(defaults, ()), origin)
        return Layers(_merge(defaults, self.base, ()), self.patches, {**named, **self.origins})

    def place(self, path: KeyPath) -> str:
        """Where a key was set, for messages: `orchestra.yaml, line 7 (space.alpha)`."""
        dotted = ".".join(str(part) for part in path)
        for patch, _ in reversed(self.patches):  # whatever lies beneath was set with it
            if path[: len(patch)] == patch:
                return f"{self.origins[patch]} ({dotted})"
        for length in range(len(path), 0, -1):
            if origin := self.origins.get(path[:length]):
                return f"{origin} ({dotted})"
        for known, origin in self.origins.items():  # only something beneath it was set
            if known[: len(path)] == path:
                return f"{origin} ({dotted})"
        return dotted


def read_layers(file: Path | None, environ: Mapping[str, str], assignments: Iterable[str]) -> Layers:
    """Read the user's layers. Raises ExperimentError.

    `file` None: `orchestra.yaml` in the working folder when there is one.
    """
    layers = Layers()
    path = file or Path(DEFAULT_FILE)
    if file is not None or path.is_file():
        layers = _with_file(layers, path)
    for name in sorted(environ):
        if is_meant_as_key(name):
            layers = _with_variable(layers, name, environ[name])
    for assignment in assignments:
        layers = _with_assignment(layers, assignment)
    return layers


def build_experiment(layers: Layers) -> Experiment:
    """The validated experiment. Raises ExperimentError naming every wrong key and its place."""
    with validation_errors((), layers.values, Experiment, layers):
        return Experiment.model_validate(layers.values)


@contextmanager
def validation_errors(
    prefix: KeyPath, data: object, model: type[BaseModel], layers: Layers | None = None
) -> Iterator[None]:
    """Turn pydantic's complaints about `data` into one ExperimentError in the user's words."""
    try:
        yield
    except ValidationError as error:
        raise _translate(error, prefix, data, model, layers or Layers()) from None


def parse_value(text: str, where: str) -> Any:
    """One value as YAML: `0.5`, `off`, `[10, 20]`. Raises ExperimentError."""
    return strict_yaml.parse(text, where).value if text.strip() else ""


def _with_file(layers: Layers, path: Path) -> Layers:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ExperimentError(
            "there is no such file", where=str(path), hint="Write one with: orchestra init"
        ) from None
    except UnicodeDecodeError as error:
        raise ExperimentError(f"not UTF-8 text: {error.reason}", where=str(path)) from None
    except OSError as error:
        raise ExperimentError(f"cannot read it: {error.strerror}", where=str(path)) from None
    document = strict_yaml.parse(text, str(path))
    if document.value is None:
        return layers
    if not isinstance(document.value, dict):
        kind = type(document.value).__name__
        raise ExperimentError(f"expected keys and values, found a {kind}", where=str(path))
    origins = {key: f"{path}, line {line}" for key, line in document.lines.items()}
    return layers.with_layer(document.value, origins)


def is_meant_as_key(variable: str) -> bool:
    """Whether it is a key, or so near to one that it must be a typo; other tools have variables too."""
    if not variable.startswith(ENVIRONMENT_PREFIX) or variable in NOT_EXPERIMENT_KEYS:
        return False
    first = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")[0]
    known = Experiment.model_fields
    joined = any(first.startswith(f"{key}_") for key in known)  # ORCHESTRA_LIMITS_WALL
    swapped = any(sorted(first) == sorted(key) for key in known)  # ORCHESTRA_SEDE
    return joined or swapped or bool(get_close_matches(first, known, n=1, cutoff=0.8))


def _with_variable(layers: Layers, name: str, text: str) -> Layers:
    path = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
    return layers.with_value(path, parse_value(text, name), name)


def _with_assignment(layers: Layers, assignment: str) -> Layers:
    key, separator, text = assignment.partition("=")
    path = tuple(quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|([^."]+)', key.strip()))
    if not separator or not path:
        raise ExperimentError(
            f"expected key=value, found '{assignment}'",
            where="--set",
            hint="For example: --set stages.grid.sample=50",
        )
    return layers.with_value(path, parse_value(text, f"--set {key}"), f"--set {key}")


def _merge(below: Any, above: Any, path: KeyPath) -> Any:
    replace = path in REPLACED_WHOLE or not (isinstance(below, dict) and isinstance(above, Mapping))
    if replace:
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merge(merged[key], value, (*path, key)) if key in merged else value
    return merged


def _set(values: Any, path: tuple[str, ...], value: Any, origin: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ExperimentError(f"'{path[0]}' stands below a value that has no keys", where=origin)
    head, *rest = path
    inner = _set(values.get(head, {}), tuple(rest), value, origin) if rest else value
    return {**values, head: inner}


def _paths(values: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield (*path, key)
            yield from _paths(value, (*path, key))


def _translate(
    error: ValidationError, prefix: KeyPath, data: object, model: type[BaseModel], layers: Layers
) -> ExperimentError:
    seen: dict[tuple[KeyPath, bool], tuple[str, str]] = {}
    for problem in error.errors(include_url=False):
        path = _real_path(problem, data)
        unknown = problem["type"] == "extra_forbidden"
        if unknown:
            known = _fields_at(model, path[:-1])
            seen[path, True] = (f"unknown key '{path[-1]}'", nearest(str(path[-1]), known))
        else:
            seen.setdefault((path, False), (sentence_of(problem), ""))
    problems = [
        (layers.place((*prefix, *path)), message, hint) for (path, _), (message, hint) in seen.items()
    ]
    return _gathered(problems)


def _gathered(problems: Sequence[tuple[str, str, str]]) -> ExperimentError:
    """One error for several (place, message, hint)s: the first in full, the others as lines."""
    (where, message, hint), *others = problems
    if others:
        lines = [f"  {w}: {m}. {h}".rstrip() for w, m, h in others]
        message = "\n".join([f"{message}. {hint}".rstrip(), f"and {len(others)} more:", *lines])
        hint = ""
    return ExperimentError(
        message,
        where=where,
        hint=hint or "See `orchestra config schema` for what is expected.",
        details={"problems": [{"where": w, "msg": m, "hint": h} for w, m, h in problems]},
    )


_PRIVATE = frozenset({"headers", "base_url", "host_aliases", "allowed_hosts"})
"""Keys whose wrong values are not shown: people write passwords there."""


def sentence_of(problem: Any) -> str:
    """One of pydantic's complaints in the user's words."""
    if problem["type"] == "missing":
        return "it is missing"
    text = str(problem["msg"]).removeprefix("Value error, ")
    text = text.replace("Input should be", "expected").replace(
        "a valid tuple", "a list, such as [a, b]"
    )
    if _PRIVATE.intersection(problem["loc"]):
        return text
    if problem["type"] == "too_short":
        return f"expected at least {problem['ctx']['min_length']} entries, found none"
    return f"{text}, found {_shown(problem['input'])}"


def _shown(value: object) -> str:
    """A value for a message, short whatever it is (aliases can make a small file a huge value)."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python refuses to write out integers of thousands of digits
        return f"a {type(value).__name__} of enormous size"


def _real_path(problem: Any, data: Any) -> KeyPath:
    """Pydantic's location without the parts (union members, validators) that no user wrote."""
    *inner, last = problem["loc"] or ("",)
    path: list[str | int] = []
    for part in (*inner, last):
        if _has(data, part):
            data = data[part]
            path.append(part)
    return (*path, last) if problem["type"] == "missing" else tuple(path)


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)


def _fields_at(model: type[BaseModel] | None, path: KeyPath) -> set[str]:
    for part in path:
        if model is None:
            return set()
        known = model.model_fields.get(str(part))
        # A name the user chose (of a collection, say) leads to the same model.
        model = _model_in(known.annotation) if known else model
    return set(model.model_fields) if model else set()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        if found := _model_in(inner):
            return found
    return None
