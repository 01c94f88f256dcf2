"""From a space to configurations: ids, inert parameters, checked values."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestra_core import Configuration, Experiment, Parameter, RunnerDescription
from orchestra_core.errors import ExperimentError
from orchestra_core.names import check_name
from orchestra_core.parameters import baseline_configuration, config_id, expand

PARAMETERS = (
    Parameter("collection", "c", "choice", short="-", choices=("para", "sent")),
    Parameter("alpha", "a", "number", short="a", minimum=0, maximum=1),
    Parameter("mmr", "m", "number_or_off", short="mmr", minimum=0, maximum=1),
    Parameter("ef", "e", "integer", short="ef", minimum=1, maximum=512, inert_when={"alpha": (0, 0.0)}),
    Parameter("fast", "f", "boolean"),
)
DESCRIBED = RunnerDescription("r", parameters=PARAMETERS)
ANYTHING = RunnerDescription("r")
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
VALUES = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def experiment(space, baseline=None, **limits):
    return Experiment(space=space, baseline=baseline or {}, limits=limits or {})


def test_ids_are_readable():
    found = expand(
        experiment({"collection": ["para"], "alpha": [0.5], "mmr": [0.3, "off"], "ef": [64]}), DESCRIBED
    )
    assert [c.config_id for c in found] == ["para-a0p5-mmr0p3-ef64", "para-a0p5-mmroff-ef64"]


def test_plan_order_has_the_last_parameter_fastest():
    found = expand(experiment({"alpha": [0.1, 0.2], "ef": [1, 2]}), DESCRIBED)
    assert [(c.parameters["alpha"], c.parameters["ef"]) for c in found] == [
        (0.1, 1),
        (0.1, 2),
        (0.2, 1),
        (0.2, 2),
    ]


def test_the_space_is_laid_over_the_baseline():
    (found,) = expand(experiment({"ef": [5]}, {"alpha": 0.5, "ef": 9}), DESCRIBED)
    assert found.parameters == {"alpha": 0.5, "ef": 5}


def test_a_parameter_without_effect_does_not_multiply():
    found = expand(experiment({"alpha": [0.0, 0.5], "ef": [32, 64]}), DESCRIBED)
    assert [c.config_id for c in found] == ["a0", "a0p5-ef32", "a0p5-ef64"]
    assert found[0].parameters == {"alpha": 0.0}


def test_a_parameter_is_inert_by_the_default_of_another():
    parameters = (
        Parameter("mode", "m", "choice", default="plain"),
        Parameter("k", "k", "integer", inert_when={"mode": ("plain",)}),
    )
    description = RunnerDescription("r", parameters=parameters)
    assert len(expand(experiment({"k": [1, 2]}), description)) == 1
    assert len(expand(experiment({"k": [1, 2], "mode": ["fused"]}), description)) == 2


@pytest.mark.parametrize(
    ("space", "message", "hint"),
    [
        ({"alhpa": [0.5]}, "has no parameter 'alhpa'", "'alpha'"),
        ({"alpha": [1.5]}, "1.5 is no value for 'alpha'", "a number from 0 to 1"),
        ({"alpha": ["off"]}, "'off' is no value for 'alpha'", "a number from 0 to 1"),
        ({"alpha": [10**400]}, "is no value for 'alpha'", "a number from 0 to 1"),
        ({"mmr": ["on"]}, "'on' is no value for 'mmr'", "a number or off from 0 to 1"),
        ({"ef": [1.0]}, "1.0 is no value for 'ef'", "a whole number from 1 to 512"),
        ({"ef": [True]}, "True is no value for 'ef'", "a whole number"),
        ({"ef": [0]}, "0 is no value for 'ef'", "a whole number from 1 to 512"),
        ({"fast": [1]}, "1 is no value for 'fast'", "true or false"),
        ({"collection": ["word"]}, "'word' is no value", "one of para, sent"),
    ],
)
def test_wrong_values_say_what_is_expected(space, message, hint):
    with pytest.raises(ExperimentError) as caught:
        expand(experiment(space), DESCRIBED)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == f"space.{next(iter(space))}"


def test_a_wrong_baseline_is_named_as_such():
    with pytest.raises(ExperimentError) as caught:
        baseline_configuration(experiment({"ef": [1]}, {"ef": 0}), DESCRIBED)
    assert caught.value.where == "baseline.ef"


def test_an_undeclared_collection():
    declared = Experiment(space={"collection": ["pare"]}, collections={"para": {}, "sent": {}})
    with pytest.raises(ExperimentError, match="not declared") as caught:
        expand(declared, DESCRIBED)
    assert caught.value.hint == "Did you mean 'para'?"


@pytest.mark.parametrize("values", [[1, "1"], ["a b", "a b-2"], [0.5, "0p5"], [True, "yes"]])
def test_values_that_read_alike_are_refused_or_told_apart(values):
    try:
        found = expand(experiment({"x": values}), ANYTHING)
    except ExperimentError as error:
        assert "would both be called" in error.message  # noqa: PT017
    else:
        assert len({c.config_id for c in found}) == 2


def test_a_baseline_that_reads_like_a_configuration_is_refused():
    """A plan finds configurations by id: one of the two would stand in for the other."""
    with pytest.raises(ExperimentError, match="would both be called 'k10'"):
        expand(experiment({"k": ["10", "20"]}, {"k": 10}), ANYTHING)


@pytest.mark.parametrize(("sizes", "limit"), [((7, 7), 48), ((200, 200, 200, 200), 5000), ((11,), 10)])
def test_a_space_beyond_the_limit_is_refused_before_it_is_built(sizes, limit):
    space = {f"p{i}": list(range(size)) for i, size in enumerate(sizes)}
    with pytest.raises(ExperimentError, match=r"more than limits\.configurations"):
        expand(experiment(space, configurations=limit), ANYTHING)


@given(st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=5))
@example({})
@example({"..": ".."})
@example({"x": "/etc/passwd"})
@example({"x" * 300: 1})
@example({"-": "-"})
@example({"x": -1e-300})
def test_ids_are_safe_names(values):
    found = config_id(values)
    assert SAFE.fullmatch(found)
    assert len(found) <= 100
    assert check_name(f"{'r' * 63}-publish-{found}") == f"{'r' * 63}-publish-{found}"
    assert found == config_id(dict(values))


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.lists(VALUES, min_size=1, max_size=3, unique_by=lambda v: (v, str(v))),
        min_size=1,
        max_size=3,
    )
)
def test_ids_are_unique_or_the_space_is_refused(space):
    try:
        asked = experiment(space)
    except ValueError:
        assume(False)  # the experiment itself refuses equal values
    try:
        found = expand(asked, ANYTHING)
    except ExperimentError as error:
        assert "would both be called" in error.message  # noqa: PT017
        return
    assert len({c.config_id for c in found}) == len(found)
    assert len({repr(c.parameters) for c in found}) == len(found)


@given(
    alpha=st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=1, unique=True),
    ef=st.lists(st.integers(1, 512), min_size=1, max_size=5, unique=True),
)
def test_inert_values_are_counted_once(alpha, ef):
    found = expand(experiment({"alpha": alpha, "ef": ef}), DESCRIBED)
    live = len([a for a in alpha if a != 0])
    assert len(found) == live * len(ef) + (1 if 0.0 in alpha else 0)
    assert all("ef" not in c.parameters for c in found if c.parameters["alpha"] == 0)
    assert all(isinstance(c, Configuration) for c in found)
