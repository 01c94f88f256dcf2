"""From a search space to configurations: check values, drop what has no effect, name the rest."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from orchestra_core.errors import ExperimentError, nearest
from orchestra_core.experiment import Experiment
from orchestra_core.plan import Configuration
from orchestra_core.runner import Parameter, ParameterValue, RunnerDescription

Values = Mapping[str, ParameterValue]
LONGEST_ID = 100
LARGEST = 1e300


def baseline_configuration(experiment: Experiment, description: RunnerDescription) -> Configuration:
    """The experiment's baseline as a configuration. Raises ExperimentError."""
    checked = _checked(experiment.baseline, description, "baseline", experiment)
    return _configuration(checked, description)


def expand(experiment: Experiment, description: RunnerDescription) -> tuple[Configuration, ...]:
    """Every distinct configuration of the space, in plan order (last parameter fastest).

    Parameters that the space does not name keep the baseline's value. A parameter without effect on
    a configuration is left out of it, so it does not multiply it.
    Raises ExperimentError for unknown parameters, wrong values, or more than the limit.
    """
    baseline = _checked(experiment.baseline, description, "baseline", experiment)
    axes = _axes(experiment, description)
    size = math.prod(len(values) for values in axes.values())
    if size > 20 * experiment.limits.configurations:
        raise _too_many(size, experiment)
    found: dict[str, Configuration] = {}
    origin = _configuration(baseline, description)
    for point in _points(axes):
        configuration = _configuration({**baseline, **point}, description)
        known = found.setdefault(configuration.config_id, configuration)
        for other in (known, origin):
            if other.config_id == configuration.config_id and other != configuration:
                raise _look_alike(other, configuration)
    if len(found) > experiment.limits.configurations:
        raise _too_many(len(found), experiment)
    return tuple(found.values())


def _axes(
    experiment: Experiment, description: RunnerDescription
) -> dict[str, tuple[ParameterValue, ...]]:
    return {
        name: tuple(
            _checked_value(name, value, description, f"space.{name}", experiment) for value in values
        )
        for name, values in experiment.space.items()
    }


def _points(axes: Mapping[str, Sequence[ParameterValue]]) -> Iterator[dict[str, ParameterValue]]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _checked(
    values: Values, description: RunnerDescription, where: str, experiment: Experiment
) -> dict[str, ParameterValue]:
    return {
        name: _checked_value(name, value, description, f"{where}.{name}", experiment)
        for name, value in values.items()
    }


def _checked_value(
    name: str,
    value: ParameterValue,
    description: RunnerDescription,
    where: str,
    experiment: Experiment,
) -> ParameterValue:
    if description.parameters is None:
        return value
    known = {parameter.name: parameter for parameter in description.parameters}
    if name not in known and description.open_parameters:
        return value
    if name not in known:
        near = nearest(name, known)
        listed = f" It knows: {', '.join(known)}." if not near.startswith("Known") else ""
        raise ExperimentError(
            f"the runner '{description.name}' has no parameter '{name}'",
            where=where,
            hint=f"{near}{listed}".strip(),
        )
    parameter = known[name]
    if name == "collection" and experiment.collections and value not in experiment.collections:
        raise ExperimentError(
            f"collection '{value}' is not declared",
            where=where,
            hint=nearest(str(value), experiment.collections),
        )
    return _typed(parameter, value, where)


def _typed(parameter: Parameter, value: ParameterValue, where: str) -> ParameterValue:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "boolean": isinstance(value, bool),
        "choice": isinstance(value, str) and (not parameter.choices or value in parameter.choices),
        "integer": isinstance(value, int) and number,
        "number": number,
        "number_or_off": number or value == "off",
    }[parameter.kind]
    if not fits or (isinstance(value, int | float) and number and not _in_range(parameter, value)):
        raise ExperimentError(
            f"{value!r} is no value for '{parameter.name}'",
            where=where,
            hint=f"Expected {describe_domain(parameter)}.",
        )
    if number and parameter.kind != "integer":
        return float(value)
    return value


def _in_range(parameter: Parameter, value: float) -> bool:
    low = -LARGEST if parameter.minimum is None else parameter.minimum
    high = LARGEST if parameter.maximum is None else parameter.maximum
    return low <= value <= high  # compared as they are: a huge whole number has no float


def describe_domain(parameter: Parameter) -> str:
    """The allowed values in words: `a number from 0 to 1`."""
    if parameter.kind == "choice":
        return f"one of {', '.join(parameter.choices)}" if parameter.choices else "a word"
    words = {
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "number_or_off": "a number or off",
    }[parameter.kind]
    if parameter.minimum is not None:
        words += f" from {parameter.minimum:g}"
    return words + (f" to {parameter.maximum:g}" if parameter.maximum is not None else "")


def _configuration(values: Values, description: RunnerDescription) -> Configuration:
    parameters = description.parameters or ()
    order = [p.name for p in parameters if p.name in values]
    order += [name for name in values if name not in order]
    effective = {name: values[name] for name in order}
    complete = {p.name: p.default for p in parameters} | effective
    for parameter in parameters:
        if parameter.name in effective and _is_inert(parameter, complete):
            del effective[parameter.name]
    return Configuration(config_id=config_id(effective, parameters), parameters=effective)


def _is_inert(parameter: Parameter, values: Mapping[str, ParameterValue | None]) -> bool:
    return any(values.get(name) in inert for name, inert in parameter.inert_when.items())


def config_id(values: Values, parameters: Sequence[Parameter] = ()) -> str:
    """A readable, stable id that is safe as a file name: `fiqa_para-k10-a0p5-mmr0p3-ef64`."""
    shorts = {p.name: p.short or p.name for p in parameters}
    parts = [f"{'' if (s := shorts.get(n, n)) == '-' else s}{_word(v)}" for n, v in values.items()]
    text = "-".join(parts) or "default"
    exact = "\x1f".join(f"{n}={v!r}" for n, v in values.items())
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if safe != text or len(safe) > LONGEST_ID or not safe[0].isalnum():
        digest = hashlib.sha256(exact.encode()).hexdigest()[:8]
        safe = f"c{safe}" if not safe[0].isalnum() else safe
        safe = f"{safe[: LONGEST_ID - 9]}-{digest}"
    return safe


def _word(value: ParameterValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value)).replace("-", "m")
    if isinstance(value, int | float):
        return repr(value).replace(".", "p").replace("-", "m").replace("+", "")
    return value


def _look_alike(one: Configuration, other: Configuration) -> ExperimentError:
    return ExperimentError(
        f"two configurations would both be called '{one.config_id}': "
        f"{one.parameters} and {other.parameters}",
        where="space",
        hint="Change one of the values that read alike, such as 1 and '1'.",
    )


def _too_many(size: int, experiment: Experiment) -> ExperimentError:
    return ExperimentError(
        f"the space has {size:,} configurations, more than limits.configurations = "
        f"{experiment.limits.configurations:,}",
        where="space",
        hint="Give fewer values, or raise limits.configurations.",
    )
