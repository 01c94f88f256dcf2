"""How a service is asked and how its answers are read: the section `plugins.fiqa.mapping`."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from orchestra_core.errors import nearest
from orchestra_core.fields import StrictModel
from orchestra_core.outbound.fields import Endpoints
from orchestra_core.runner import ParameterValue
from orchestra_core.strict_yaml import parse

DEFAULT_PRESET = "orchestra"
_DEEPEST = 20
JsonObject = dict[str, Any]


def _check_expression(text: str) -> str:
    from jmespath import compile as compiled
    from jmespath.exceptions import JMESPathError

    try:
        compiled(text)
    except JMESPathError as error:
        raise ValueError(f"expected a JMESPath expression: {' '.join(str(error).split())}") from None
    return text


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


def _check_json(value: Any) -> Any:
    _refuse_no_json(value, 0)
    return value


def _refuse_no_json(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"expected JSON values at most {_DEEPEST} deep")
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"expected text as key, not {odd[0]!r}")
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _refuse_no_json(inner, depth + 1)
    elif not (value is None or isinstance(value, str | bool | int | float)):
        raise ValueError(f"expected JSON values, not {value!r}")
    elif isinstance(value, float) and value - value != 0:
        raise ValueError("expected JSON values, which know no infinity and no NaN")


Expression = Annotated[str, AfterValidator(_check_expression)]
Values = Annotated[
    tuple[ParameterValue, ...], Field(min_length=1, strict=False), BeforeValidator(_one_or_more)
]
Template = Annotated[JsonObject, AfterValidator(_check_json)]
Parts = Expression | dict[str, Expression]


class Case(StrictModel):
    """A part of the request that is sent only for some values."""

    when: dict[str, Values] = {}
    """Parameter → values; all must hold."""
    unless: dict[str, Values] = {}
    """Parameter → values; none may hold."""
    body: Template = {}
    """Merged into the body."""


class AnswerSection(StrictModel):
    """Where things stand in an answer, as JMESPath expressions."""

    items: Expression
    """The list of what was found, best first."""
    id: Expression
    """Within an item: the document's id, text or whole number."""
    score: Expression | None = None
    """Within an item: its score."""
    cost: Expression | None = None
    """USD of the request."""
    breakdown_ms: Parts | None = None
    """The target's own times in milliseconds: part → expression, or one that gives an object."""
    breakdown_s: Parts | None = None
    """The same for times in seconds."""
    failed_when: Expression | None = None
    """Where this is true the answer is a failure, whatever its status."""
    repeated: Literal["refuse", "first"] = "refuse"
    """A document found twice is a failure, or counts at its first place (targets that find chunks)."""


class FingerprintSection(StrictModel):
    """Where the target says what it serves."""

    path: str
    """Asked with GET."""
    target: Expression | None = None
    """Name and version."""
    corpus_sha256: Expression | None = None
    """A hash of the corpus."""
    documents: Expression | None = None
    """Their number."""
    indexes: Expression | None = None
    """An object: collection → hash of its content."""
    versions: Expression | None = None
    """An object: component → version."""


class Mapping(StrictModel):
    """One JSON service.

    In `path`, `query` and `body`, `${name}` stands for the question, a parameter or a constant. A
    value that is nothing but `${name}` keeps its type; without a value its key is left out.
    """

    preset: str | None = None
    """A mapping to begin with; whatever else is given here replaces its parts."""
    constants: dict[str, ParameterValue | None] = {}
    """Names of fields, models and the like; a null must be given before it is needed."""
    method: Literal["GET", "POST", "PUT"] = "POST"
    """How it is asked."""
    path: str = Field(pattern=r"^/")
    """Below `runner.base_url`; values are escaped."""
    query: Template = {}
    """Query parameters of the URL."""
    body: Template = {}
    """The JSON body; none is sent where it is empty."""
    parameters: dict[str, Template] = {}
    """Parameter → what is merged into the body where a configuration has it."""
    cases: tuple[Case, ...] = Field(default=(), strict=False)
    """Merged into the body where they hold, in this order."""
    defaults: dict[str, ParameterValue] = {}
    """Values of parameters that a configuration leaves out."""
    ignores: dict[str, Values] = {}
    """Parameter → values that mean nothing to the target and may be left unsent."""
    others: Literal["refuse", "body"] = "refuse"
    """What becomes of further parameters: the experiment is refused, or they are sent by name."""
    answer: AnswerSection
    fingerprint: FingerprintSection | None = None
    """Where the target says what it serves."""
    health: Endpoints | None = None
    """Asked in place of the default of `runner.health_endpoints`."""
    prefix_stable: bool = False
    """The answer for a smaller `top_k` is the beginning of that for a larger one."""
    repeatable: bool = True
    """Asking twice does no harm, so a failed request may be sent again."""


def complete(value: object) -> object:
    """A preset's name, or a section that may name one, as a whole mapping. Raises ValueError."""
    if isinstance(value, str):
        return preset_named(value)
    if not isinstance(value, dict) or not isinstance(value.get("preset"), str):
        return value
    return merged(preset_named(value["preset"]), value)


def default_mapping() -> Mapping:
    """The mapping of services that answer `POST /api/query`."""
    return Mapping.model_validate(preset_named(DEFAULT_PRESET))


def preset_names() -> list[str]:
    """All presets, sorted."""
    return sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml"))


def preset_named(name: str) -> JsonObject:
    """A preset's content. Raises ValueError for an unknown one."""
    names = preset_names()
    if name not in names:
        raise ValueError(f"there is no preset '{name[:40]}'. {nearest(name, names)}")
    return {**_read(name), "preset": name}


def merged(below: JsonObject, above: MappingType[str, Any]) -> JsonObject:
    """`above` over `below`: objects are merged key by key, everything else is replaced."""
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        found[key] = merged(under, value) if both and under is not None else value
    return found


@lru_cache
def _read(name: str) -> JsonObject:
    text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    content: JsonObject = parse(text, f"preset {name}").value
    return content


def _folder() -> Any:
    return files(__package__) / "presets"
